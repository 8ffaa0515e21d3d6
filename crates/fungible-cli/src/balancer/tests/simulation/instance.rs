//! An instance of a simulation: a program that serves HTTP/1.1, and hangs, crashes and breaks off.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use test_basics::Random;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::ledger::Ledger;
use super::message::{Head, Incoming};
use crate::balancer::upstream::simulated::{Network, Stream};

/// So long after a change for the better the balancer must know of it: a pause between probes, and a probe without response.
const NOTICED: Duration = Duration::from_secs(1);

/// So long a request may be on its way when its instance begins to drain.
const ON_ITS_WAY: Duration = Duration::from_millis(50);

/// Responses that take longer, in milliseconds, leave a balancer no time to notice that an instance hangs: it waits for three times as
/// long before it looks, and then for twice as long again.
const SLOW: usize = 400;

/// How long a new connection may wait for its first request.
const FIRST_REQUEST: Duration = Duration::from_secs(5);

/// What an instance does by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Character {
    /// So many of a hundred requests it breaks off.
    pub(crate) breaks_off: usize,
    /// So many of a hundred it answers with 500.
    pub(crate) fails: usize,
    /// How long a response takes at most, in milliseconds.
    pub(crate) slowest: usize,
    /// How long a connection may be idle after a response; `None`: it ends connections after each response.
    pub(crate) idle: Option<Duration>,
}

impl Default for Character {
    /// One that always responds, at once.
    fn default() -> Character {
        Character { breaks_off: 0, fails: 0, slowest: 0, idle: Some(Duration::from_secs(5)) }
    }
}

#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) number: usize,
    pub(crate) address: SocketAddr,
    character: Character,
    network: Network,
    ledger: Rc<Ledger>,
    random: RefCell<Random>,
    is_frozen: Cell<bool>,
    thawed: Notify,
    is_unready: Cell<bool>,
    tasks: RefCell<JoinSet<()>>,
    /// The times in which it need not serve.
    bad: RefCell<Vec<(Instant, Option<Instant>)>>,
    frozen: RefCell<Vec<(Instant, Option<Instant>)>>,
    /// When it closed a connection that was idle for too long.
    hung_up: RefCell<Vec<Instant>>,
    crashed: Cell<Option<Instant>>,
    drains: Cell<Option<Instant>>,
    /// When the balancer was told, or found, that it is gone.
    pub(crate) gone: Cell<Option<Instant>>,
}

impl Instance {
    /// One that does not listen yet.
    pub(crate) fn new(
        number: usize,
        address: SocketAddr,
        character: Character,
        network: &Network,
        (ledger, random): (&Rc<Ledger>, Random),
    ) -> Rc<Instance> {
        let instance = Rc::new(Instance {
            number,
            address,
            character,
            network: network.clone(),
            ledger: Rc::clone(ledger),
            random: RefCell::new(random),
            is_frozen: Cell::new(false),
            thawed: Notify::new(),
            is_unready: Cell::new(false),
            tasks: RefCell::default(),
            bad: RefCell::new(vec![(Instant::now(), None)]),
            frozen: RefCell::default(),
            hung_up: RefCell::default(),
            crashed: Cell::new(None),
            drains: Cell::new(None),
            gone: Cell::new(None),
        });
        ledger.instances.borrow_mut().push(Rc::clone(&instance));
        instance
    }

    fn note(&self, what: &str) {
        self.ledger.note(&format!("instance {} {what}", self.number));
    }

    /// It listens from now on.
    pub(crate) fn listen(self: &Rc<Self>) {
        if self.crashed.get().is_some() {
            return;
        }
        self.note("listens");
        let mut connections = self.network.listen(self.address);
        let instance = Rc::clone(self);
        self.tasks.borrow_mut().spawn_local(async move {
            // As the system does, also for a program that hangs.
            while let Some(stream) = connections.recv().await {
                let serving = Rc::clone(&instance).serve(stream);
                instance.tasks.borrow_mut().spawn_local(serving);
            }
        });
        self.recovers();
    }

