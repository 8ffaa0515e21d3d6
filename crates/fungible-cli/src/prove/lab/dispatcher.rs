//! Gives requests to instances as the experiment says, holds back those whose turn has not come, and takes note of answers.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::instances::Instances;
use super::setup::{KnownRequest, Setup};
use super::stand_in::StandIn;
use crate::balancer::{InstanceId, Question};
use crate::exchange::{Exchange, Outcome, Request};
use crate::prove::request_key::{RequestKey, RequestPatterns};
use crate::prove::schedule::{Experiment, KillMoment, Route, Router, Schedule, Way};

/// How long the request after a spared one waits: what was answered too early is stored by then.
const STORED_BY_THEN: Duration = Duration::from_secs(1);

/// How long a request waits for another one that shall come first.
const SWAPPED_AT_MOST: Duration = Duration::from_secs(1);

/// Who gets which request of one run.
pub(super) struct Dispatcher<'a> {
    experiment: &'a Experiment,
    router: Router,
    /// Requests that wait for an instance that has served nothing.
    waiting: VecDeque<Waiting>,
    /// Those that wait for one over a copy of the shared paths.
    forking: VecDeque<Waiting>,
    /// Those that wait for the instance that serves once theirs is killed in the middle of them.
    doomed: VecDeque<(KillMoment, Waiting)>,
    /// The instances that those that belong together share, by their group.
    kept: HashMap<usize, usize>,
    /// The one that got the last request, where requests may stay.
    current: Option<usize>,
    /// By the number of the exchange: who got it.
    given: HashMap<usize, usize>,
    /// Keys of requests whose order is swapped, or which renew, until they are answered.
    keys: HashMap<usize, RequestKey>,
    /// Those that wait for the answer to another one: dropped, they go on.
    swapped: Vec<(RequestKey, oneshot::Sender<()>)>,
    /// Of those that take turns, the one that is being answered, and those that wait for it.
    turn: Option<usize>,
    turns: VecDeque<(Waiting, RequestKey)>,
    /// What the last fresh instance that was given away means for the request after it.
    before: Before,
    /// One that said 503, and to which request: until it says something else it has served nothing.
    warming: Option<Warming>,
    /// What baselines know of their requests, where the effect of some is withheld.
    known: &'a [KnownRequest],
    /// Which of those each request is, by the number of its exchange.
    numbers: HashMap<usize, usize>,
    /// Those after which nothing is given to an instance for so long; and until when that is so now.
    pauses: HashMap<usize, Duration>,
    not_before: Option<Instant>,
    /// For so long after a write, live instances may answer from an old copy.
    stale_bound: Duration,
    /// One whose effect is withheld has been given its instance.
    withheld: bool,
    /// With whose answer the run ends; and its number, once it has come.
    last_request: Option<&'a RequestKey>,
    last: Option<usize>,
    /// How many requests have arrived.
    pub(super) asked: usize,
    /// How long requests were held back: in all, and at most one of them.
    pub(super) held: Duration,
    pub(super) longest_hold: Duration,
}

/// What one request that got a fresh instance means for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    /// Its instance lives on: the next request waits, so that what was answered too early is stored by then.
    Spared,
    /// Its instance is killed after that, and then the next request goes on.
    KilledLater(usize),
}

struct Warming {
    method: String,
    target: String,
    instance: usize,
}

/// A request that waits.
struct Waiting {
    number: usize,
    route: Route,
    since: Instant,
    answer: oneshot::Sender<InstanceId>,
}

