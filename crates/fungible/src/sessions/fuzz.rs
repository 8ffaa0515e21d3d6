//! What reads the cookie of a session, given any bytes.

use axum::http::{HeaderMap, HeaderValue, header};

use super::id::SessionId;
use crate::cookie::CookieMode;

/// The value of a `Cookie` field. An id is found as it would be written.
///
/// # Panics
/// When an answer cannot be right.
pub fn session_cookie(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let headers = HeaderMap::from_iter([(header::COOKIE, value)]);
    for mode in [CookieMode::Secure, CookieMode::Plain] {
        if let Some(id) = SessionId::from_headers(&headers, mode) {
            let text = id.text();
            assert!(data.windows(text.len()).any(|window| window == text.as_bytes()), "{text} is not in it");
        }
    }
}
