//! The id of a session, as the cookie carries it. Knows no store.

use std::fmt;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::cookie::CookieMode;

/// The name of the cookie.
pub(super) const COOKIE: &str = "session";

/// The id of a session: 256 random bits. Whoever has it is logged in, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(pub(super) [u8; 32]);

impl SessionId {
    pub(super) fn random() -> std::io::Result<SessionId> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits)?;
        Ok(SessionId(bits))
    }

    /// The first well-formed id in the cookies of a request.
    pub(super) fn from_headers(headers: &HeaderMap, mode: CookieMode) -> Option<SessionId> {
        mode.values(COOKIE, headers).find_map(SessionId::parse)
    }

    /// As in the cookie.
    pub(super) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    fn parse(text: &str) -> Option<SessionId> {
        let mut bits = [0; 32];
        // A longer text does not fit; a shorter one leaves the rest unwritten.
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bits).ok()?;
        (length == bits.len()).then_some(SessionId(bits))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::header;

    use super::*;
    use crate::cookie::SetCookie;

    fn set(id: &SessionId, mode: CookieMode) -> SetCookie {
        mode.set(COOKIE, &id.text(), Duration::from_mins(1))
    }

    fn found(cookies: &[&str], mode: CookieMode) -> Option<SessionId> {
        let mut headers = HeaderMap::new();
        for value in cookies {
            headers.append(header::COOKIE, value.parse().unwrap());
        }
        SessionId::from_headers(&headers, mode)
    }

    #[test]
    fn an_id_comes_back_from_its_cookie() {
        for mode in [CookieMode::Secure, CookieMode::Plain] {
            let id = SessionId::random().unwrap();
            let set = set(&id, mode);
            let pair = set.header_value().split(';').next().unwrap();
            assert_eq!(found(&["other=1", &format!("a=b; {pair}; c=d")], mode), Some(id));
        }
    }

    #[test]
    fn the_cookie_says_how_it_is_protected() {
        let id = SessionId([0; 32]);
        let zeros = "A".repeat(43);
        let secure = set(&id, CookieMode::Secure);
        let expected = format!("__Host-session={zeros}; Max-Age=60; Path=/; Secure; HttpOnly; SameSite=Lax");
        assert_eq!(secure.header_value(), expected);
        let plain = set(&id, CookieMode::Plain);
        assert_eq!(plain.header_value(), format!("session={zeros}; Max-Age=60; Path=/; HttpOnly; SameSite=Lax"));
    }

    #[test]
    fn anything_else_is_no_id() {
        let long = format!("session={}", "A".repeat(44));
        let short = format!("session={}", "A".repeat(42));
        for cookie in ["session=", "session=!", "session", &long, &short, "xsession=AAAA"] {
            assert_eq!(found(&[cookie], CookieMode::Plain), None, "{cookie}");
        }
        let good = format!("session={}", "A".repeat(43));
        assert_eq!(found(&[&good], CookieMode::Secure), None, "the other mode's cookie");
    }
}
