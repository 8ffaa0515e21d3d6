//! The body of a request on its way to an instance. Its beginning is gathered before an instance is chosen, so that a
//! slow client holds none; the rest streams. Of a request that may be resent everything is kept, up to a limit, so that
//! another instance can have it from the beginning. It knows nothing of who may resend.

use std::cell::RefCell;
use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::fields::clean_trailers;
use super::pace::Pace;
use crate::balancer::observe::Record;

/// What the body of a request may cost. An instance that serves one request at a time serves nobody else while a body
/// comes: so no instance gets a request before its body is here, or `buffer` bytes of it.
#[derive(Clone, Debug)]
pub(crate) struct BodyLimits {
    /// Bytes of a body that are gathered before an instance is chosen; what comes after them streams. They are also
    /// what is kept of a request that may be sent again.
    pub(crate) buffer: usize,
    /// Bytes of all bodies that are gathered; while there are more, further ones stream after their first 16 KiB.
    pub(crate) buffers: usize,
    /// Bytes per second that a client must send, else 408; `None`: as few as it likes.
    pub(crate) rate: Option<u64>,
    /// How long it may fall behind that.
    pub(crate) grace: Duration,
    /// From a request's head to the end of its body, else 408.
    pub(crate) time: Duration,
    /// The longest body, else 413; `None`: any.
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

/// Smaller pieces are copied together: each would keep the whole buffer alive that it was read into.
const SMALL: usize = 16 * 1024;

/// So much of a body is gathered however much there is of others.
const ALWAYS: usize = 16 * 1024;

/// Pieces that are kept of what streams.
const KEPT_PIECES: usize = 256;

/// What is wrong with a body that a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It is no body, or it broke off.
    Broken,
    /// It comes too slowly.
    Slow,
    /// It is longer than bodies may be.
    TooLarge,
}

/// Bytes of all bodies that are in memory, for all threads together.
pub(crate) type InMemory = Arc<AtomicUsize>;

/// Where a request's body comes from; lives as long as its exchange.
#[derive(Debug)]
pub(crate) enum Origin {
    /// There is none.
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

    /// Waits until the body is here, or so much of it that the rest shall stream.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) async fn gather(&self) -> Result<(), Problem> {
        match self {
            Origin::Empty => Ok(()),
            Origin::Client(source) => poll_fn(|context| source.borrow_mut().poll_gather(context)).await,
        }
    }

    /// The length that the client announced; `None`: it sends chunks.
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Origin::Empty => Some(0),
            Origin::Client(source) => source.borrow().left.exact(),
        }
    }

    /// Whether the body has ended without a byte, which only chunks can.
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

    /// When something of the body came last, while an instance may wait for more of it or refuses to take more.
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

    pub(crate) fn problem(&self) -> Option<Problem> {
        match self {
            Origin::Empty => None,
            Origin::Client(source) => source.borrow().problem,
        }
    }

    /// Whether the body can be had from its beginning once more.
    pub(crate) fn can_restart(&self) -> bool {
        match self {
            Origin::Empty => true,
            Origin::Client(source) => {
                let source = source.borrow();
                !source.passed_by || (source.resend && source.kept.is_some())
            }
        }
    }

    /// The body from its beginning; bodies that were taken before end in an error. `None`: too much has passed by.
    pub(crate) fn body(&self) -> Option<RequestBody> {
        if !self.can_restart() {
            return None;
        }
        let Origin::Client(source) = self else {
            return Some(RequestBody::Empty);
        };
        source.borrow_mut().round += 1;
        let round = source.borrow().round;
        Some(RequestBody::Client { source: Rc::clone(source), round, at: 0 })
    }
}

/// How the sending of a body stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    /// Something of it came last.
    pub(crate) at: Instant,
    /// The client shall send more; how long that may take is looked at where it is waited for.
    pub(crate) waits_for_client: bool,
}

/// What the client sent and sends.
#[derive(Debug)]
pub(crate) struct Source {
    incoming: Incoming,
    left: SizeHint,
    resend: bool,
    /// What was gathered; of a request that may be resent all that came, if it is not too much.
    kept: Option<KeptBody>,
    /// An instance got some of it.
    passed_by: bool,
    ended: bool,
    problem: Option<Problem>,
    /// Bytes that have come.
    came: u64,
    /// When something of it came last.
    moved: Instant,
    pace: Pace,
    limits: BodyLimits,
    /// Which body may read on.
    round: u32,
    record: Option<Record>,
}

#[derive(Debug)]
struct KeptBody {
    pieces: Vec<Piece>,
    /// The beginning of the next piece, while nobody has asked for it.
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

    /// `is_last`: nothing follows it.
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

    /// Makes a piece of what is loose.
    fn tighten(&mut self) {
        if !self.loose.is_empty() {
            self.pieces.push(Piece::Data(self.loose.split().freeze()));
        }
    }

    /// The piece at this place; forgotten here where nobody will want it again.
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

    /// Whether the piece at this place would be the end of what is kept.
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
    /// What comes next from the client.
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

    /// Keeps what streams by, as long as it is not too much.
    fn remember(&mut self, frame: &Frame<Bytes>) {
        let Some(kept) = self.kept.as_mut().filter(|_| self.resend) else { return };
        kept.add(frame, false);
        // Whoever streams has got this piece; it has a place of its own among those that are kept.
        kept.tighten();
        if kept.pieces.len() > KEPT_PIECES || !self.has_room() {
            self.kept = None;
        }
    }
}

/// The body of one attempt.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// There is none.
    Empty,
    /// What the client sends.
    Client {
        /// Shared with the exchange.
        source: Rc<RefCell<Source>>,
        /// Which attempt this is.
        round: u32,
        /// The kept pieces that were replayed so far.
        at: usize,
    },
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let RequestBody::Client { source, round, at } = self.get_mut() else {
            return Poll::Ready(None);
        };
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

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Empty => true,
            RequestBody::Client { source, at, .. } => {
                let source = source.borrow();
                let replayed = source.kept.as_ref().is_none_or(|kept| kept.ends_at(*at));
                replayed && (source.ended || source.incoming.is_end_stream())
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Empty => SizeHint::with_exact(0),
            // hyper asks once, before the first frame.
            RequestBody::Client { source, .. } => source.borrow().left,
        }
    }
}
