//! What every response has, whatever handler made it: the instance's name, the security headers, a log line.

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{self, HeaderName};
use axum::middleware::Next;
use axum::response::Response;

use crate::site::Site;

const SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");

/// Nothing from other hosts, no inline scripts or styles, not in a frame.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const RULES: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // `no-referrer` would also empty `Origin`, which the CSRF check reads.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// Adds the instance's name and the security headers. Responses are not cached unless they say so: an old page must not hide
/// a new one.
pub async fn sign<S: Site>(State(app): State<S>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // `Config` refuses a name that cannot be a header.
    let name = HeaderValue::from_str(app.instance());
    headers.insert(SERVED_BY, name.unwrap_or(HeaderValue::from_static("?")));
    for (name, value) in RULES {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The length of 256 bits as text: a path segment as long as this, or longer, may be a secret.
const SECRET_LENGTH: usize = 43;

/// Logs one line per request; never a query, a body, a cookie or a name, nor parts of the path that may be secrets.
pub async fn log(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let (method, path) = (request.method().clone(), without_secrets(request.uri().path()));
    let response = next.run(request).await;
    let status = response.status().as_u16();
    tracing::info!(%method, path, status, took = ?began.elapsed(), "request");
    response
}

fn without_secrets(path: &str) -> String {
    let shown = path.split('/').map(|segment| if segment.len() < SECRET_LENGTH { segment } else { "…" });
    shown.collect::<Vec<_>>().join("/")
}
