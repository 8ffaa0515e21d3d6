//! Refuses requests that another site made a browser send. It needs no state: the browser itself says, in
//! `Sec-Fetch-Site` and `Origin`, where a request comes from. Knows nothing of sessions.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use tower_http::csrf::{CsrfLayer, ProtectionError};

/// What a refused client reads.
const SENTENCE: &str = "This request was made by another site and was refused. Open the page itself and try again.\n";

/// A layer that refuses requests which another site made a browser send: `router.layer(csrf_protection())`, around all
/// routes that a browser can reach. It needs no token and no state.
///
/// GET, HEAD and OPTIONS pass. Any other method passes when `Sec-Fetch-Site` is `same-origin` or `none`; without that header,
/// when the host of `Origin` is that of `Host`; without both, as then it is no browser. Everything else gets 403. This is the
/// rule of Go's `CrossOriginProtection`. A proxy in front must pass `Host` on unchanged.
pub fn csrf_protection() -> CsrfLayer<fn(ProtectionError) -> Response<Body>> {
    CsrfLayer::new().with_rejection_response(refusal)
}

fn refusal(_why: ProtectionError) -> Response<Body> {
    let mut response = Response::new(Body::from(SENTENCE));
    *response.status_mut() = StatusCode::FORBIDDEN;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}
