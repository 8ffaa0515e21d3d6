//! The access log: one line per request, when its response has ended, to the `access` target of tracing. It contains
//! nothing of bodies, cookies or queries. If the log is off, nothing is collected.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderValue, Method, Request, StatusCode, Uri};

/// What the line of a request contains.
#[derive(Debug)]
pub(super) struct AccessLine {
    method: Method,
    target: Uri,
    began: Instant,
    /// The value of `X-Request-Id`.
    pub(super) id: Option<HeaderValue>,
    pub(super) status: StatusCode,
    pub(super) instance: Option<Arc<str>>,
}

impl AccessLine {
    /// Starts the line of a request; `None` if the log is off, which costs a look at a cached flag.
    pub(super) fn begin<B>(request: &Request<B>) -> Option<Box<AccessLine>> {
        tracing::enabled!(target: "access", tracing::Level::INFO).then(|| {
            Box::new(AccessLine {
                method: request.method().clone(),
                target: request.uri().clone(),
                began: Instant::now(),
                id: None,
                status: StatusCode::OK,
                instance: None,
            })
        })
    }

    /// Writes the line. `whole`: the response was passed on completely.
    pub(super) fn write(&self, whole: bool) {
        tracing::info!(
            target: "access",
            method = %self.method,
            path = self.target.path(),
            status = self.status.as_u16(),
            instance = self.instance.as_deref().unwrap_or("-"),
            ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            id = self.id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or("-"),
            whole,
        );
    }
}