    fn recovers(&self) {
        if self.is_frozen.get() || self.is_unready.get() {
            return;
        }
        for (_, until) in self.bad.borrow_mut().iter_mut() {
            until.get_or_insert(Instant::now() + NOTICED);
        }
    }

    fn turns_bad(&self) {
        self.bad.borrow_mut().push((Instant::now(), None));
    }

    /// It answers nothing until it is thawed.
    pub(crate) fn freeze(&self) {
        self.note("freezes");
        self.is_frozen.set(true);
        self.turns_bad();
        self.frozen.borrow_mut().push((Instant::now(), None));
    }

    pub(crate) fn thaw(&self) {
        self.note("thaws");
        self.is_frozen.set(false);
        self.thawed.notify_waiters();
        for (_, until) in self.frozen.borrow_mut().iter_mut() {
            until.get_or_insert(Instant::now());
        }
        if self.crashed.get().is_none() && self.drains.get().is_none() {
            self.recovers();
        }
    }

    /// Its health page says that it is not ready, or that it is again.
    pub(crate) fn is_ready(&self, is_ready: bool) {
        self.note(if is_ready { "is ready" } else { "is not ready" });
        self.is_unready.set(!is_ready);
        if !is_ready {
            self.turns_bad();
        } else if self.crashed.get().is_none() && self.drains.get().is_none() {
            self.recovers();
        }
    }

    /// It ends at once, and nothing of it is left.
    pub(crate) fn crash(&self) {
        if self.crashed.get().is_some() {
            return;
        }
        self.note("ends");
        self.crashed.set(Some(Instant::now()));
        self.turns_bad();
        self.network.close(self.address);
        self.tasks.borrow_mut().abort_all();
    }

    /// The balancer is told to drain it.
    pub(crate) fn leaves(&self) {
        self.note("is to be drained");
        self.drains.set(Some(Instant::now()));
        self.turns_bad();
    }

    pub(crate) fn stays(&self) -> bool {
        self.crashed.get().is_none() && self.drains.get().is_none()
    }

    /// Whether it served, ready and without a fault, for all of that time.
    pub(crate) fn is_good(&self, from: Instant, to: Instant) -> bool {
        self.character.breaks_off == 0 && !overlaps(&self.bad.borrow(), from, to)
    }

    /// Whether its responses take so long that nobody notices within the time of one request that it hangs.
    pub(crate) fn is_slow(&self) -> bool {
        self.character.slowest > SLOW
    }

    pub(crate) fn froze_in(&self, from: Instant, to: Instant) -> bool {
        overlaps(&self.frozen.borrow(), from, to)
    }

    pub(crate) fn crashed_in(&self, from: Instant, to: Instant) -> bool {
        // What was sent shortly before arrives after it.
        self.crashed.get().is_some_and(|at| from <= at + ON_ITS_WAY && at <= to)
    }

    /// Whether it closed an idle connection. What was on its way there may have been executed, for all that the balancer knows.
    pub(crate) fn hung_up_in(&self, from: Instant, to: Instant) -> bool {
        self.hung_up.borrow().iter().any(|at| from <= *at + ON_ITS_WAY && *at <= to)
    }

