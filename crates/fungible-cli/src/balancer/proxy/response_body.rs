//! The body of a response on its way to the client: of an instance, or of an error response. When it has ended, the
//! connection to the instance becomes idle and the request is no longer in flight.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::access_log::AccessLine;
use super::context::Context as ProxyContext;
use super::farewell::farewell;
use super::measure::Measure;
use crate::balancer::client::Tracked;
use crate::balancer::observe::Record;
use crate::balancer::pool::Claim;
use crate::balancer::upstream::fields::clean_trailers;
use crate::balancer::upstream::{GateGuard, RoundTrip};

/// The body of a response.
#[derive(Debug)]
pub(crate) enum ResponseBody {
    /// A sentence of the balancer.
    Ours(Bytes),
    /// The body from an instance. In a box, because hyper moves it several times, which costs more than the box.
    Passing(Box<Passing>),
}

/// The body from an instance, and what to do at its end.
#[derive(Debug)]
pub(crate) struct Passing {
    /// `None` only while this is dropped.
    pub(super) round_trip: Option<RoundTrip>,
    /// Whether the end was passed on.
    pub(super) ended: bool,
    /// The response ends with the connection, which the client takes for its end (HTTP/1.0).
    pub(super) ends_by_closing: bool,
    pub(super) client: Tracked,
    pub(super) context: Rc<ProxyContext>,
    /// Dropped after the connection was returned.
    pub(super) claim: Claim,
    pub(super) line: Option<Box<AccessLine>>,
    /// How many bytes of the body were passed on.
    pub(super) bytes: u64,
    pub(super) measure: Option<Measure>,
    pub(super) record: Option<Record>,
    /// The instance broke off the response.
    pub(super) broke_off: bool,
    /// What holds the body of the request back, until this has ended.
    pub(super) _gate: Option<GateGuard>,
    /// How a stream of events learns that its instance leaves; `None` for other responses.
    pub(super) stream: Option<ServerSentEvents>,
}

/// A stream of server-sent events, which has no end of its own.
pub(super) struct ServerSentEvents {
    heard: Rc<Cell<Instant>>,
    ends: Pin<Box<dyn Future<Output = ()>>>,
    has_ended: bool,
}

impl fmt::Debug for ServerSentEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerSentEvents")
    }
}

impl ServerSentEvents {
    /// `None` where the response is none.
    pub(super) fn of(headers: &HeaderMap, claim: &Claim) -> Option<ServerSentEvents> {
        let kind = headers.get(CONTENT_TYPE)?.as_bytes();
        if !kind.get(..17)?.eq_ignore_ascii_case(b"text/event-stream") {
            return None;
        }
        let heard = Rc::new(Cell::new(Instant::now()));
        let (link, last) = (Arc::clone(&claim.link), Rc::clone(&heard));
        let ends = Box::pin(async move { farewell(&link, &last, || true).await });
        Some(ServerSentEvents { heard, ends, has_ended: false })
    }

    fn poll_ends(&mut self, context: &mut Context<'_>) -> bool {
        self.has_ended = self.has_ended || self.ends.as_mut().poll(context).is_ready();
        self.has_ended
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let round_trip = self.round_trip.take();
        let whole = self.ended || round_trip.as_ref().is_some_and(RoundTrip::is_complete);
        self.client.answered();
        if let Some(record) = self.record.take() {
            record.finish(whole, !whole && !self.broke_off);
        }
        if let Some(connection) = round_trip.and_then(RoundTrip::into_idle) {
            self.context.connections.put(&self.claim, connection);
        }
        if let Some(mut line) = self.line.take() {
            line.write(Some(self.bytes), whole);
        }
        if let (Some(meter), Some(measure)) = (&self.context.config.meter, self.measure.take()) {
            measure.finish(meter, Some(&self.claim));
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            ResponseBody::Ours(text) if text.is_empty() => Poll::Ready(None),
            ResponseBody::Ours(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            ResponseBody::Passing(passing) => {
                // Its client sees an orderly end, and connects again.
                if passing.stream.as_mut().is_some_and(|stream| stream.poll_ends(context)) {
                    return Poll::Ready(None);
                }
                let Some(round_trip) = &mut passing.round_trip else { return Poll::Ready(None) };
                let mut frame = std::task::ready!(round_trip.poll_frame(context));
                if let Some(Ok(frame)) = &mut frame
                    && let Some(trailers) = frame.trailers_mut()
                {
                    clean_trailers(trailers);
                }
                if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
                    passing.bytes += data.len() as u64;
                    if let Some(record) = &passing.record {
                        record.answer_data(data);
                    }
                }
                passing.broke_off |= matches!(&frame, Some(Err(_)));
                if let Some(stream) = &passing.stream {
                    stream.heard.set(Instant::now());
                }
                match &frame {
                    None => passing.ended = true,
                    // A reset tells the client that the response is incomplete.
                    Some(Err(_)) if passing.ends_by_closing => passing.client.cut_off(),
                    Some(_) => {}
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ResponseBody::Ours(text) => text.is_empty(),
            ResponseBody::Passing(passing) => {
                passing.ended || passing.round_trip.as_ref().is_none_or(RoundTrip::is_complete)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ResponseBody::Ours(text) => SizeHint::with_exact(text.len() as u64),
            ResponseBody::Passing(passing) => {
                passing.round_trip.as_ref().map_or_else(SizeHint::default, RoundTrip::size_hint)
            }
        }
    }
}
