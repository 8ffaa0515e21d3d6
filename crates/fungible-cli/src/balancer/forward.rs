//! One request: to an instance, if need be to another, and its answer back. Nothing is sent twice unless it may be:
//! a request that was never sent, or one with an idempotent method. It knows nothing of how instances are chosen.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, SEC_WEBSOCKET_EXTENSIONS, SET_COOKIE, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::TrySendError;
use hyper::upgrade::OnUpgrade;

use super::access::Line;
use super::answer_body::{AnswerBody, Passing};
use super::client::Progress;
use super::config::Routing;
use super::connections::{self, REST_AT_MOST, Sender};
use super::cookies;
use super::headers::{self, CameFrom, REQUEST_ID};
use super::health_check::not_connected;
use super::instance::{Claim, InstanceId, PortOwner};
use super::own_answer::{
    BAD_ANSWER, BAD_BODY, BODY_TOO_LARGE, BROKE_OFF, NO_ANSWER_IN_TIME, NO_SOCKETS, NOBODY_ANSWERED, NONE_READY, Own,
    SLOW_BODY, TOO_MANY_WAIT,
};
use super::pool::{Refusal, Wish};
use super::refuse;
use super::request_body::{Origin, Problem, RequestBody};
use super::tap::Record;
use super::thread::Thread;
use super::tunnel::{self, Listener};

/// A connection on which an instance may already have begun to hang up: a request that must not be executed twice
/// never uses one that rested longer, because from its failure nobody could tell whether it was executed.
const REST_FOR_ONCE_ONLY: Duration = Duration::from_secs(1);

/// How often a request is sent at most: one that brings down every instance that it meets must not meet them all.
const SENT_AT_MOST: u32 = 3;

/// Who asks.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) thread: Rc<Thread>,
    pub(super) address: SocketAddr,
    pub(super) address_value: HeaderValue,
    pub(super) progress: Arc<Progress>,
    /// Its place in the order of opening, where somebody listens.
    pub(super) number: usize,
}

/// Answers one request of a client.
pub(super) async fn answer(
    client: Rc<Client>,
    mut request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    let line = Line::begin(&request);
    let switch = request.extensions_mut().remove::<OnUpgrade>();
    let (head, body) = request.into_parts();
    let record = client.thread.config.plan.as_ref().map(|plan| plan.record(&head, client.number));
    let answer = match refuse::check(&head) {
        Ok(()) => Exchange::new(&client, head, body, switch, line, record.clone()).run().await,
        Err(own) => Err((own, line)),
    };
    Ok(answer.unwrap_or_else(|(own, line)| {
        client.progress.answered();
        if let Some(record) = &record {
            record.own_answer(own);
        }
        if let Some(mut line) = line {
            line.status = own.status();
            line.write(true);
        }
        own.answer()
    }))
}

/// A request under way.
struct Exchange<'a> {
    client: &'a Client,
    thread: &'a Rc<Thread>,
    version: Version,
    method: Method,
    target: Uri,
    headers: HeaderMap,
    origin: Origin,
    /// The client offers to change to another protocol.
    switch: Option<OnUpgrade>,
    named: Option<String>,
    last: Option<String>,
    /// It may be sent again although it may have been executed.
    repeatable: bool,
    /// What an instance never got, to be sent as it is.
    unsent: Option<Request<RequestBody>>,
    tried: Vec<InstanceId>,
    /// Those of `tried` that got nothing of it: when they are ready again, they may have it.
    unreached: Vec<InstanceId>,
    sent: u32,
    /// It left an instance that took too long; it does so once, or a slow request would run everywhere.
    moved: bool,
    line: Option<Box<Line>>,
    record: Option<Record>,
}

/// Why an attempt brought no answer.
enum Failure {
    /// The instance got nothing of it.
    Unsent,
    /// We have no connection to give, to whichever instance.
    NoSockets,
    /// The instance may have executed it.
    BrokeOff,
    /// What came from the instance is not HTTP.
    BadAnswer,
    /// The client's body cannot be passed on.
    Body(Problem),
    /// Nothing came from the instance in time.
    Late,
    /// Another instance was found while this one was taken out.
    GoElsewhere(Claim),
}

