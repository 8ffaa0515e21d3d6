//! Hands each finished exchange to whoever listens, and lets somebody else choose every instance: for the prover.
//! It collects; it judges nothing.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use tokio::sync::{mpsc, oneshot};

use super::event_stream::Events;
use super::frames::Frames;
use super::instance::InstanceId;
use super::own_answer::Own;
use super::passed::Passed;
use crate::exchange::{Body, Exchange, Headers, Outcome, Request};

/// Who chooses the instances and who listens. With it nothing is ever resent, each request gets a fresh connection to
/// its instance, and nobody probes.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Asked for each request, in the order of arrival.
    pub(crate) ask: mpsc::UnboundedSender<Question>,
    /// Gets each exchange when its answer has come from the instance to the last byte, or when it was given up.
    pub(crate) tap: mpsc::UnboundedSender<Exchange>,
    /// The times in exchanges count from here.
    pub(crate) began: Instant,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicUsize,
    connections: AtomicUsize,
    kept: AtomicUsize,
}

/// Which instance shall get this request?
#[derive(Debug)]
pub(crate) struct Question {
    /// As in its exchange.
    pub(crate) number: usize,
    pub(crate) method: String,
    pub(crate) target: String,
    /// Dropped without an answer: the client gets 503.
    pub(crate) answer: oneshot::Sender<InstanceId>,
}

impl Plan {
    pub(crate) fn new(
        ask: mpsc::UnboundedSender<Question>,
        tap: mpsc::UnboundedSender<Exchange>,
        began: Instant,
    ) -> Plan {
        Plan { ask, tap, began, counts: Arc::default() }
    }

    /// Bytes of bodies and messages that are kept of the whole run.
    pub(super) fn kept(&self) -> &AtomicUsize {
        &self.counts.kept
    }

    pub(super) fn new_connection(&self) -> usize {
        self.counts.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Begins the record of a request whose head has just arrived.
    pub(super) fn record(&self, head: &Parts, connection: usize) -> Record {
        let number = self.counts.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let request = Request {
            method: head.method.to_string(),
            target: head.uri.to_string(),
            headers: listed(&head.headers),
            body: Body::Kept(Bytes::new()),
        };
        let arrived = self.began.elapsed();
        Record(Rc::new(RefCell::new(Collected {
            plan: self.clone(),
            exchange: Some(Exchange {
                number,
                connection,
                instance: None,
                arrived,
                ended: arrived,
                request,
                outcome: Outcome::Abandoned,
                left: false,
                frames: Vec::new(),
            }),
            request: Passed::default(),
            answer: Passed::default(),
            events: None,
            frames: Frames::default(),
            ended: false,
        })))
    }

    /// Asks who shall have the request.
    pub(super) async fn choose(&self, record: &Record) -> Option<InstanceId> {
        let (answer, told) = oneshot::channel();
        let question = {
            let collected = record.0.borrow();
            let exchange = collected.exchange.as_ref()?;
            let Request { method, target, .. } = &exchange.request;
            Question { number: exchange.number, method: method.clone(), target: target.clone(), answer }
        };
        self.ask.send(question).ok()?;
        told.await.ok()
    }
}

/// An exchange while it passes. When the last of its clones is dropped it is handed over as it is.
#[derive(Clone, Debug)]
pub(super) struct Record(Rc<RefCell<Collected>>);

#[derive(Debug)]
struct Collected {
    plan: Plan,
    /// Gone once it was handed over.
    exchange: Option<Exchange>,
    request: Passed,
    answer: Passed,
    /// The answer is an event stream: its events are frames, and there is no other body.
    events: Option<Events>,
    frames: Frames,
    /// One side of a tunnel has ended it.
    ended: bool,
}

impl Record {
    fn edit(&self, edit: impl FnOnce(&mut Exchange)) {
        if let Some(exchange) = &mut self.0.borrow_mut().exchange {
            edit(exchange);
        }
    }

    pub(super) fn sent_to(&self, instance: &str) {
        self.edit(|exchange| exchange.instance = Some(instance.to_owned()));
    }

    pub(super) fn request_data(&self, data: &Bytes) {
        self.0.borrow_mut().request.pass(data);
    }

