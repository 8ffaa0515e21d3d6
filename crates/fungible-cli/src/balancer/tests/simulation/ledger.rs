//! What happened to each request of a simulation, and what must not have happened.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::instance::Instance;

/// What the client asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) method: &'static str,
    /// It may be executed more than once.
    pub(crate) repeatable: bool,
}

/// How it ended for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With a whole response of an instance.
    Answered,
    /// With an error response of the balancer: the status, and the word of `X-Fungible-Error`.
    Refused(u16, String),
    /// The connection ended before the end of a response. Of one that breaks off at once not even the head may have come.
    Cut,
    /// The client did not wait for it.
    GaveUp,
}

/// A request that reached an instance.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) instance: usize,
    /// It got a part of a response, or all of it.
    pub(crate) has_begun: bool,
    pub(crate) is_answered: bool,
    /// The instance was alive when it broke off, and the connection new: only the retry budget allows another attempt.
    pub(crate) needs_budget: bool,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) began: Instant,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) executed: u32,
}

/// All requests of a simulation.
#[derive(Debug)]
pub(crate) struct Ledger {
    began: Instant,
    /// The retry budget does not run out.
    has_budget: bool,
    pub(crate) requests: RefCell<Vec<Entry>>,
    pub(crate) instances: RefCell<Vec<Rc<Instance>>>,
    pub(crate) troubles: RefCell<Vec<String>>,
    pub(crate) trace: RefCell<Vec<String>>,
}

impl Ledger {
    pub(crate) fn new(has_budget: bool) -> Ledger {
        Ledger {
            began: Instant::now(),
            has_budget,
            requests: RefCell::default(),
            instances: RefCell::default(),
            troubles: RefCell::default(),
            trace: RefCell::default(),
        }
    }

    /// Notes what happened.
    pub(crate) fn note(&self, what: &str) {
        self.trace.borrow_mut().push(format!("{:>6} ms  {what}", self.began.elapsed().as_millis()));
    }

    /// Notes what must not have happened.
    pub(crate) fn trouble(&self, what: String) {
        self.note(&format!("WRONG: {what}"));
        self.troubles.borrow_mut().push(what);
    }

    /// A client is about to send a request. Returns its number.
    pub(crate) fn begins(&self, kind: Kind) -> usize {
        let mut requests = self.requests.borrow_mut();
        requests.push(Entry { kind, began: Instant::now(), arrivals: Vec::new(), executed: 0 });
        self.note(&format!("request {} ({}) begins", requests.len() - 1, kind.method));
        requests.len() - 1
    }

    /// A request reached an instance. Returns the number of the arrival.
    pub(crate) fn arrives(&self, request: usize, instance: &Instance) -> usize {
        self.note(&format!("request {request} arrives at {}", instance.number));
        if let Some(why) = instance.must_get_nothing() {
            self.trouble(format!("request {request} reached instance {}, which {why}", instance.number));
        }
        let entry = &mut self.requests.borrow_mut()[request];
        let instance = instance.number;
        entry.arrivals.push(Arrival { instance, has_begun: false, is_answered: false, needs_budget: false });
        entry.arrivals.len() - 1
    }

    /// Something is known about an arrival.
    pub(crate) fn change(&self, request: usize, arrival: usize, change: impl FnOnce(&mut Arrival)) {
        change(&mut self.requests.borrow_mut()[request].arrivals[arrival]);
    }

    /// An instance has the whole request and does what it asks for.
    pub(crate) fn executes(&self, request: usize) {
        let entry = &mut self.requests.borrow_mut()[request];
        entry.executed += 1;
        let (executed, kind) = (entry.executed, entry.kind);
        if executed > 1 && !kind.repeatable {
            self.trouble(format!("request {request} ({}) was executed {executed} times", kind.method));
        }
    }

    /// A client has its response, or will not get one.
    pub(crate) fn ends(&self, request: usize, outcome: &Outcome) {
        self.note(&format!("request {request} ends: {outcome:?}"));
        let entry = self.requests.borrow()[request].clone();
        if entry.arrivals.len() > 3 {
            self.trouble(format!("request {request} was sent {} times", entry.arrivals.len()));
        }
        if let Some(why) = self.why_it_must_not_end_so(&entry, outcome) {
            self.trouble(format!("request {request} ({}) ended with {outcome:?}: {why}", entry.kind.method));
        }
    }

    fn why_it_must_not_end_so(&self, entry: &Entry, outcome: &Outcome) -> Option<&'static str> {
        let lost: Vec<usize> = entry.arrivals.iter().filter(|one| !one.is_answered).map(|one| one.instance).collect();
        let instances = self.instances.borrow();
        let (from, to) = (entry.began, Instant::now());
        let has_good = instances.iter().any(|one| one.is_good(from, to) && !lost.contains(&one.number));
        let crashed = instances.iter().filter(|one| one.crashed_in(from, to)).count();
        let frozen = instances.iter().filter(|one| one.froze_in(from, to)).count();
        let hung_up = instances.iter().filter(|one| one.hung_up_in(from, to)).count();
        // Bytes that were on their way to an instance when it ended may have been executed, for all that the balancer knows.
        let may_be_lost = lost.len() + crashed;
        let repeatable = entry.kind.repeatable;
        match outcome {
            Outcome::Answered if entry.executed == 0 => Some("no instance executed it"),
            Outcome::Answered | Outcome::GaveUp => None,
            Outcome::Cut => {
                let has_begun = entry.arrivals.iter().any(|one| one.has_begun && !one.is_answered);
                (!has_begun).then_some("no instance broke off a response")
            }
            Outcome::Refused(502, word) if word == "broke-off" => match (repeatable, self.has_budget) {
                (true, true) => Some("it could have been sent again"),
                _ => (may_be_lost == 0).then_some("no instance broke off"),
            },
            Outcome::Refused(502, word) if word == "nobody-answered" => {
                (has_good && may_be_lost + frozen + hung_up < 3).then_some("another instance was ready")
            }
            Outcome::Refused(503, word) if word == "none-ready" => has_good.then_some("an instance was ready"),
            Outcome::Refused(504, _) if repeatable && self.has_budget => {
                let is_slow = |one: &Arrival| instances.iter().any(|of| of.number == one.instance && of.is_slow());
                let was_noticed = !entry.arrivals.iter().any(is_slow);
                (has_good && frozen < 2 && was_noticed).then_some("it could have moved to another instance")
            }
            Outcome::Refused(504, _) => (frozen == 0).then_some("no instance hung"),
            Outcome::Refused(..) => Some("nothing was wrong with it"),
        }
    }

    /// How often a request was sent again although its instance lived: only the retry budget allows that.
    pub(crate) fn resent(&self) -> usize {
        let requests = self.requests.borrow();
        let resent = |entry: &Entry| {
            let before = &entry.arrivals[..entry.arrivals.len().saturating_sub(1)];
            before.iter().filter(|one| one.needs_budget).count()
        };
        requests.iter().map(resent).sum()
    }

    /// For how long the simulation has run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}