impl<'a> Dispatcher<'a> {
    pub(super) fn new(setup: &'a Setup<'_>, patterns: RequestPatterns) -> Dispatcher<'a> {
        let Setup { experiment, known, .. } = setup;
        Dispatcher {
            experiment,
            router: Router::new((*experiment).clone(), patterns),
            waiting: VecDeque::new(),
            forking: VecDeque::new(),
            doomed: VecDeque::new(),
            known,
            numbers: HashMap::new(),
            pauses: HashMap::new(),
            not_before: None,
            stale_bound: setup.plan.stale_bound,
            withheld: false,
            last_request: setup.last_request,
            last: None,
            kept: HashMap::new(),
            current: None,
            given: HashMap::new(),
            keys: HashMap::new(),
            swapped: Vec::new(),
            turn: None,
            turns: VecDeque::new(),
            before: Before::Nothing,
            warming: None,
            asked: 0,
            held: Duration::ZERO,
            longest_hold: Duration::ZERO,
        }
    }

    /// An earlier request was sent once more: it counts as one of this run.
    pub(super) fn note_again(&mut self, request: &Request) {
        self.router.note(request);
    }

    /// How many requests wait for an instance.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Nobody is waited for any longer.
    pub(super) fn give_up(&mut self) {
        self.waiting.clear();
        self.forking.clear();
        self.doomed.clear();
        self.turns.clear();
    }

    /// Instances that got a request.
    pub(super) fn served(&self) -> HashSet<usize> {
        self.given.values().copied().collect()
    }

    /// Instances that got one of these.
    pub(super) fn who_got(&self, numbers: impl Iterator<Item = usize>) -> HashSet<usize> {
        numbers.filter_map(|number| self.given.get(&number).copied()).collect()
    }

    /// A request has arrived and asks for its instance.
    pub(super) fn question(&mut self, question: Question, instances: &mut Instances<'_>) {
        let Question { number, request, answer } = question;
        self.asked = self.asked.max(number);
        let (key, route) = self.router.route(number, &request);
        if self.last_request.is_some_and(|last| last.covers(&key)) {
            self.last = self.last.or(Some(number));
        }
        if let Some(warming) = self.warming.take() {
            if (&warming.method, &warming.target) == (&request.method, &request.target) {
                return self.give(number, warming.instance, answer, instances);
            }
            instances.kill_if_due(warming.instance);
        }
        if self.experiment.renews(&key) {
            self.keys.insert(number, key.clone());
        }
        let allowed = matches!(self.experiment.schedule, Schedule::Rotate(_)) && !request.is_safe();
        let pause = self.experiment.pauses_after(&key).or(allowed.then_some(self.stale_bound));
        self.pauses.extend(pause.filter(|pause| !pause.is_zero()).map(|pause| (number, pause)));
        let known = self.known.iter().position(|one| one.key == key);
        self.numbers.extend(known.map(|known| (number, known)));
        let waiting = Waiting { number, route, since: Instant::now(), answer };
        if let Route::Withheld(way) = route {
            return self.withhold(way, known, waiting, instances);
        }
        if let Route::KilledAt(moment) = route {
            // The next one serves when it is ready.
            if instances.start_successor().is_ok() {
                self.doomed.push_back((moment, waiting));
            }
            return;
        }
        if self.experiment.takes_turns(&key) {
            if self.turn.is_some() {
                return self.turns.push_back((waiting, key));
            }
            self.turn = Some(number);
        }
        self.find_place(waiting, key, instances);
    }

    /// Gives a request to the instance of its route, or lets it wait for one.
    fn find_place(&mut self, waiting: Waiting, key: RequestKey, instances: &mut Instances<'_>) {
        let there = self.stays_at(waiting.route, instances);
        let Some(place) = there.filter(|place| !instances.is_dead(*place)) else {
            self.waiting.push_back(waiting);
            return self.give_spares(instances);
        };
        let Waiting { number, route, answer, .. } = waiting;
        self.let_die_with(route, place, instances);
        let pause = self.pause();
        match &self.experiment.schedule {
            _ if !pause.is_zero() => self.give_later(number, place, answer, pause, instances),
            Schedule::Baseline { pace, .. } if !pace.is_zero() => {
                self.give_later(number, place, answer, *pace, instances);
            }
            Schedule::Baseline { swap, .. } if !swap.is_empty() => {
                let then = swap.iter().find(|(first, _)| *first == key).map(|(_, then)| then.clone());
                self.keys.insert(number, key);
                match then {
                    Some(then) => self.give_after(number, place, answer, then, instances),
                    None => self.give(number, place, answer, instances),
                }
            }
            _ => self.give(number, place, answer, instances),
        }
    }

    /// The instance that a route names, if it is there by now.
    fn stays_at(&self, route: Route, instances: &Instances<'_>) -> Option<usize> {
        match route {
            Route::Live(which) | Route::LiveLast(which) => instances.live_at(which),
            Route::Kept(group) => self.kept.get(&group).copied(),
            Route::Stay | Route::StayLast => self.current,
            Route::Fresh
            | Route::Spared
            | Route::KilledLater
            | Route::Rested(_)
            | Route::Withheld(_)
            | Route::KilledAt(_) => None,
        }
    }

    /// Gives a request to somebody who lets nobody else see what it does. One that cannot be given to such gets no answer: then
    /// the run shows nothing.
    fn withhold(&mut self, way: Way, known: Option<usize>, waiting: Waiting, instances: &mut Instances<'_>) {
        self.withheld = true;
        let known = known.map(|known| &self.known[known]);
        let stand_in = match (way, known, instances.steady_address()) {
            (Way::Fork, ..) => {
                if instances.start_on_fork().is_ok() {
                    self.forking.push_back(waiting);
                }
                return;
            }
            (Way::Recorded, Some(known), _) => StandIn::Recorded(Box::new(known.exchange.clone())),
            (Way::Replaced, Some(known), Some(instance)) => {
                StandIn::Replaced { instance, places: known.minted_at.clone() }
            }
            _ => return,
        };
        if let Ok(id) = instances.stand_in(stand_in) {
            // The client may have gone.
            let _ = waiting.answer.send(id);
        }
    }

    /// Whether the answer has a status that it has in no baseline, after the effect of a request was withheld: then the rest
    /// of the run shows nothing more.
    pub(super) fn is_missed(&self, exchange: &Exchange) -> bool {
        let known = self.numbers.get(&exchange.number).map(|known| &self.known[*known]);
        let status = match &exchange.outcome {
            Outcome::Answered { status, .. } => Some(*status),
            Outcome::Ours { .. } | Outcome::Failed { .. } | Outcome::Abandoned => None,
        };
        let is_other = |known: &KnownRequest| {
            status.is_some_and(|status| !known.statuses.contains(&status))
                && self.experiment.withholds(&known.key).is_none()
        };
        self.withheld && known.is_some_and(is_other)
    }

    /// Whether the run ends with this answer.
    pub(super) fn is_last(&self, exchange: &Exchange) -> bool {
        self.last == Some(exchange.number)
    }

    fn give(
        &mut self,
        number: usize,
        place: usize,
        answer: oneshot::Sender<InstanceId>,
        instances: &mut Instances<'_>,
    ) {
        self.given.insert(number, place);
        // The client may have gone.
        let _ = answer.send(instances.give(place));
    }

    fn give_later(
        &mut self,
        number: usize,
        place: usize,
        answer: oneshot::Sender<InstanceId>,
        pause: Duration,
        instances: &mut Instances<'_>,
    ) {
        self.given.insert(number, place);
        self.held += pause;
        let id = instances.give(place);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = answer.send(id);
        });
    }

    /// Gives it when another instance has had a pause after its answer and was killed then.
    fn give_after_kill(&mut self, one: Waiting, place: usize, late: usize, instances: &mut Instances<'_>) {
        self.given.insert(one.number, place);
        self.held += STORED_BY_THEN;
        let id = instances.give(place);
        let killed = instances.kill_later(late, STORED_BY_THEN);
        tokio::spawn(async move {
            killed.await;
            // The client may have gone.
            let _ = one.answer.send(id);
        });
    }

    /// Gives it when the other one has been answered; not much later, for that one may never come.
    fn give_after(
        &mut self,
        number: usize,
        place: usize,
        answer: oneshot::Sender<InstanceId>,
        other: RequestKey,
        instances: &mut Instances<'_>,
    ) {
        self.given.insert(number, place);
        let id = instances.give(place);
        let (release, released) = oneshot::channel();
        self.swapped.push((other, release));
        tokio::spawn(async move {
            // Either way it is time.
            let _ = tokio::time::timeout(SWAPPED_AT_MOST, released).await;
            let _ = answer.send(id);
        });
    }

    /// Gives those that wait what is ready.
    pub(super) fn give_spares(&mut self, instances: &mut Instances<'_>) {
        while !self.forking.is_empty()
            && let Some(place) = instances.take_fork()
        {
            let Some(one) = self.forking.pop_front() else { break };
            self.held += one.since.elapsed();
            instances.let_die_after_next(place);
            self.give(one.number, place, one.answer, instances);
        }
        while !self.doomed.is_empty()
            && let Some(succession) = instances.succeed()
        {
            let Some((moment, one)) = self.doomed.pop_front() else { break };
            self.held += one.since.elapsed();
            let usual = self.numbers.get(&one.number).map(|known| {
                let exchange = &self.known[*known].exchange;
                exchange.ended.saturating_sub(exchange.arrived)
            });
            let killed_after = (moment == KillMoment::Halfway).then(|| usual.unwrap_or_default() / 2);
            if let Ok(id) = instances.stand_in(StandIn::Killed { succession, killed_after }) {
                // The client may have gone.
                let _ = one.answer.send(id);
            }
        }
        // What one does when it ends comes before the next request.
        if self.experiment.schedule.live() > 0 || instances.are_ending() {
            return;
        }
        while let Some(one) = self.waiting.pop_front() {
            if one.answer.is_closed() {
                self.longest_hold = self.longest_hold.max(one.since.elapsed());
                continue;
            }
            // The first of those that belong together may have come while this one waited.
            let there = self.stays_at(one.route, instances).filter(|place| !instances.is_dead(*place));
            let Some(place) = there.or_else(|| instances.take_spare()) else {
                self.waiting.push_front(one);
                return;
            };
            let held = one.since.elapsed();
            self.held += held;
            self.longest_hold = self.longest_hold.max(held);
            let after = match one.route {
                Route::Spared => Before::Spared,
                Route::KilledLater => Before::KilledLater(place),
                _ => Before::Nothing,
            };
            let before = std::mem::replace(&mut self.before, after);
            if there.is_none() {
                self.take_into_use(place, one.route, instances);
            } else {
                self.let_die_with(one.route, place, instances);
            }
            match (before, one.route) {
                (Before::Spared, _) => self.give_later(one.number, place, one.answer, STORED_BY_THEN, instances),
                (Before::KilledLater(late), _) => self.give_after_kill(one, place, late, instances),
                (Before::Nothing, Route::Rested(age)) => {
                    let pause = age.saturating_sub(instances.next_ready_for());
                    self.give_later(one.number, place, one.answer, pause, instances);
                }
                (Before::Nothing, _) => self.give(one.number, place, one.answer, instances),
            }
        }
    }

    /// An instance that serves already gets a request that may be its last.
    fn let_die_with(&mut self, route: Route, place: usize, instances: &mut Instances<'_>) {
        if matches!(route, Route::StayLast | Route::LiveLast(_)) {
            self.current = None;
            instances.let_die_after_next(place);
        }
    }

    /// A fresh instance gets its first request.
    fn take_into_use(&mut self, place: usize, route: Route, instances: &mut Instances<'_>) {
        match route {
            Route::Kept(group) => _ = self.kept.insert(group, place),
            Route::Fresh | Route::Rested(_) if self.experiment.schedule.stays() => self.hand_over_to(place, instances),
            Route::Stay => self.hand_over_to(place, instances),
            Route::Fresh | Route::StayLast | Route::Rested(_) => {
                instances.let_die_after_next(place);
                self.nobody_stays(instances);
            }
            Route::Spared
            | Route::KilledLater
            | Route::Live(_)
            | Route::LiveLast(_)
            | Route::Withheld(_)
            | Route::KilledAt(_) => {}
        }
    }

    /// From now on requests stay with this one; the one before dies when it has answered all it got.
    fn hand_over_to(&mut self, place: usize, instances: &mut Instances<'_>) {
        self.nobody_stays(instances);
        self.current = Some(place);
    }

    fn nobody_stays(&mut self, instances: &mut Instances<'_>) {
        if let Some(before) = self.current.take() {
            instances.let_die(before);
        }
    }

    /// For how long nothing may be given to an instance from now on.
    pub(super) fn pause(&self) -> Duration {
        self.not_before.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// A response has come from its instance to the last byte; whoever dies after it dies now, and whoever waits for it
    /// goes on.
    pub(super) fn answered(&mut self, exchange: &Exchange, instances: &mut Instances<'_>) {
        self.let_die_after(exchange, instances);
        if let Some(pause) = self.pauses.remove(&exchange.number) {
            self.not_before = self.not_before.max(Some(Instant::now() + pause));
        }
        if self.turn == Some(exchange.number) {
            self.next_turn(instances);
        }
    }

    fn let_die_after(&mut self, exchange: &Exchange, instances: &mut Instances<'_>) {
        if let Some(key) = self.keys.remove(&exchange.number) {
            self.swapped.retain(|(other, _)| *other != key);
            if self.experiment.renews(&key) {
                instances.renew();
            }
        }
        let Some(place) = self.given.get(&exchange.number).copied() else { return };
        let unready = matches!(exchange.outcome, Outcome::Answered { status: 503, .. });
        let warms_up = unready && instances.shall_die(place) && self.warming.is_none();
        if warms_up {
            let (method, target) = (exchange.request.method.clone(), exchange.request.target.clone());
            self.warming = Some(Warming { method, target, instance: place });
        }
        instances.answered(place, warms_up);
    }

    /// The next of those that take turns, whose client still waits.
    fn next_turn(&mut self, instances: &mut Instances<'_>) {
        self.turn = None;
        while let Some((waiting, key)) = self.turns.pop_front() {
            if waiting.answer.is_closed() {
                continue;
            }
            self.held += waiting.since.elapsed();
            self.turn = Some(waiting.number);
            return self.find_place(Waiting { since: Instant::now(), ..waiting }, key, instances);
        }
    }
}
