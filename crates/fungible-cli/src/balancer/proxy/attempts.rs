//! Sends a request to an instance and, where that is safe, to another one: a request that was never sent, or one with
//! an idempotent method. No other request is sent twice. How instances are chosen is decided by the pool.

use std::pin::pin;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Uri};
use tokio::time::Instant;

use super::context::{Client, Context, Direction};
use super::cookies::Hints;
use super::error_response::{
    BAD_ANSWER, BROKE_OFF, ErrorResponse, NO_ANSWER_IN_TIME, NO_SOCKETS, NOBODY_ANSWERED, NONE_READY, TOO_MANY_WAIT,
};
use crate::balancer::config::Dispatch;
use crate::balancer::meter::ResendReason;
use crate::balancer::pool::{Claim, InstanceId, PortOwner, Refusal, Wish};
use crate::balancer::upstream::connections::{self, Connection};
use crate::balancer::upstream::fields::Field;
use crate::balancer::upstream::health_check::{self, not_connected};
use crate::balancer::upstream::{Gate, GateGuard, Origin, Problem, RoundTrip, RoundTripError, Upload};

/// How often a request is sent at most, so that a request that crashes instances does not reach all of them.
const SENT_AT_MOST: u32 = 3;

/// How long an observer waits for a short body that says what its request asks for.
const GATHERED_WITHIN: Duration = Duration::from_secs(1);

/// How often instances that received nothing of a request are tried again when no other is left.
const FORGIVEN_AT_MOST: u32 = 2;

/// A request as an instance gets it.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) target: Uri,
    pub(super) headers: HeaderMap,
    /// Fields of the balancer, sent behind the others. To insert them there would cost several times as much.
    pub(super) added: Vec<Field>,
    pub(super) origin: Origin,
    /// It may be sent again even if it may have been executed.
    pub(super) repeatable: bool,
    /// The request of an attempt of which nothing was sent.
    pub(super) unsent: Option<Upload>,
    /// Its client sends the body only when it is asked to.
    pub(super) expects_continue: bool,
    /// What holds the body of the current attempt back.
    pub(super) gate: Option<GateGuard>,
}

impl Outgoing {
    /// Waits until the body has arrived, or as much of it as is buffered before the rest streams. No instance is
    /// claimed meanwhile.
    async fn gather(&mut self) -> Result<(), ErrorResponse> {
        if self.expects_continue {
            // Reading the body would ask for it.
            return self.origin.problem().map_or(Ok(()), |problem| Err(ErrorResponse::of_body(problem)));
        }
        self.origin.gather().await.map_err(ErrorResponse::of_body)?;
        if self.origin.turned_out_empty() {
            // Some servers require a length or chunks, and not all of them take a last chunk alone.
            self.headers.remove(TRANSFER_ENCODING);
            self.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Ok(())
    }

    /// Begins to send the request, from its beginning unless nothing of it was sent so far; `None` if too much of its body
    /// was already passed on.
    fn send(&mut self, connection: Connection) -> Option<RoundTrip> {
        let upload = if let Some(upload) = self.unsent.take() {
            upload
        } else {
            self.gate = self.expects_continue.then(|| GateGuard(Gate::new()));
            let body = self.origin.body(self.gate.as_ref().map(|gate| gate.0.clone()))?;
            Upload::new(&self.method, &self.target, &self.headers, &self.added, body)
        };
        let gate = self.gate.as_ref().map(|gate| gate.0.clone());
        Some(RoundTrip::new(connection, upload, self.method == Method::HEAD, gate))
    }
}

/// The head of the response of an instance.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) head: Parts,
    /// Its body.
    pub(super) round_trip: RoundTrip,
    pub(super) claim: Claim,
    /// What holds the body of the request back, until the response has ended.
    pub(super) gate: Option<GateGuard>,
}

/// The attempts to get a response to one request.
#[derive(Debug)]
pub(super) struct Attempts<'a> {
    client: &'a Client,
    context: &'a Context,
    request: Outgoing,
    hints: &'a Hints,
    tried: Vec<InstanceId>,
    /// The instances in `tried` that received nothing of it. They may get it when they are ready again, or nobody else is left.
    unreached: Vec<InstanceId>,
    /// How often they got another chance although they had not become unhealthy meanwhile.
    forgiven: u32,
    sent: u32,
    /// How many instances were tried.
    made: u32,
    /// Whether it was moved from an instance that became unhealthy. It is moved once only; otherwise a slow request
    /// would run on all instances.
    moved: bool,
}