    /// Why no request may reach it.
    pub(crate) fn must_get_nothing(&self) -> Option<&'static str> {
        let now = Instant::now();
        // One that hangs reads late what was sent early.
        let has_frozen = !self.frozen.borrow().is_empty();
        let drains = self.drains.get().filter(|at| *at + ON_ITS_WAY < now && !has_frozen);
        let gone = self.gone.get().filter(|at| *at + ON_ITS_WAY / 2 < now && !has_frozen);
        match (gone, drains) {
            (Some(_), _) => Some("is gone"),
            (None, Some(_)) => Some("is drained"),
            (None, None) => None,
        }
    }

    async fn alive(&self) {
        while self.is_frozen.get() {
            self.thawed.notified().await;
        }
    }

    fn below(&self, end: usize) -> usize {
        self.random.borrow_mut().below(end)
    }

    async fn serve(self: Rc<Self>, stream: Stream) {
        let mut incoming = Incoming::new(stream);
        let mut is_first = true;
        loop {
            let idle = self.character.idle.filter(|_| !is_first).unwrap_or(FIRST_REQUEST);
            let head = tokio::time::timeout(idle, incoming.head()).await;
            // One that hangs closes nothing.
            self.alive().await;
            if head.is_err() {
                self.hung_up.borrow_mut().push(Instant::now());
            }
            let Ok(Some(head)) = head else { return };
            let Some(request) = head.request() else {
                let status = if self.is_unready.get() { "503 Service Unavailable" } else { "200 OK" };
                let response = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                if incoming.stream.write_all(response.as_bytes()).await.is_err() {
                    return;
                }
                continue;
            };
            if !self.answer(&mut incoming, &head, request, is_first).await {
                return;
            }
            is_first = false;
        }
    }

    /// Answers a request, or breaks it off. Returns whether the connection goes on.
    async fn answer(&self, incoming: &mut Incoming, head: &Head, request: usize, is_first: bool) -> bool {
        let arrival = self.ledger.arrives(request, self);
        let broken = self.below(100) < self.character.breaks_off;
        self.ledger.change(request, arrival, |one| one.needs_budget = broken && is_first);
        if broken && self.below(4) == 0 {
            self.note("breaks a request off before it has it");
            return false;
        }
        let Some(body) = incoming.body(head).await else { return false };
        self.alive().await;
        self.ledger.executes(request);
        tokio::time::sleep(Duration::from_millis(self.below(self.character.slowest + 1) as u64)).await;
        self.alive().await;
        let response = self.response(request, head, &body);
        let mut length = response.len();
        if broken {
            // At any byte, and often at the first.
            length = if self.below(2) == 0 { 0 } else { self.below(response.len()) };
        }
        let has_head = response[..length].windows(4).any(|window| window == b"\r\n\r\n");
        self.ledger.change(request, arrival, |one| {
            one.has_begun = length > 0;
            // After the head of a response nothing is sent again.
            one.needs_budget &= !has_head;
        });
        let half = self.below(length + 1);
        for piece in [&response[..half], &response[half..length]] {
            if self.below(3) == 0 {
                tokio::time::sleep(Duration::from_millis(self.below(20) as u64)).await;
            }
            self.alive().await;
            if incoming.stream.write_all(piece).await.is_err() {
                return false;
            }
        }
        if broken {
            self.note(&format!("breaks request {request} off after {length} bytes"));
            if self.below(2) == 0 {
                incoming.stream.reset();
            }
            return false;
        }
        self.ledger.change(request, arrival, |one| one.is_answered = true);
        self.character.idle.is_some()
    }

    fn response(&self, request: usize, head: &Head, body: &[u8]) -> Vec<u8> {
        let status = if self.below(100) < self.character.fails { "500 Internal Server Error" } else { "200 OK" };
        let text = format!("{request} of {} bytes, by {}\n{}", body.len(), self.number, ".".repeat(self.below(2000)));
        let closes = if self.character.idle.is_none() { "Connection: close\r\n" } else { "" };
        let mut response = format!("HTTP/1.1 {status}\r\n{closes}Content-Length: {}\r\n\r\n", text.len()).into_bytes();
        if !head.is_for_head() {
            response.extend_from_slice(text.as_bytes());
        }
        response
    }
}

fn overlaps(spans: &[(Instant, Option<Instant>)], from: Instant, to: Instant) -> bool {
    spans.iter().any(|(begin, end)| *begin <= to && end.is_none_or(|end| from <= end))
}
