//! The two cookies that tell which instance served the client: a signed one for sticky routing, a plain one for
//! never-twice. They keep the balancer free of state, and several balancers in front of one fleet route alike.

use hmac::{Hmac, KeyInit, Mac};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use sha2::Sha256;

use crate::balancer::config::Config;
use crate::balancer::pool::Routing;
use crate::balancer::upstream::fields::text_value;

const STICKY: &str = "fungible_instance";
const LAST: &str = "fungible_last";

/// The instances that the cookies of a client name.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// The instance that a valid sticky cookie names.
    pub(super) named: Option<String>,
    /// The instance that served it last.
    pub(super) last: Option<String>,
}

impl Hints {
    /// Reads the cookies that matter for `routing`.
    pub(super) fn of(headers: &HeaderMap, routing: Routing, secret: &[u8; 32]) -> Hints {
        match routing {
            Routing::Sticky => Hints { named: sticky(headers, secret).map(str::to_owned), last: None },
            Routing::NeverTwice => Hints { named: None, last: last(headers).map(str::to_owned) },
            Routing::PowerOfTwo | Routing::RoundRobin | Routing::LeastBusy => Hints::default(),
        }
    }

    /// Sets the cookie for the instance that served the client, unless the client has it already. `secure`: it came by
    /// TLS, and must send the cookie by TLS only.
    pub(super) fn set_cookies(&self, headers: &mut HeaderMap, config: &Config, reached: &str, secure: bool) {
        let cookie = match config.routing {
            Routing::Sticky if self.named.as_deref() != Some(reached) => set_sticky(reached, &config.secret, secure),
            Routing::NeverTwice if self.last.as_deref() != Some(reached) => set_last(reached, secure),
            _ => None,
        };
        if let Some(cookie) = cookie {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

/// The instance that the sticky cookie names, if the signature is valid.
fn sticky<'a>(headers: &'a HeaderMap, secret: &[u8; 32]) -> Option<&'a str> {
    let (name, signature) = find(headers, STICKY)?.rsplit_once('.')?;
    let signature = from_hex(signature)?;
    signer(name, secret)?.verify_slice(&signature).ok()?;
    Some(name)
}

/// A sticky cookie for this instance.
fn set_sticky(name: &str, secret: &[u8; 32], secure: bool) -> Option<HeaderValue> {
    let signature = signer(name, secret)?.finalize().into_bytes();
    set(STICKY, &format!("{name}.{}", to_hex(&signature)), secure)
}

/// The instance that served the client last, according to its cookie.
fn last(headers: &HeaderMap) -> Option<&str> {
    find(headers, LAST)
}

/// A cookie for the instance that served the client last.
fn set_last(name: &str, secure: bool) -> Option<HeaderValue> {
    set(LAST, name, secure)
}

fn signer(name: &str, secret: &[u8; 32]) -> Option<Hmac<Sha256>> {
    let mut signer = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    signer.update(name.as_bytes());
    Some(signer)
}

fn find<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(wanted)?.strip_prefix('='))
}

/// `None` if the value cannot be part of a cookie.
fn set(cookie: &str, value: &str, secure: bool) -> Option<HeaderValue> {
    let fits = value.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte));
    let secure = if secure { "; Secure" } else { "" };
    fits.then(|| text_value(format!("{cookie}={value}; Path=/; HttpOnly; SameSite=Lax{secure}")))
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 32] = [1; 32];

    fn sent_back(cookie: &HeaderValue) -> HeaderMap {
        let pair = cookie.to_str().expect("visible characters").split(';').next().expect("a pair");
        HeaderMap::from_iter([(COOKIE, text_value(format!("theme=dark; {pair}; x=1")))])
    }

    #[test]
    fn a_signed_name_is_believed_and_nothing_else() {
        let cookie = set_sticky("web-1.blue", &SECRET, false).expect("a name that fits");
        assert_eq!(sticky(&sent_back(&cookie), &SECRET), Some("web-1.blue"));
        assert_eq!(sticky(&sent_back(&cookie), &[2; 32]), None);
        let text = cookie.to_str().expect("visible characters");
        for forged in [text.replace("web-1", "web-2"), text.replace(".blue.", ".blue.0"), text.replace("blue", "blu")] {
            assert_eq!(sticky(&sent_back(&text_value(forged.as_str())), &SECRET), None, "{forged}");
        }
        let unsigned = text_value("fungible_instance=web-1.");
        assert_eq!(sticky(&sent_back(&unsigned), &SECRET), None);
    }

    #[test]
    fn a_name_that_cannot_be_a_cookie_value_sets_no_cookie() {
        for name in ["a b", "a;b", "a,b", "a\"b", "ä"] {
            assert_eq!((set_sticky(name, &SECRET, false), set_last(name, true)), (None, None), "{name}");
        }
    }

    #[test]
    fn a_name_is_not_taken_from_a_cookie_whose_name_only_begins_alike() {
        let headers = HeaderMap::from_iter([(COOKIE, text_value("fungible_lastly=x; fungible_last=web-1"))]);
        assert_eq!(last(&headers), Some("web-1"));
    }
}
