//! The id of a session and the cookie that carries it. Knows no store.

use std::fmt;

use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, IntoResponseParts, ResponseParts};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How the cookie is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CookieMode {
    /// `__Host-session`, Secure: for https, and for everything that is not on this machine.
    #[default]
    Secure,
    /// `session`, for plain http on loopback, where clients such as curl drop the other kind.
    Plain,
}

impl CookieMode {
    fn name(self) -> &'static str {
        match self {
            CookieMode::Secure => "__Host-session",
            CookieMode::Plain => "session",
        }
    }

    fn attributes(self) -> &'static str {
        match self {
            CookieMode::Secure => "Path=/; Secure; HttpOnly; SameSite=Lax",
            CookieMode::Plain => "Path=/; HttpOnly; SameSite=Lax",
        }
    }
}

/// 256 random bits that name a session: whoever has them is logged in. Its `Debug` shows nothing of it.
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
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(name, value)| (name.trim() == mode.name()).then(|| SessionId::parse(value.trim())).flatten())
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

/// A `Set-Cookie` header that starts or ends a session: put it in front of the response,
/// `(cookie, Redirect::to("/"))`.
#[derive(Clone)]
#[must_use = "the browser must be told"]
pub struct SessionCookie(String);

impl SessionCookie {
    pub(super) fn set(id: &SessionId, mode: CookieMode, seconds: u64) -> SessionCookie {
        let id = URL_SAFE_NO_PAD.encode(id.0);
        SessionCookie(format!("{}={id}; Max-Age={seconds}; {}", mode.name(), mode.attributes()))
    }

    pub(super) fn removal(mode: CookieMode) -> SessionCookie {
        SessionCookie(format!("{}=; Max-Age=0; {}", mode.name(), mode.attributes()))
    }

    /// The value of the `Set-Cookie` header.
    pub fn header_value(&self) -> &str {
        &self.0
    }
}

impl IntoResponseParts for SessionCookie {
    type Error = <AppendHeaders<[(header::HeaderName, String); 1]> as IntoResponseParts>::Error;

    fn into_response_parts(self, parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        AppendHeaders([(header::SET_COOKIE, self.0)]).into_response_parts(parts)
    }
}

impl fmt::Debug for SessionCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionCookie(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let set = SessionCookie::set(&id, mode, 60);
            let pair = set.header_value().split(';').next().unwrap();
            assert_eq!(found(&["other=1", &format!("a=b; {pair}; c=d")], mode), Some(id));
        }
    }

    #[test]
    fn the_cookie_says_how_it_is_protected() {
        let id = SessionId([0; 32]);
        let zeros = "A".repeat(43);
        let secure = SessionCookie::set(&id, CookieMode::Secure, 60);
        let expected = format!("__Host-session={zeros}; Max-Age=60; Path=/; Secure; HttpOnly; SameSite=Lax");
        assert_eq!(secure.header_value(), expected);
        let plain = SessionCookie::set(&id, CookieMode::Plain, 60);
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