    /// The head of the instance's answer; that its body will have broken off is the worst case.
    pub(super) fn answered(&self, status: u16, headers: &HeaderMap) {
        if is_event_stream(headers) {
            self.0.borrow_mut().events = Some(Events::default());
        }
        let headers = listed(headers);
        let body = Body::Kept(Bytes::new());
        self.edit(|exchange| exchange.outcome = Outcome::Answered { status, headers, body, complete: false });
    }

    pub(super) fn answer_data(&self, data: &Bytes) {
        let Collected { plan, answer, events, frames, .. } = &mut *self.0.borrow_mut();
        match events {
            Some(events) => events.read(data, |event| frames.add(plan, false, event)),
            None => answer.pass(data),
        }
    }

    /// We answer, for this reason.
    pub(super) fn own_answer(&self, own: Own) {
        let (status, reason) = (own.status().as_u16(), own.word().to_owned());
        self.edit(|exchange| {
            exchange.outcome = if own.is_fault_of_instance() {
                Outcome::Failed { status, reason }
            } else {
                Outcome::Ours { status, reason }
            }
        });
    }

    /// The answer has ended: `whole` as the instance meant it, `left` because the client went away.
    pub(super) fn finish(&self, whole: bool, left: bool) {
        self.set_end(whole, left);
        self.0.borrow_mut().hand_over();
    }

    fn set_end(&self, whole: bool, left: bool) {
        self.edit(|exchange| {
            exchange.left = left;
            if let Outcome::Answered { complete, .. } = &mut exchange.outcome {
                *complete = whole;
            }
        });
    }

    /// Something that one side of a tunnel said. What comes after the end of a tunnel is a race and read by nobody.
    pub(super) fn frame(&self, from_client: bool, message: Passed) {
        let Collected { plan, frames, ended, .. } = &mut *self.0.borrow_mut();
        if !*ended {
            frames.add(plan, from_client, message);
        }
    }

    /// What one side of a WebSocket said that is none. Nobody can tell its end, so it varies where it was cut.
    pub(super) fn garbage(&self, from_client: bool, garbage: Passed) {
        let Collected { plan, frames, .. } = &mut *self.0.borrow_mut();
        frames.add(plan, from_client, garbage);
    }

    /// One side of a tunnel ends it, as it should or by breaking off; the first end counts.
    pub(super) fn tunnel_ends(&self, from_client: bool, orderly: bool) {
        if !std::mem::replace(&mut self.0.borrow_mut().ended, true) {
            self.set_end(orderly, from_client && !orderly);
        }
    }

    /// Nothing more comes through the tunnel.
    pub(super) fn tunnel_is_over(&self) {
        self.tunnel_ends(false, true);
        self.0.borrow_mut().hand_over();
    }
}

impl Collected {
    fn hand_over(&mut self) {
        let Some(mut exchange) = self.exchange.take() else { return };
        exchange.ended = self.plan.began.elapsed();
        exchange.request.body = std::mem::take(&mut self.request).body(self.plan.kept());
        let answer = std::mem::take(&mut self.answer).body(self.plan.kept());
        match &mut exchange.outcome {
            Outcome::Answered { body, complete, .. } => {
                *body = answer;
                // Where it broke off, half an event is none.
                if *complete && let Some(last) = self.events.take().and_then(|mut events| events.end()) {
                    self.frames.add(&self.plan, false, last);
                }
            }
            Outcome::Abandoned => exchange.left = true,
            Outcome::Ours { .. } | Outcome::Failed { .. } => {}
        }
        exchange.frames = std::mem::take(&mut self.frames).all(&self.plan);
        // Nobody listens once the run is over.
        let _ = self.plan.tap.send(exchange);
    }
}

impl Drop for Collected {
    fn drop(&mut self) {
        if let Some(exchange) = &mut self.exchange
            && matches!(exchange.outcome, Outcome::Answered { .. })
            && !self.ended
        {
            // The balancer stopped meanwhile: the instance did not break off.
            exchange.left = true;
        }
        self.hand_over();
    }
}

fn listed(headers: &HeaderMap) -> Headers {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

/// Whether the body is an event stream that can be read as it comes.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase();
    headers.get(CONTENT_TYPE).is_some_and(|kind| text(kind).starts_with("text/event-stream"))
        && headers.get_all(CONTENT_ENCODING).iter().all(|encoding| text(encoding) == "identity")
}
