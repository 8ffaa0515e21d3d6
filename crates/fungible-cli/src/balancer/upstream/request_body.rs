//! The body of a request on its way to an instance. Its beginning is buffered before an instance is chosen, so that a
//! slow client does not occupy an instance; the rest streams. If the request may be sent again, its body is kept, up to
//! a limit, so that another instance can get it from the beginning.

use std::cell::RefCell;
use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::fields::clean_trailers;
use super::gate::Gate;
use super::pace::Pace;
use crate::balancer::observe::Record;

/// Limits on the body of a request. An instance that serves one request at a time would serve no other while a body
/// arrives. So an instance gets a request only when its body has arrived, or `buffer` bytes of it.
#[derive(Clone, Debug)]
pub(crate) struct BodyLimits {
    /// How many bytes of a body are buffered before an instance is chosen; the rest streams. Also how many are kept for
    /// sending the request again.
    pub(crate) buffer: usize,
    /// How many bytes of all bodies are buffered; beyond it, further bodies stream after their first 16 KiB.
    pub(crate) buffers: usize,
    /// How many bytes per second a client must send, else 408; `None`: no minimum.
    pub(crate) rate: Option<u64>,
    /// How long it may fall behind that.
    pub(crate) grace: Duration,
    /// From the head of a request to the end of its body, else 408.
    pub(crate) time: Duration,
    /// The longest body in bytes, else 413; `None`: no limit.
    pub(crate) most_bytes: Option<u64>,
}

impl Default for BodyLimits {
    fn default() -> BodyLimits {
        BodyLimits {
            buffer: 1024 * 1024,
            buffers: 256 * 1024 * 1024,
            rate: Some(1024),
            grace: Duration::from_secs(10),
            time: Duration::from_mins(10),
            most_bytes: None,
        }
    }
}

/// Smaller pieces, in bytes, are merged: each would keep alive the whole buffer that it was read into.
const SMALL: usize = 16 * 1024;

/// How many bytes of a body are buffered even if the total limit is reached.
const ALWAYS: usize = 16 * 1024;

/// The number of pieces that are kept of a body while it streams.
const KEPT_PIECES: usize = 256;

/// What is wrong with the body that a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It is malformed, or broke off.
    Broken,
    /// It arrives too slowly.
    Slow,
    /// It is too long.
    TooLarge,
}

/// The total of all buffered bodies of all threads, in bytes.
pub(crate) type InMemory = Arc<AtomicUsize>;

/// The source of the body of a request, for all attempts to send it.
#[derive(Debug)]
pub(crate) enum Origin {
    /// There is no body.
    Empty,
    /// The client sends it.
    Client(Rc<RefCell<Source>>),
}

impl Origin {
    /// `resend`: the request may be sent more than once.
    pub(crate) fn new(
        incoming: Incoming,
        resend: bool,
        limits: &BodyLimits,
        in_memory: &InMemory,
        record: Option<Record>,
    ) -> Origin {
        if incoming.is_end_stream() {
            return Origin::Empty;
        }
        let left = incoming.size_hint();
        let too_large = limits.most_bytes.is_some_and(|most| left.lower() > most);
        Origin::Client(Rc::new(RefCell::new(Source {
            incoming,
            left,
            resend,
            kept: Some(KeptBody::new(in_memory)),
            passed_by: false,
            ended: false,
            problem: too_large.then_some(Problem::TooLarge),
            came: 0,
            moved: Instant::now(),
            pace: Pace::new(limits.rate, limits.grace, limits.time),
            limits: limits.clone(),
            round: 0,
            record,
        })))
    }

    /// Waits until the body has arrived, or as much of it as is buffered before the rest streams.
    ///
    /// # Errors
    /// What is wrong with the body.
    pub(crate) async fn gather(&self) -> Result<(), Problem> {
        match self {
            Origin::Empty => Ok(()),
            Origin::Client(source) => poll_fn(|context| source.borrow_mut().poll_gather(context)).await,
        }
    }

