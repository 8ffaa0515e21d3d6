//! A limit on request bodies that an inner layer can change: the limit is read when the body is.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{MapRequestLayer, map_request};
use http_body_util::Limited;
use hyper::body::{Frame, SizeHint};

/// A layer that limits the body of a request to `bytes`, both for extractors and for handlers that read the body
/// themselves. Of several around a handler the innermost counts: so one route can allow more or less than
/// [`ServeOptions::body_bytes`](crate::ServeOptions::body_bytes).
///
/// ```
/// use axum::{Router, body::Bytes, routing::post};
/// use fungible::body_limit;
///
/// let upload = post(async |file: Bytes| file.len().to_string()).layer(body_limit(50 << 20));
/// let router: Router = Router::new().route("/files", upload);
/// ```
///
/// axum's own `DefaultBodyLimit` inside of it can lower the limit of extractors, but cannot raise it.
pub fn body_limit(bytes: usize) -> MapRequestLayer<impl Fn(Request) -> Ready<Request> + Clone, (), (Request,)> {
    map_request(move |request| ready(limited(request, bytes)))
}

/// The limit of a request's body: outer layers set it first, so the last one to set it is the innermost.
#[derive(Clone)]
struct Limit(Arc<AtomicUsize>);

fn limited(mut request: Request, bytes: usize) -> Request {
    // Extractors have a limit of their own, 2 MB, unless told otherwise.
    DefaultBodyLimit::disable().apply(&mut request);
    if let Some(Limit(limit)) = request.extensions().get() {
        limit.store(bytes, Ordering::Relaxed);
        return request;
    }
    let limit = Limit(Arc::new(AtomicUsize::new(bytes)));
    request.extensions_mut().insert(limit.clone());
    request.map(|body| Body::new(LimitedBody::Unread(body, limit)))
}

/// A body that takes its limit when it is first read.
enum LimitedBody {
    Unread(Body, Limit),
    Reading(Limited<Body>),
}

impl HttpBody for LimitedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let LimitedBody::Unread(body, Limit(limit)) = &mut *self {
            let (body, limit) = (std::mem::take(body), limit.load(Ordering::Relaxed));
            // When the announced length is over the limit, the first read fails: nothing need arrive before that.
            let too_long = body.size_hint().lower() > limit as u64;
            *self = LimitedBody::Reading(if too_long {
                Limited::new(Body::from("-"), 0)
            } else {
                Limited::new(body, limit)
            });
        }
        match &mut *self {
            LimitedBody::Reading(body) => Pin::new(body).poll_frame(context),
            // It was replaced above.
            LimitedBody::Unread(..) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            LimitedBody::Unread(body, _) => body.is_end_stream(),
            LimitedBody::Reading(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            LimitedBody::Unread(body, _) => body.size_hint(),
            LimitedBody::Reading(body) => body.size_hint(),
        }
    }
}
