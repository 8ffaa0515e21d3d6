//! The record of one exchange in progress: its head, its bodies, and how it ends. It judges nothing.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use tokio::sync::mpsc;

use super::captured_body::CapturedBody;
use super::event_stream::Events;
use super::frames::Frames;
use crate::exchange::{Body, Exchange, Headers, Outcome, Request};

/// Where finished exchanges go.
#[derive(Clone, Debug)]
pub(super) struct Sink {
    pub(super) tap: mpsc::UnboundedSender<Exchange>,
    /// The times in exchanges count from this moment.
    pub(super) began: Instant,
    /// The total of the kept bodies and messages of the run, in bytes.
    pub(super) kept: Arc<AtomicUsize>,
}

impl Sink {
    fn add(&self, frames: &mut Frames, from_client: bool, data: CapturedBody) {
        frames.add(&self.kept, self.began.elapsed(), from_client, data);
    }
}

/// The record of an exchange in progress. When its last clone is dropped, the exchange is sent as it is.
#[derive(Clone, Debug)]
pub(crate) struct Record(Rc<RefCell<Collected>>);

#[derive(Debug)]
struct Collected {
    sink: Sink,
    /// `None` after it was sent.
    exchange: Option<Exchange>,
    request: CapturedBody,
    answer: CapturedBody,
    /// Set if the response is an event stream: its events are frames, and it has no other body.
    events: Option<Events>,
    frames: Frames,
    /// One side of a tunnel has ended it.
    ended: bool,
}

impl Record {
    /// Starts the record of a request whose head has arrived; `number` and `connection` are those of its exchange.
    pub(super) fn begin(sink: Sink, head: &Parts, number: usize, connection: usize) -> Record {
        let request = Request {
            method: head.method.to_string(),
            target: head.uri.to_string(),
            headers: listed(&head.headers),
            body: Body::Kept(Bytes::new()),
        };
        let arrived = sink.began.elapsed();
        Record(Rc::new(RefCell::new(Collected {
            sink,
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
                again: None,
            }),
            request: CapturedBody::default(),
            answer: CapturedBody::default(),
            events: None,
            frames: Frames::default(),
            ended: false,
        })))
    }

    /// The number of the exchange, and the request as far as it has arrived; `None` after the exchange was sent.
    pub(super) fn asked(&self) -> Option<(usize, Request)> {
        let collected = self.0.borrow();
        let exchange = collected.exchange.as_ref()?;
        Some((exchange.number, Request { body: collected.request.so_far(), ..exchange.request.clone() }))
    }

    fn edit(&self, edit: impl FnOnce(&mut Exchange)) {
        if let Some(exchange) = &mut self.0.borrow_mut().exchange {
            edit(exchange);
        }
    }

    /// Records the name of the instance that gets the request.
    pub(crate) fn sent_to(&self, instance: &str) {
        self.edit(|exchange| exchange.instance = Some(instance.to_owned()));
    }

    /// Records bytes of the body of the request.
    pub(crate) fn request_data(&self, data: &Bytes) {
        self.0.borrow_mut().request.pass(data);
    }

    /// Records the head of the response. Until its end is recorded, the body counts as incomplete.
    pub(crate) fn answered(&self, status: u16, headers: &HeaderMap) {
        if is_event_stream(headers) {
            self.0.borrow_mut().events = Some(Events::default());
        }
        let headers = listed(headers);
        let body = Body::Kept(Bytes::new());
        self.edit(|exchange| exchange.outcome = Outcome::Answered { status, headers, body, complete: false });
    }

    /// Records bytes of the body of the response.
    pub(crate) fn answer_data(&self, data: &Bytes) {
        let Collected { sink, answer, events, frames, .. } = &mut *self.0.borrow_mut();
        match events {
            Some(events) => events.read(data, |event| sink.add(frames, false, event)),
            None => answer.pass(data),
        }
    }

    /// Records that the balancer answers with this status, for this reason.
    pub(crate) fn answered_by_us(&self, status: u16, reason: &str, is_fault_of_instance: bool) {
        let reason = reason.to_owned();
        self.edit(|exchange| {
            exchange.outcome =
                if is_fault_of_instance { Outcome::Failed { status, reason } } else { Outcome::Ours { status, reason } }
        });
    }

    /// Records the end of the response: `whole` if it is complete, `left` if the client disconnected. Sends the
    /// exchange.
    pub(crate) fn finish(&self, whole: bool, left: bool) {
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

    /// Records a frame of one side of a tunnel. Frames after the end of the tunnel are ignored: whether they arrive is
    /// a race.
    pub(crate) fn frame(&self, from_client: bool, message: CapturedBody) {
        let Collected { sink, frames, ended, .. } = &mut *self.0.borrow_mut();
        if !*ended {
            sink.add(frames, from_client, message);
        }
    }

    /// Records bytes on a WebSocket that are not part of a message. They are cut at an arbitrary place, so they vary.
    pub(crate) fn garbage(&self, from_client: bool, garbage: CapturedBody) {
        let Collected { sink, frames, .. } = &mut *self.0.borrow_mut();
        sink.add(frames, from_client, garbage);
    }

    /// Records that one side ended a tunnel, in order or by breaking off. The first end counts.
    pub(crate) fn tunnel_ends(&self, from_client: bool, orderly: bool) {
        if !std::mem::replace(&mut self.0.borrow_mut().ended, true) {
            self.set_end(orderly, from_client && !orderly);
        }
    }

    /// Records that the tunnel has ended, and sends the exchange.
    pub(crate) fn tunnel_is_over(&self) {
        self.tunnel_ends(false, true);
        self.0.borrow_mut().hand_over();
    }
}

impl Collected {
    fn hand_over(&mut self) {
        let Some(mut exchange) = self.exchange.take() else { return };
        exchange.ended = self.sink.began.elapsed();
        exchange.request.body = std::mem::take(&mut self.request).body(&self.sink.kept);
        let answer = std::mem::take(&mut self.answer).body(&self.sink.kept);
        match &mut exchange.outcome {
            Outcome::Answered { body, complete, .. } => {
                *body = answer;
                // If the response broke off, a part of an event is no event.
                if *complete && let Some(last) = self.events.take().and_then(|mut events| events.end()) {
                    self.sink.add(&mut self.frames, false, last);
                }
            }
            Outcome::Abandoned => exchange.left = true,
            Outcome::Ours { .. } | Outcome::Failed { .. } => {}
        }
        exchange.frames = std::mem::take(&mut self.frames).all(exchange.ended);
        // When the run is over, no receiver is left.
        let _ = self.sink.tap.send(exchange);
    }
}

impl Drop for Collected {
    fn drop(&mut self) {
        if let Some(exchange) = &mut self.exchange
            && matches!(exchange.outcome, Outcome::Answered { .. })
            && !self.ended
        {
            // The balancer was stopped meanwhile: the instance did not break off.
            exchange.left = true;
        }
        self.hand_over();
    }
}

fn listed(headers: &HeaderMap) -> Headers {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

/// Whether the body is an event stream that can be parsed while it arrives.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase();
    headers.get(CONTENT_TYPE).is_some_and(|kind| text(kind).starts_with("text/event-stream"))
        && headers.get_all(CONTENT_ENCODING).iter().all(|encoding| text(encoding) == "identity")
}