    /// The length that the client announced; `None` if it sends chunks.
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Origin::Empty => Some(0),
            Origin::Client(source) => source.borrow().left.exact(),
        }
    }

    /// Whether the body ended without a byte, which is possible only with chunks.
    pub(crate) fn turned_out_empty(&self) -> bool {
        match self {
            Origin::Empty => false,
            Origin::Client(source) => {
                let source = source.borrow();
                let ended = source.ended || source.incoming.is_end_stream();
                ended && source.came == 0 && source.kept.as_ref().is_none_or(|kept| kept.ends_at(0))
            }
        }
    }

    /// When a part of the body arrived last, while an instance may still be waiting for it.
    pub(crate) fn moved(&self) -> Option<Moved> {
        match self {
            Origin::Empty => None,
            Origin::Client(source) => {
                let source = source.borrow();
                let ended = source.ended || source.incoming.is_end_stream();
                Some(Moved { at: source.moved, waits_for_client: !ended && source.pace.is_waiting() })
            }
        }
    }

    /// What is wrong with the body, as far as it has arrived.
    pub(crate) fn problem(&self) -> Option<Problem> {
        match self {
            Origin::Empty => None,
            Origin::Client(source) => source.borrow().problem,
        }
    }

    /// Whether the body is available from its beginning.
    pub(crate) fn can_restart(&self) -> bool {
        match self {
            Origin::Empty => true,
            Origin::Client(source) => {
                let source = source.borrow();
                !source.passed_by || (source.resend && source.kept.is_some())
            }
        }
    }

    /// The body from its beginning; bodies of earlier attempts then end in an error. `None`: too much has been passed
    /// on.
    ///
    /// `gate`: holds it back.
    pub(crate) fn body(&self, gate: Option<Gate>) -> Option<RequestBody> {
        if !self.can_restart() {
            return None;
        }
        let Origin::Client(source) = self else {
            return Some(RequestBody::Empty);
        };
        source.borrow_mut().round += 1;
        let round = source.borrow().round;
        Some(RequestBody::Client { source: Rc::clone(source), round, at: 0, gate })
    }
}

/// The progress of sending a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    /// When the last part of it arrived.
    pub(crate) at: Instant,
    /// The client must send more. Its time limit is enforced by the code that waits for it.
    pub(crate) waits_for_client: bool,
}

/// The body that a client sends.
#[derive(Debug)]
pub(crate) struct Source {
    incoming: Incoming,
    left: SizeHint,
    resend: bool,
    /// The buffered part; if the request may be sent again, all that has arrived, unless it is too much.
    kept: Option<KeptBody>,
    /// An instance received some of it.
    passed_by: bool,
    ended: bool,
    problem: Option<Problem>,
    /// How many bytes have arrived.
    came: u64,
    /// When the last part of it arrived.
    moved: Instant,
    pace: Pace,
    limits: BodyLimits,
    /// The number of the current attempt; only its body may read on.
    round: u32,
    record: Option<Record>,
}

#[derive(Debug)]
struct KeptBody {
    pieces: Vec<Piece>,
    /// The beginning of the next piece, until it is asked for.
    loose: BytesMut,
    bytes: usize,
    in_memory: InMemory,
}

#[derive(Clone, Debug)]
enum Piece {
    Data(Bytes),
    Trailers(http::HeaderMap),
}

impl KeptBody {
    fn new(in_memory: &InMemory) -> KeptBody {
        KeptBody { pieces: Vec::new(), loose: BytesMut::new(), bytes: 0, in_memory: Arc::clone(in_memory) }
    }

    /// `is_last`: no frame follows.
    fn add(&mut self, frame: &Frame<Bytes>, is_last: bool) {
        if let Some(data) = frame.data_ref() {
            self.bytes += data.len();
            self.in_memory.fetch_add(data.len(), Ordering::Relaxed);
            let alone = is_last && self.loose.is_empty();
            if data.len() < SMALL && !alone {
                self.loose.extend_from_slice(data);
                return;
            }
            self.tighten();
            self.pieces.push(Piece::Data(data.clone()));
        } else if let Some(trailers) = frame.trailers_ref() {
            self.tighten();
            self.pieces.push(Piece::Trailers(trailers.clone()));
        }
    }

    /// Turns the loose bytes into a piece.
    fn tighten(&mut self) {
        if !self.loose.is_empty() {
            self.pieces.push(Piece::Data(self.loose.split().freeze()));
        }
    }

    /// The piece at this index. It is dropped here if it will not be needed again.
    fn give(&mut self, at: usize, resend: bool) -> Option<Piece> {
        self.tighten();
        let piece = self.pieces.get_mut(at)?;
        if resend {
            return Some(piece.clone());
        }
        let given = std::mem::replace(piece, Piece::Data(Bytes::new()));
        if let Piece::Data(data) = &given {
            self.bytes -= data.len();
            self.in_memory.fetch_sub(data.len(), Ordering::Relaxed);
        }
        Some(given)
    }