/// Why an attempt gave no response.
enum Failure {
    /// The instance received nothing.
    Unsent,
    /// There are no sockets for connections to any instance.
    NoSockets,
    /// The instance may have executed it.
    BrokeOff,
    /// The response is not HTTP.
    BadAnswer,
    /// The body of the client cannot be passed on.
    Body(Problem),
    /// The instance did not respond in time.
    Late,
    /// The instance became unhealthy, and another one was claimed.
    GoElsewhere(Claim),
}

/// What to look at while a request waits for the head of its response, and when.
struct Watch {
    sent: Instant,
    too_late: Instant,
    /// When to look whether the instance is silent; `None`: never.
    suspect: Option<Instant>,
    /// How long it may be silent, and how many responses had come from it when the request was sent, or at the last look.
    patience: Duration,
    answers: u64,
}

impl Watch {
    fn new(claim: &Claim, limit: Duration, suspects: bool) -> Watch {
        let (sent, patience) = (Instant::now(), claim.link.patience());
        let suspect = suspects.then(|| sent + patience);
        Watch { sent, too_late: sent + limit, suspect, patience, answers: claim.link.answers() }
    }

    fn next(&self) -> Instant {
        self.suspect.map_or(self.too_late, |suspect| suspect.min(self.too_late))
    }

    fn is_late(&self, now: Instant) -> bool {
        self.too_late <= now
    }

    /// Whether no response at all has come from the instance since the last look. The next look is later each time, so that a
    /// request that waits for an event costs few probes.
    fn is_silent(&mut self, claim: &Claim) -> bool {
        let answers = claim.link.answers();
        let is_silent = answers == self.answers;
        self.answers = answers;
        if is_silent {
            self.patience = self.patience.saturating_mul(2);
        }
        self.suspect = Some(Instant::now() + self.patience);
        is_silent
    }
}

