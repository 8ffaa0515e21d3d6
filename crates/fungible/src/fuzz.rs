//! Whatever of the toolkit parses bytes of clients, given any bytes: each function stops at a panic, and at an answer that cannot
//! be right. They are called by the fuzz targets in the folder `fuzz`, and by the short run of these below.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request};

pub use crate::sessions::fuzz::session_cookie;
pub use crate::tokens::fuzz::token;

use crate::client::Proxies;
use crate::once::IdempotencyKey;

/// `X-Forwarded-For`, one field per line, behind a proxy and from somebody else, who is not believed.
///
/// # Panics
/// When an answer cannot be right.
pub fn forwarded_for(data: &[u8]) {
    let address = |peer: &str| {
        let mut request = Request::new(());
        for line in data.split(|byte| *byte == b'\n') {
            if let Ok(value) = HeaderValue::from_bytes(line) {
                request.headers_mut().append("x-forwarded-for", value);
            }
        }
        let peer: SocketAddr = peer.parse().ok()?;
        request.extensions_mut().insert(ConnectInfo(peer));
        Some(Proxies::default().client(&request.into_parts().0).0)
    };
    let _ = address("127.0.0.1:1");
    assert_eq!(address("192.0.2.7:1"), Some(IpAddr::from([192, 0, 2, 7])));
}

/// An idempotency key. What is taken for one is taken for it without quotes, too.
///
/// # Panics
/// When an answer cannot be right.
pub fn idempotency_key(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(key) = IdempotencyKey::parse(&text, "POST /") {
        let bare = text.trim_matches('"');
        assert_eq!(format!("{:?}", IdempotencyKey::parse(bare, "POST /").ok()), format!("{:?}", Some(key)));
    }
}

#[cfg(test)]
mod tests {
    test_basics::fuzz_briefly! { fungible:
        forwarded_for 2000,
        idempotency_key 2000,
        session_cookie 2000,
        token 2000,
    }
}