type Sent = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;
type NotAnswered = (Own, Option<Box<Line>>);

impl<'a> Exchange<'a> {
    fn new(
        client: &'a Client,
        head: Parts,
        body: Incoming,
        switch: Option<OnUpgrade>,
        mut line: Option<Box<Line>>,
        record: Option<Record>,
    ) -> Exchange<'a> {
        let thread = &client.thread;
        let Parts { method, uri, version, mut headers, .. } = head;
        let routing = thread.config.routing;
        let named = (routing == Routing::Sticky).then(|| cookies::sticky(&headers, &thread.config.secret)).flatten();
        let last = (routing == Routing::NeverTwice).then(|| cookies::last(&headers)).flatten();
        let (named, last) = (named.map(str::to_owned), last.map(str::to_owned));
        let repeatable =
            method.is_idempotent() || (thread.config.resend_keyed && headers.contains_key("idempotency-key"));
        // Where somebody listens, what is sent twice would be seen twice.
        let repeatable = repeatable && record.is_none();
        let origin = Origin::new(body, repeatable, &thread.config.limits.body, &thread.in_memory, record.clone());
        let from = CameFrom {
            client: &client.address_value,
            target: uri.authority(),
            our_host: &thread.our_host,
            trust_forwarded: thread.config.trust_forwarded,
        };
        let has_body = !matches!(origin, Origin::Empty);
        let offer = headers::to_instance(&mut headers, version, has_body, &from, || thread.new_id());
        if record.is_some() {
            // A compressed message could not be read, and a client must do without what it merely offers (RFC 6455, 9.1).
            headers.remove(SEC_WEBSOCKET_EXTENSIONS);
        }
        match origin.length() {
            // hyper would drop the body of a GET that does not say so.
            None => drop(headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))),
            // As a plain number: `010` is ten to one reader and eight to another.
            Some(length) if headers.contains_key(CONTENT_LENGTH) => {
                headers.insert(CONTENT_LENGTH, length.into());
            }
            Some(_) => {}
        }
        if let Some(line) = &mut line {
            line.id = headers.get(REQUEST_ID).cloned();
        }
        Exchange {
            client,
            thread,
            version,
            method,
            target: only_path(uri),
            headers,
            origin,
            switch: switch.filter(|_| offer.is_some()),
            named,
            last,
            repeatable,
            unsent: None,
            tried: Vec::new(),
            unreached: Vec::new(),
            sent: 0,
            moved: false,
            line,
            record,
        }
    }

    async fn run(mut self) -> Result<Response<AnswerBody>, NotAnswered> {
        match self.first_answer().await {
            Ok((answer, sender, claim)) => self.pass_on(answer, sender, claim),
            Err(own) => Err((own, self.line)),
        }
    }

    /// Tries instances until one answers, each at most once. None is held while the body comes.
    async fn first_answer(&mut self) -> Result<(Response<Incoming>, Sender, Claim), Own> {
        self.origin.gather().await.map_err(of_body)?;
        let mut claim = self.claim().await?;
        loop {
            let failure = match self.attempt(&claim).await {
                Ok((answer, sender)) => return Ok((answer, sender, claim)),
                Err(failure) => failure,
            };
            match failure {
                Failure::Unsent if self.record.is_some() => return Err(NOBODY_ANSWERED),
                Failure::GoElsewhere(other) => {
                    claim = other;
                    continue;
                }
                Failure::BrokeOff if !self.repeatable || !self.origin.can_restart() => return Err(BROKE_OFF),
                Failure::BrokeOff if self.sent >= SENT_AT_MOST => return Err(NOBODY_ANSWERED),
                Failure::Unsent | Failure::BrokeOff => {}
                Failure::NoSockets => return Err(NO_SOCKETS),
                Failure::BadAnswer => return Err(BAD_ANSWER),
                Failure::Body(problem) => return Err(of_body(problem)),
                Failure::Late => return Err(NO_ANSWER_IN_TIME),
            }
            if matches!(failure, Failure::Unsent) {
                self.unreached.push(claim.id);
            }
            self.tried.push(claim.id);
            drop(claim);
            claim = self.claim().await?;
        }
    }

    async fn claim(&mut self) -> Result<Claim, Own> {
        if let (Some(plan), Some(record)) = (&self.thread.config.plan, &self.record) {
            let chosen = plan.choose(record).await.and_then(|id| self.thread.pool.claim_this(id)).ok_or(NONE_READY)?;
            record.sent_to(&chosen.name);
            return Ok(chosen);
        }
        if !self.unreached.is_empty() && self.thread.pool.none_ready() {
            let unreached = std::mem::take(&mut self.unreached);
            self.tried.retain(|id| !unreached.contains(id));
        }
        self.thread.pool.claim_or_wait(&self.wish()).await.map_err(|refusal| match refusal {
            Refusal::AllTried => NOBODY_ANSWERED,
            Refusal::NoneReady => NONE_READY,
            Refusal::TooManyWait => TOO_MANY_WAIT,
        })
    }

    fn wish(&self) -> Wish<'_> {
        Wish {
            named: self.named.as_deref(),
            last: self.last.as_deref(),
            client: self.client.address.ip(),
            tried: &self.tried,
        }
    }

    /// Sends the request to one instance: on a resting connection, and on a new one if that had ended meanwhile.
    async fn attempt(&mut self, claim: &Claim) -> Result<(Response<Incoming>, Sender), Failure> {
        let mut rest = if self.repeatable { REST_AT_MOST } else { REST_FOR_ONCE_ONLY };
        loop {
            let resting = if self.record.is_some() { None } else { self.thread.connections.take(claim.id, rest) };
            let is_new = resting.is_none();
            let mut sender = match resting {
                Some(sender) => sender,
                None => self.open(claim).await?,
            };
            let request = self.unsent.take().or_else(|| self.request()).ok_or(Failure::BrokeOff)?;
            let sending = sender.try_send_request(request);
            let mut error = match self.wait(claim, sending).await? {
                Ok(answer) => return Ok((answer, sender)),
                Err(error) => error,
            };
            self.unsent = error.take_message();
            if self.unsent.is_none() {
                self.sent += 1;
            }
            match (&self.unsent, self.origin.problem()) {
                (Some(_), _) if is_new => return Err(Failure::Unsent),
                (Some(_), _) => {}
                (None, Some(problem)) => return Err(Failure::Body(problem)),
                (None, None) if error.error().is_parse() => return Err(Failure::BadAnswer),
                // Most likely the instance was just closing the connection.
                (None, None) if self.repeatable && !is_new && self.origin.can_restart() => rest = Duration::ZERO,
                (None, None) => return Err(Failure::BrokeOff),
            }
        }
    }

    async fn open(&self, claim: &Claim) -> Result<Sender, Failure> {
        let open = || connections::open(claim.address, self.thread.config.connect_timeout);
        let mut opened = open().await;
        if opened.as_ref().is_err_and(connections::is_out_of_sockets) {
            // Those that rest are not worth a request.
            self.thread.connections.keep_only(&[]);
            tokio::task::yield_now().await;
            opened = open().await;
        }
        if opened.is_ok() && self.record.is_some() && self.is_foreign(claim) {
            return Err(Failure::Unsent);
        }
        opened.map_err(|error| {
            let Some(finding) = not_connected(claim.address, &error) else { return Failure::NoSockets };
            self.thread.pool.observe(claim.id, finding);
            Failure::Unsent
        })
    }

    /// Where somebody listens, a stranger's answer would be taken for the instance's: it may have died by itself, and
    /// another program have taken its port. Looking takes a part of a millisecond.
    fn is_foreign(&self, claim: &Claim) -> bool {
        let vouch = self.thread.pool.vouch_of(claim.id);
        vouch.is_some_and(|vouch| matches!(vouch.port_owner(), PortOwner::Foreign(_)))
    }

    /// Waits for the head of the answer; leaves if the instance is taken out and another one may have the request.
    async fn wait(&mut self, claim: &Claim, sending: impl Future<Output = Sent>) -> Result<Sent, Failure> {
        let mut sending = pin!(sending);
        let limit = self.thread.config.response_timeout;
        let mut too_late = pin!(tokio::time::sleep(limit));
        loop {
            let may_leave = self.repeatable && !self.moved;
            let out = claim.link.out.notified();
            let ready = self.thread.pool.rings_when_ready();
            if may_leave
                && claim.is_out()
                && let Some(other) = self.elsewhere(claim)
            {
                return Err(Failure::GoElsewhere(other));
            }
            tokio::select! {
                biased;
                sent = &mut sending => return Ok(sent),
                () = out, if may_leave => {}
                () = ready, if may_leave && claim.is_out() => {}
                () = &mut too_late => match self.origin.moved() {
                    Some(moved) if moved.at.elapsed() < limit => too_late.as_mut().reset((moved.at + limit).into()),
                    Some(moved) if moved.waits_for_client => too_late.as_mut().reset((Instant::now() + limit).into()),
                    _ => return Err(Failure::Late),
                },
            }
        }
    }

    fn elsewhere(&mut self, claim: &Claim) -> Option<Claim> {
        if !self.origin.can_restart() {
            return None;
        }
        self.tried.push(claim.id);
        let other = self.thread.pool.claim_ready(&self.wish());
        if other.is_some() {
            self.moved = true;
            self.sent += 1;
        } else {
            self.tried.pop();
        }
        other
    }

    /// The request from its beginning; `None`: too much of its body has passed by.
    fn request(&mut self) -> Option<Request<RequestBody>> {
        let mut request = Request::new(self.origin.body()?);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = if self.repeatable { self.headers.clone() } else { std::mem::take(&mut self.headers) };
        Some(request)
    }

    fn pass_on(
        mut self,
        answer: Response<Incoming>,
        sender: Sender,
        claim: Claim,
    ) -> Result<Response<AnswerBody>, NotAnswered> {
        let (mut head, incoming) = answer.into_parts();
        let length = incoming.size_hint().exact();
        if !headers::to_client(&mut head.headers, head.status, &self.method, length) {
            return Err((BAD_ANSWER, self.line));
        }
        head.version = Version::HTTP_11;
        self.set_cookies(&mut head.headers, &claim);
        if let Some(line) = &mut self.line {
            line.status = head.status;
            line.instance = Some(Arc::clone(&claim.name));
        }
        if let Some(record) = &self.record {
            record.answered(head.status.as_u16(), &head.headers);
        }
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            let (Some(to_client), Some(to_instance)) = (self.switch, head.extensions.remove::<OnUpgrade>()) else {
                return Err((BAD_ANSWER, self.line));
            };
            self.client.progress.changes_protocol();
            let listener = self.record.map(|record| Listener::new(record, head.headers.get(UPGRADE)));
            tunnel::start(self.thread, to_client, to_instance, claim, self.line, listener);
            return Ok(Response::from_parts(head, AnswerBody::Own(Bytes::new())));
        }
        let body = AnswerBody::Passing(Passing {
            ended: false,
            ends_by_closing: self.version == Version::HTTP_10 && length.is_none(),
            incoming,
            client: Arc::clone(&self.client.progress),
            thread: Rc::clone(self.thread),
            claim,
            // Nobody shall find this connection again where each request gets its own.
            sender: self.record.is_none().then_some(sender),
            record: self.record,
            broke_off: false,
            line: self.line,
        });
        Ok(Response::from_parts(head, body))
    }

    fn set_cookies(&self, headers: &mut HeaderMap, claim: &Claim) {
        let cookie = match self.thread.config.routing {
            Routing::Sticky if self.named.as_deref() != Some(&claim.name) => {
                cookies::set_sticky(&claim.name, &self.thread.config.secret)
            }
            Routing::NeverTwice if self.last.as_deref() != Some(&claim.name) => cookies::set_last(&claim.name),
            _ => None,
        };
        if let Some(cookie) = cookie {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

fn of_body(problem: Problem) -> Own {
    match problem {
        Problem::Broken => BAD_BODY,
        Problem::Slow => SLOW_BODY,
        Problem::TooLarge => BODY_TOO_LARGE,
    }
}

/// The target as an instance gets it: without scheme and host, which are in the Host header.
fn only_path(target: Uri) -> Uri {
    if target.authority().is_none() {
        return target;
    }
    target.into_parts().path_and_query.map_or_else(|| Uri::from_static("/"), Uri::from)
}