impl<'a> Attempts<'a> {
    /// The attempts for `request`, of which none was made yet.
    pub(super) fn new(client: &'a Client, request: Outgoing, hints: &'a Hints) -> Attempts<'a> {
        Attempts {
            client,
            context: &client.context,
            request,
            hints,
            tried: Vec::new(),
            unreached: Vec::new(),
            forgiven: 0,
            sent: 0,
            made: 0,
            moved: false,
        }
    }

    /// How many instances were tried.
    pub(super) fn made(&self) -> u32 {
        self.made
    }

    /// Sends the request once, on a new connection, to the instance that the observer chooses.
    ///
    /// # Errors
    /// The error response for the client.
    pub(super) async fn directed(&mut self, direction: &Direction) -> Result<Answered, ErrorResponse> {
        // A body that comes more slowly streams: its client may wait for the beginning of the answer.
        if let Ok(gathered) = tokio::time::timeout(GATHERED_WITHIN, self.request.gather()).await {
            gathered?;
        }
        let Direction { observer, record } = direction;
        let chosen = observer.choose(record).await.and_then(|id| self.context.pool.claim_this(id));
        let claim = chosen.ok_or(NONE_READY)?;
        record.sent_to(&claim.name);
        self.made = 1;
        let failure = match self.send_once(&claim).await {
            Ok((head, mut round_trip)) => {
                round_trip.is_last();
                return Ok(Answered { head, round_trip, claim, gate: None });
            }
            Err(failure) => failure,
        };
        Err(match failure {
            Failure::Unsent => NOBODY_ANSWERED,
            Failure::NoSockets => NO_SOCKETS,
            Failure::BadAnswer => BAD_ANSWER,
            Failure::Body(problem) => ErrorResponse::of_body(problem),
            Failure::Late => NO_ANSWER_IN_TIME,
            Failure::BrokeOff | Failure::GoElsewhere(_) => BROKE_OFF,
        })
    }

    async fn send_once(&mut self, claim: &Claim) -> Result<(Parts, RoundTrip), Failure> {
        let connection = self.open(claim).await?;
        if self.is_foreign(claim) {
            return Err(Failure::Unsent);
        }
        let mut round_trip = self.request.send(connection).ok_or(Failure::BrokeOff)?;
        let error = match self.wait(claim, &mut round_trip, false).await? {
            Ok(head) => return Ok((head, round_trip)),
            Err(error) => error,
        };
        self.request.unsent = round_trip.into_unsent();
        Err(self.failure_of(error, true).unwrap_or(Failure::BrokeOff))
    }

    /// Whether another program listens on the port of the instance, which may have ended by itself. The response of
    /// that program must not be taken for one of the instance. The check takes less than a millisecond.
    fn is_foreign(&self, claim: &Claim) -> bool {
        let vouch = self.context.pool.vouch_of(claim.id);
        vouch.is_some_and(|vouch| matches!(vouch.port_owner(), PortOwner::Foreign(_)))
    }

    /// Tries instances until one responds, each at most once.
    ///
    /// # Errors
    /// The error response for the client.
    pub(super) async fn balanced(&mut self) -> Result<Answered, ErrorResponse> {
        self.request.gather().await?;
        self.context.retries.count();
        let mut claim = self.claim().await?;
        loop {
            self.made += 1;
            let failure = match self.attempt(&claim).await {
                Ok((head, round_trip)) => {
                    let gate = self.request.gate.take();
                    return Ok(Answered { head, round_trip, claim, gate });
                }
                Err(failure) => failure,
            };
            let may_repeat = self.request.repeatable && self.request.origin.can_restart();
            match failure {
                Failure::GoElsewhere(other) => {
                    self.resends(ResendReason::Unhealthy);
                    claim = other;
                    continue;
                }
                Failure::BrokeOff if !may_repeat => return Err(BROKE_OFF),
                Failure::BrokeOff if self.sent >= SENT_AT_MOST => return Err(NOBODY_ANSWERED),
                // An instance that ended leaves no more requests than it had: these do not multiply the load.
                Failure::BrokeOff if !claim.is_out() && !self.context.retries.take(Instant::now()) => {
                    return Err(BROKE_OFF);
                }
                Failure::Unsent | Failure::BrokeOff => {}
                Failure::NoSockets => return Err(NO_SOCKETS),
                Failure::BadAnswer => return Err(BAD_ANSWER),
                Failure::Body(problem) => return Err(ErrorResponse::of_body(problem)),
                Failure::Late => return Err(NO_ANSWER_IN_TIME),
            }
            let unsent = matches!(failure, Failure::Unsent);
            if unsent {
                self.unreached.push(claim.id);
            }
            self.tried.push(claim.id);
            drop(claim);
            claim = self.claim().await?;
            self.resends(if unsent { ResendReason::Unsent } else { ResendReason::BrokeOff });
        }
    }

    fn resends(&self, reason: ResendReason) {
        if let Some(meter) = &self.context.config.meter {
            meter.resends(reason);
        }
    }

    async fn claim(&mut self) -> Result<Claim, ErrorResponse> {
        // The lock of the pool is shared by all workers, and most requests have nothing to forgive.
        if !self.unreached.is_empty() && self.context.pool.none_ready() {
            self.forgive();
        }
        let mut claimed = self.context.pool.claim(&self.wish());
        // An instance under a burst of connections may not accept one in time, and still be the only one.
        if matches!(claimed, Err(Refusal::AllTried)) && self.forgiven < FORGIVEN_AT_MOST && self.forgive() {
            self.forgiven += 1;
            claimed = self.context.pool.claim(&self.wish());
        }
        let claimed = match claimed {
            Err(Refusal::NoneReady) => {
                let _held = self.client.progress.hold();
                self.context.pool.claim_or_wait(&self.wish()).await
            }
            decided => decided,
        };
        claimed.map_err(|refusal| match refusal {
            Refusal::AllTried => NOBODY_ANSWERED,
            Refusal::NoneReady => NONE_READY,
            Refusal::TooManyWait => TOO_MANY_WAIT,
        })
    }

    /// Lets the instances that received nothing of it be tried again. Returns whether there were any.
    fn forgive(&mut self) -> bool {
        let unreached = std::mem::take(&mut self.unreached);
        self.tried.retain(|id| !unreached.contains(id));
        !unreached.is_empty()
    }

    fn wish(&self) -> Wish<'_> {
        Wish {
            named: self.hints.named.as_deref(),
            last: self.hints.last.as_deref(),
            client: self.client.origin.address.ip(),
            tried: &self.tried,
        }
    }

    /// Sends the request to one instance: on an idle connection, and on a new one if the idle one was closed meanwhile.
    async fn attempt(&mut self, claim: &Claim) -> Result<(Parts, RoundTrip), Failure> {
        let mut may_be_idle = true;
        loop {
            let take = || self.context.connections.take(claim.id, !self.request.repeatable);
            let idle = may_be_idle.then(take).flatten();
            let is_new = idle.is_none();
            let connection = match idle {
                Some(connection) => connection,
                None => self.open(claim).await?,
            };
            let mut round_trip = self.request.send(connection).ok_or(Failure::BrokeOff)?;
            let may_leave = self.request.repeatable && !self.moved;
            let error = match self.wait(claim, &mut round_trip, may_leave).await? {
                Ok(head) => return Ok((head, round_trip)),
                Err(error) => error,
            };
            self.request.unsent = round_trip.into_unsent();
            if let Some(failure) = self.failure_of(error, is_new || claim.link.leaving()) {
                return Err(failure);
            }
            if self.request.unsent.is_none() {
                may_be_idle = false;
            }
        }
    }

    /// Why sending failed; `None` if the request may be sent to the same instance again. `is_last`: it may not, because the
    /// connection was a new one, or the instance gets no more requests.
    fn failure_of(&mut self, error: RoundTripError, is_last: bool) -> Option<Failure> {
        if let Some(problem) = self.request.origin.problem() {
            return Some(Failure::Body(problem));
        }
        if self.request.unsent.is_some() {
            return is_last.then_some(Failure::Unsent);
        }
        self.sent += 1;
        if error == RoundTripError::Malformed {
            return Some(Failure::BadAnswer);
        }
        // An idle connection fails most often because the instance was closing it.
        let again =
            self.request.repeatable && !is_last && self.sent < SENT_AT_MOST && self.request.origin.can_restart();
        (!again).then_some(Failure::BrokeOff)
    }

    async fn open(&self, claim: &Claim) -> Result<Connection, Failure> {
        let open = || connections::open(claim.address, self.context.config.connect_timeout);
        let mut opened = open().await;
        if opened.as_ref().is_err_and(connections::is_out_of_sockets) {
            // Idle connections are closed to free sockets for this request.
            self.context.connections.keep_only(&[]);
            tokio::task::yield_now().await;
            opened = open().await;
        }
        opened.map_err(|error| {
            let Some(finding) = not_connected(claim.address, &error) else { return Failure::NoSockets };
            self.context.pool.observe(claim.id, finding);
            Failure::Unsent
        })
    }

    /// Waits for the head of the response. `may_leave`: if the instance becomes unhealthy, the request may move to
    /// another one.
    async fn wait(
        &mut self,
        claim: &Claim,
        round_trip: &mut RoundTrip,
        may_leave: bool,
    ) -> Result<Result<Parts, RoundTripError>, Failure> {
        let mut sending = pin!(round_trip.head());
        let limit = self.context.config.response_timeout;
        let mut watch = Watch::new(claim, limit, matches!(self.context.config.dispatch, Dispatch::Balanced));
        let mut timer = pin!(tokio::time::sleep_until(watch.next()));
        loop {
            let out = claim.link.out.notified();
            let ready = self.context.pool.rings_when_ready();
            if may_leave
                && claim.is_out()
                && let Some(other) = self.elsewhere(claim)
            {
                return Err(Failure::GoElsewhere(other));
            }
            tokio::select! {
                biased;
                sent = &mut sending => {
                    if let Ok(answer) = &sent {
                        self.request.gate.as_ref().inspect(|gate| gate.0.answered());
                        claim.link.answered(answer.status.is_server_error(), watch.sent.elapsed());
                    }
                    return Ok(sent);
                }
                () = out, if may_leave => {}
                () = ready, if may_leave && claim.is_out() => {}
                () = timer.as_mut() => {
                    if watch.is_late(Instant::now()) {
                        match self.request.origin.moved() {
                            Some(moved) if moved.at.elapsed() < limit => watch.too_late = moved.at + limit,
                            Some(moved) if moved.waits_for_client => watch.too_late = Instant::now() + limit,
                            _ => return Err(Failure::Late),
                        }
                    } else if watch.is_silent(claim) {
                        health_check::suspect(&self.context.pool, &self.context.config.health, claim);
                    }
                    timer.as_mut().reset(watch.next());
                }
            }
        }
    }

    fn elsewhere(&mut self, claim: &Claim) -> Option<Claim> {
        // The one that waits has been sent, too.
        if !self.request.origin.can_restart() || self.sent + 1 >= SENT_AT_MOST {
            return None;
        }
        self.tried.push(claim.id);
        // The budget last: it is for requests that are really sent.
        let other = self.context.pool.claim_ready(&self.wish()).filter(|_| self.context.retries.take(Instant::now()));
        if other.is_some() {
            self.moved = true;
            self.sent += 1;
        } else {
            self.tried.pop();
        }
        other
    }
}
