//! The access line: one per request, at its end, to the `access` target of tracing. When nobody listens, nothing is
//! collected. Nothing of bodies, cookies or queries gets into it.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderValue, Method, StatusCode, Uri};

/// What a request's line says.
#[derive(Debug)]
pub(super) struct Line {
    method: Method,
    target: Uri,
    id: HeaderValue,
    began: Instant,
    status: StatusCode,
    instance: Option<Arc<str>>,
}

impl Line {
    /// `None` when nobody listens. `id`: the value of `X-Request-Id`.
    pub(super) fn begin(method: &Method, target: &Uri, id: Option<&HeaderValue>, began: Instant) -> Option<Box<Line>> {
        if !is_on() {
            return None;
        }
        Some(Box::new(Line {
            method: method.clone(),
            target: target.clone(),
            id: id.cloned().unwrap_or(HeaderValue::from_static("-")),
            began,
            status: StatusCode::OK,
            instance: None,
        }))
    }

    pub(super) fn answered(&mut self, status: StatusCode, instance: Option<&Arc<str>>) {
        self.status = status;
        self.instance = instance.cloned();
    }

    /// `whole`: the answer was passed on to its end.
    pub(super) fn write(&self, whole: bool) {
        tracing::info!(
            target: "access",
            method = %self.method,
            path = self.target.path(),
            status = self.status.as_u16(),
            instance = self.instance.as_deref().unwrap_or("-"),
            ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            id = self.id.to_str().unwrap_or("-"),
            whole,
        );
    }
}

/// Whether anybody listens; a look at a cached flag.
pub(super) fn is_on() -> bool {
    tracing::enabled!(target: "access", tracing::Level::INFO)
}
