//! Cookies that only requests of the site itself carry. Knows no content and no store.

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, IntoResponseParts, ResponseParts};

/// How cookies are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CookieMode {
    /// `__Host-NAME` with `Secure`: for https, and so for everything that is not on this machine.
    #[default]
    Secure,
    /// `NAME`, for http on this machine, where clients such as curl drop the other kind.
    Plain,
}

impl CookieMode {
    /// The full name of the cookie.
    pub fn name(self, name: &str) -> String {
        if self == CookieMode::Secure { format!("__Host-{name}") } else { name.to_owned() }
    }

    /// The header that sets a cookie for a time. The value must consist of the characters of base64url.
    pub fn set(self, name: &str, value: &str, lasts: Duration) -> SetCookie {
        let (name, seconds) = (self.name(name), lasts.as_secs());
        let secure = if self == CookieMode::Secure { "Secure; " } else { "" };
        SetCookie(format!("{name}={value}; Max-Age={seconds}; Path=/; {secure}HttpOnly; SameSite=Lax"))
    }

    /// The header that deletes a cookie.
    pub fn remove(self, name: &str) -> SetCookie {
        self.set(name, "", Duration::ZERO)
    }

    /// The values of a cookie in a request. There can be more than one: a client can send what it likes.
    pub fn values<'a>(self, name: &'a str, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
        pairs.filter_map(move |(found, value)| {
            let found = found.trim();
            let found = if self == CookieMode::Secure { found.strip_prefix("__Host-")? } else { found };
            (found == name).then(|| value.trim())
        })
    }
}

/// A `Set-Cookie` header. Return it in front of the response: `(cookie, Redirect::to("/"))`.
#[derive(Clone)]
#[must_use = "it has no effect unless it is part of the response"]
pub struct SetCookie(String);

impl SetCookie {
    /// The value of the header.
    pub fn header_value(&self) -> &str {
        &self.0
    }
}

impl IntoResponseParts for SetCookie {
    type Error = <AppendHeaders<[(header::HeaderName, String); 1]> as IntoResponseParts>::Error;

    fn into_response_parts(self, parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        AppendHeaders([(header::SET_COOKIE, self.0)]).into_response_parts(parts)
    }
}

/// Shows no value of the cookie.
impl fmt::Debug for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetCookie(..)")
    }
}
