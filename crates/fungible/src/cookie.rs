//! Cookies that only this site's own requests carry. Knows neither what is in them nor a store.

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, IntoResponseParts, ResponseParts};

/// How cookies are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CookieMode {
    /// `__Host-NAME`, Secure: for https, and for everything that is not on this machine.
    #[default]
    Secure,
    /// `NAME`, for plain http on loopback, where clients such as curl drop the other kind.
    Plain,
}

impl CookieMode {
    /// What the cookie is called in full.
    pub fn name(self, name: &str) -> String {
        if self == CookieMode::Secure { format!("__Host-{name}") } else { name.to_owned() }
    }

    /// The header that has a browser keep a value under a name, for a while. The value is of the letters that base64url has.
    pub fn set(self, name: &str, value: &str, lasts: Duration) -> SetCookie {
        let (name, seconds) = (self.name(name), lasts.as_secs());
        let secure = if self == CookieMode::Secure { "Secure; " } else { "" };
        SetCookie(format!("{name}={value}; Max-Age={seconds}; Path=/; {secure}HttpOnly; SameSite=Lax"))
    }

    /// The header that has a browser forget it.
    pub fn remove(self, name: &str) -> SetCookie {
        self.set(name, "", Duration::ZERO)
    }

    /// The values that a request carries under a name; more than one where somebody tries something.
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

/// A `Set-Cookie` header: put it in front of the response, `(cookie, Redirect::to("/"))`.
#[derive(Clone)]
#[must_use = "the browser must be told"]
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

/// Shows no value.
impl fmt::Debug for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetCookie(..)")
    }
}
