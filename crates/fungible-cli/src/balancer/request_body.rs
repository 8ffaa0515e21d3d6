//! The body of a request on its way to an instance. It streams; of a request that may be resent it keeps what passed
//! by, up to a limit, so that another instance can have it from the beginning. It knows nothing of who may resend.

use std::cell::RefCell;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::headers::clean_trailers;
use super::tap::Record;

/// Bytes that are kept of one request.
const KEEP_AT_MOST: usize = 64 * 1024;

/// Where a request's body comes from; lives as long as its exchange.
#[derive(Debug)]
pub(super) enum Origin {
    /// There is none.
    Empty,
    /// The client sends it.
    Client(Rc<RefCell<Source>>),
}

impl Origin {
    /// `keep`: the request may be resent.
    pub(super) fn new(incoming: Incoming, keep: bool, record: Option<Record>) -> Origin {
        if incoming.is_end_stream() {
            return Origin::Empty;
        }
        let left = incoming.size_hint();
        let kept = keep.then(Kept::default);
        Origin::Client(Rc::new(RefCell::new(Source {
            incoming,
            left,
            kept,
            passed_by: false,
            ended: false,
            broken: false,
            moved: Instant::now(),
            round: 0,
            record,
        })))
    }

    /// The length that the client announced; `None`: it sends chunks.
    pub(super) fn length(&self) -> Option<u64> {
        match self {
            Origin::Empty => Some(0),
            Origin::Client(source) => source.borrow().left.exact(),
        }
    }

    /// When something of the body came last, and whether that was its end.
    pub(super) fn moved(&self) -> Option<(Instant, bool)> {
        match self {
            Origin::Empty => None,
            Origin::Client(source) => {
                let source = source.borrow();
                Some((source.moved, source.ended || source.incoming.is_end_stream()))
            }
        }
    }

    /// Whether the client sent something that is no body.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self, Origin::Client(source) if source.borrow().broken)
    }

    /// Whether the body can be had from its beginning once more.
    pub(super) fn can_restart(&self) -> bool {
        match self {
            Origin::Empty => true,
            Origin::Client(source) => {
                let source = source.borrow();
                !source.passed_by || source.kept.is_some()
            }
        }
    }

    /// The body from its beginning; bodies that were taken before end in an error. `None`: too much has passed by.
    pub(super) fn body(&self) -> Option<RequestBody> {
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

/// What the client sent and sends.
#[derive(Debug)]
pub(super) struct Source {
    incoming: Incoming,
    left: SizeHint,
    /// All that passed by, if it is not too much.
    kept: Option<Kept>,
    passed_by: bool,
    ended: bool,
    /// What the client sent is not a body, or it broke off.
    broken: bool,
    /// When something of it came last.
    moved: Instant,
    /// Which body may read on.
    round: u32,
    record: Option<Record>,
}

#[derive(Debug, Default)]
struct Kept {
    pieces: Vec<Piece>,
    bytes: usize,
}

#[derive(Clone, Debug)]
enum Piece {
    Data(Bytes),
    Trailers(http::HeaderMap),
}

impl Source {
    fn remember(&mut self, frame: &Frame<Bytes>) {
        self.passed_by = true;
        if let (Some(record), Some(data)) = (&self.record, frame.data_ref()) {
            record.request_data(data);
        }
        let Some(kept) = &mut self.kept else { return };
        if let Some(data) = frame.data_ref() {
            kept.bytes += data.len();
            kept.pieces.push(Piece::Data(data.clone()));
        } else if let Some(trailers) = frame.trailers_ref() {
            kept.pieces.push(Piece::Trailers(trailers.clone()));
        }
        // Many tiny chunks cost more than their bytes.
        if kept.bytes > KEEP_AT_MOST || kept.pieces.len() > KEEP_AT_MOST / 64 {
            self.kept = None;
        }
    }
}

/// The body of one attempt.
#[derive(Debug)]
pub(super) enum RequestBody {
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
        if let Some(piece) = source.kept.as_ref().and_then(|kept| kept.pieces.get(*at)) {
            *at += 1;
            return Poll::Ready(Some(Ok(match piece.clone() {
                Piece::Data(data) => Frame::data(data),
                Piece::Trailers(trailers) => Frame::trailers(trailers),
            })));
        }
        if source.ended {
            return Poll::Ready(None);
        }
        let frame = std::task::ready!(Pin::new(&mut source.incoming).poll_frame(context));
        source.moved = Instant::now();
        match frame {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    clean_trailers(trailers);
                }
                source.remember(&frame);
                *at += 1;
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(problem)) => {
                source.broken = true;
                Poll::Ready(Some(Err(problem.into())))
            }
            None => {
                source.ended = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Empty => true,
            RequestBody::Client { source, at, .. } => {
                let source = source.borrow();
                let replayed = source.kept.as_ref().is_none_or(|kept| kept.pieces.len() <= *at);
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