    /// Whether no piece at this index is kept.
    fn ends_at(&self, at: usize) -> bool {
        self.pieces.len() <= at && self.loose.is_empty()
    }
}

impl Drop for KeptBody {
    fn drop(&mut self) {
        self.in_memory.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Source {
    /// The next frame from the client.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Problem>>> {
        if let Some(problem) = self.problem {
            return Poll::Ready(Some(Err(problem)));
        }
        let next = match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Ready(next) => next,
            Poll::Pending => {
                ready!(self.pace.poll_too_slow(context));
                return Poll::Ready(Some(Err(self.fails(Problem::Slow))));
            }
        };
        self.moved = Instant::now();
        let Some(frame) = next else {
            self.ended = true;
            return Poll::Ready(None);
        };
        let Ok(mut frame) = frame else {
            return Poll::Ready(Some(Err(self.fails(Problem::Broken))));
        };
        if let Some(data) = frame.data_ref() {
            self.came += data.len() as u64;
            self.pace.came(data.len());
            if self.limits.most_bytes.is_some_and(|most| self.came > most) {
                return Poll::Ready(Some(Err(self.fails(Problem::TooLarge))));
            }
            if let Some(record) = &self.record {
                record.request_data(data);
            }
        } else if let Some(trailers) = frame.trailers_mut() {
            clean_trailers(trailers);
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn fails(&mut self, problem: Problem) -> Problem {
        self.problem = Some(problem);
        problem
    }

    fn poll_gather(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Problem>> {
        while !self.ended && !self.incoming.is_end_stream() && self.has_room() {
            match ready!(self.poll_next(context)) {
                Some(Err(problem)) => return Poll::Ready(Err(problem)),
                Some(Ok(frame)) => {
                    let is_last = self.incoming.is_end_stream();
                    if let Some(kept) = &mut self.kept {
                        kept.add(&frame, is_last);
                    }
                }
                None => {}
            }
        }
        Poll::Ready(self.problem.map_or(Ok(()), Err))
    }

    fn has_room(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| {
            let all = kept.in_memory.load(Ordering::Relaxed);
            kept.bytes < self.limits.buffer && (kept.bytes < ALWAYS || all < self.limits.buffers)
        })
    }

    /// Keeps a frame that streams, unless it is too much.
    fn remember(&mut self, frame: &Frame<Bytes>) {
        let Some(kept) = self.kept.as_mut().filter(|_| self.resend) else { return };
        kept.add(frame, false);
        // The streaming body has just passed on this piece, so it must be a separate one.
        kept.tighten();
        if kept.pieces.len() > KEPT_PIECES || !self.has_room() {
            self.kept = None;
        }
    }
}

/// The body of one attempt to send a request.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// There is none.
    Empty,
    /// The body that the client sends.
    Client {
        /// Shared with the exchange.
        source: Rc<RefCell<Source>>,
        /// The number of this attempt.
        round: u32,
        /// How many kept pieces were sent so far.
        at: usize,
        /// What holds it back, if anything does.
        gate: Option<Gate>,
    },
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let RequestBody::Client { source, round, at, gate } = self.get_mut() else {
            return Poll::Ready(None);
        };
        if let Some(gate) = gate
            && !ready!(gate.poll(context))
        {
            return Poll::Ready(Some(Err("the instance did not want the body".into())));
        }
        let mut source = source.borrow_mut();
        if source.round != *round {
            return Poll::Ready(Some(Err("the request went elsewhere".into())));
        }
        source.passed_by = true;
        let resend = source.resend;
        if let Some(piece) = source.kept.as_mut().and_then(|kept| kept.give(*at, resend)) {
            *at += 1;
            return Poll::Ready(Some(Ok(match piece {
                Piece::Data(data) => Frame::data(data),
                Piece::Trailers(trailers) => Frame::trailers(trailers),
            })));
        }
        if source.ended {
            return Poll::Ready(None);
        }
        match ready!(source.poll_next(context)) {
            Some(Ok(frame)) => {
                source.remember(&frame);
                *at += 1;
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(problem)) => Poll::Ready(Some(Err(format!("the client's body: {problem:?}").into()))),
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Empty => SizeHint::with_exact(0),
            // Asked once, before the first frame.
            RequestBody::Client { source, .. } => source.borrow().left,
        }
    }
}
