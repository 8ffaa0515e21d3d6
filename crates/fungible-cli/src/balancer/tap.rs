//! Hands each finished exchange to whoever listens, and lets somebody else choose every instance: for the prover.
//! It collects; it judges nothing.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};

use super::instance::InstanceId;
use super::own_answer::Own;
use crate::exchange::{Body, Exchange, Frame, Headers, Outcome, Request};

/// A body up to this size is kept; of a larger one its hash and length.
const KEEP_AT_MOST: usize = 256 * 1024;

/// Bytes of all bodies of a run that are kept; after that only small ones are.
const KEEP_IN_ALL: usize = 64 * 1024 * 1024;

/// What is small enough to be kept always.
const SMALL: usize = 2 * 1024;

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
        let headers = listed(headers);
        let body = Body::Kept(Bytes::new());
        self.edit(|exchange| exchange.outcome = Outcome::Answered { status, headers, body, complete: false });
    }

    pub(super) fn answer_data(&self, data: &Bytes) {
        self.0.borrow_mut().answer.pass(data);
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
        self.edit(|exchange| {
            exchange.left = left;
            if let Outcome::Answered { complete, .. } = &mut exchange.outcome {
                *complete = whole;
            }
        });
        self.0.borrow_mut().hand_over();
    }

    fn frame(&self, from_client: bool, data: &[u8]) {
        let mut collected = self.0.borrow_mut();
        let at = collected.plan.began.elapsed();
        if let Some(exchange) = &mut collected.exchange {
            let kept: usize = exchange.frames.iter().map(|frame| frame.data.len()).sum();
            if kept + data.len() <= KEEP_AT_MOST {
                exchange.frames.push(Frame { from_client, data: Bytes::copy_from_slice(data), at });
            }
        }
    }
}

impl Collected {
    fn hand_over(&mut self) {
        let Some(mut exchange) = self.exchange.take() else { return };
        exchange.ended = self.plan.began.elapsed();
        exchange.request.body = std::mem::take(&mut self.request).body(&self.plan.counts.kept);
        let answer = std::mem::take(&mut self.answer).body(&self.plan.counts.kept);
        if let Outcome::Answered { body, .. } = &mut exchange.outcome {
            *body = answer;
        }
        // Nobody listens once the run is over.
        let _ = self.plan.tap.send(exchange);
    }
}

impl Drop for Collected {
    fn drop(&mut self) {
        self.hand_over();
    }
}

/// What has passed of a body.
#[derive(Debug, Default)]
struct Passed {
    kept: Vec<u8>,
    length: u64,
    /// Once it is too large to be kept.
    hash: Option<Sha256>,
}

impl Passed {
    fn pass(&mut self, data: &Bytes) {
        self.length += data.len() as u64;
        if self.hash.is_none() && self.kept.len() + data.len() > KEEP_AT_MOST {
            self.hash = Some(Sha256::new_with_prefix(std::mem::take(&mut self.kept)));
        }
        match &mut self.hash {
            Some(hash) => hash.update(data),
            None => self.kept.extend_from_slice(data),
        }
    }

    fn body(self, kept_in_all: &AtomicUsize) -> Body {
        if let Some(hash) = self.hash {
            return Body::Hashed { sha256: hash.finalize().into(), length: self.length };
        }
        let before = kept_in_all.fetch_add(self.kept.len(), Ordering::Relaxed);
        if before > KEEP_IN_ALL && self.kept.len() > SMALL {
            return Body::Hashed { sha256: Sha256::digest(&self.kept).into(), length: self.length };
        }
        Body::Kept(Bytes::from(self.kept))
    }
}

fn listed(headers: &HeaderMap) -> Headers {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

/// One side of an upgraded connection, whose bytes are written down as they are read.
#[derive(Debug)]
pub(super) struct Heard<S> {
    pub(super) side: S,
    pub(super) from_client: bool,
    pub(super) record: Option<Record>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let heard = self.get_mut();
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut heard.side).poll_read(context, buffer))?;
        if let Some(record) = &heard.record {
            let data = &buffer.filled()[before..];
            if !data.is_empty() {
                record.frame(heard.from_client, data);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().side).poll_write(context, data)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().side).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().side).poll_shutdown(context)
    }
}
