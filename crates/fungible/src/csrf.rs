//! Refuses requests that another site made a browser send. Needs no state: the browser itself says, in
//! `Sec-Fetch-Site` and `Origin`, where a request comes from. Knows nothing of sessions.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use tower_http::csrf::{CsrfLayer, ProtectionError};

/// What a refused client reads.
const SENTENCE: &str = "This request was made by another site and was refused. Open the page itself and try again.\n";

/// The layer: `router.layer(csrf::protection())`, around all routes that a browser may reach.
///
/// GET, HEAD and OPTIONS pass. Any other method passes when `Sec-Fetch-Site` is `same-origin` or `none`; when
/// that header is absent, the host of `Origin` must be the `Host`; when both are absent it is no browser.
/// This is the rule of Go's `CrossOriginProtection`. Everything else gets 403 with a sentence.
/// A balancer in front must keep `Host` as the client sent it.
pub fn protection() -> CsrfLayer<fn(ProtectionError) -> Response<Body>> {
    CsrfLayer::new().with_rejection_response(refusal)
}

fn refusal(_why: ProtectionError) -> Response<Body> {
    let mut response = Response::new(Body::from(SENTENCE));
    *response.status_mut() = StatusCode::FORBIDDEN;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}
