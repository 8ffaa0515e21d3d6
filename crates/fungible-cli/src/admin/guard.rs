//! Who may ask what: pure functions of the header of a request. A command needs the token, and must not come from another
//! site; no answer goes to a page under a name that somebody else could make resolve to this machine.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// For monitoring programs, which may know this machine by any name: metrics and health.
    Monitor,
    /// For people: the page, the status, the events.
    Look,
    /// Changes something.
    Command,
}

/// The rules for requests.
#[derive(Debug)]
pub(super) struct Guard {
    token: String,
    /// Other machines may reach the address.
    public: bool,
}

impl Guard {
    pub(super) fn new(token: String, public: bool) -> Guard {
        Guard { token, public }
    }

    /// The token that commands need.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Whether a request with this header is allowed.
    ///
    /// # Errors
    /// Why not, in a sentence.
    pub(super) fn check(&self, purpose: Purpose, headers: &HeaderMap) -> Result<(), &'static str> {
        let host = text(headers, &HOST).unwrap_or_default();
        if !(is_address(host) || self.public && purpose == Purpose::Monitor) {
            return Err("Use this address by its IP address or as localhost.\n");
        }
        let site = text(headers, &SEC_FETCH_SITE).unwrap_or("none");
        let own_site = ["none", "same-origin"].contains(&site);
        if purpose != Purpose::Command {
            // A link that somebody follows shows nothing to the site that has the link.
            let follows_link = text(headers, &SEC_FETCH_MODE) == Some("navigate");
            return if own_site || follows_link { Ok(()) } else { Err("Other sites may not read this.\n") };
        }
        let own_origin = headers.get(ORIGIN).is_none_or(|origin| {
            let origin = origin.as_bytes();
            let rest = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
            rest == Some(host.as_bytes())
        });
        if !own_site || !own_origin {
            return Err("Commands come from the page itself, not from another site.\n");
        }
        let given = text(headers, &AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        if is_equal(given.as_bytes(), self.token.as_bytes()) {
            Ok(())
        } else {
            Err("Commands need the token of the URL that was printed at the start.\n")
        }
    }
}

/// The value of a field that occurs once.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// Whether a host cannot be a name that somebody else controls.
fn is_address(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    !host.contains('@') && (name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok())
}

/// In a time that does not depend on where they differ.
fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let one =
            |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().expect("a value"));
        fields.iter().map(one).collect()
    }

    #[test]
    fn commands_need_the_token_and_come_from_the_page_itself() {
        let guard = Guard::new("t".repeat(32), false);
        let bearer = format!("Bearer {}", "t".repeat(32));
        let check = |more: &[(&'static str, &str)]| {
            let all = [&[("host", "127.0.0.1:9090"), ("authorization", bearer.as_str())], more].concat();
            guard.check(Purpose::Command, &headers(&all)).is_ok()
        };
        assert!(check(&[]));
        assert!(check(&[("origin", "http://127.0.0.1:9090"), ("sec-fetch-site", "same-origin")]));
        for origin in ["null", "http://127.0.0.1:9091", "http://evil.example", "http://localhost:9090"] {
            assert!(!check(&[("origin", origin)]), "{origin}");
        }
        for site in ["same-site", "cross-site"] {
            assert!(!check(&[("sec-fetch-site", site)]), "{site}");
        }
        for token in ["", "Bearer", "Bearer ", "Bearer t", &format!("{bearer}t"), &"t".repeat(32)] {
            let given = headers(&[("host", "127.0.0.1:9090"), ("authorization", token)]);
            assert!(guard.check(Purpose::Command, &given).is_err(), "{token}");
        }
        assert!(guard.check(Purpose::Command, &headers(&[("host", "127.0.0.1:9090")])).is_err());
    }

    #[test]
    fn a_name_that_others_control_is_refused() {
        let guard = Guard::new("t".to_owned(), false);
        for host in ["127.0.0.1", "127.0.0.1:9090", "[::1]:9090", "localhost:9090", "LOCALHOST", "192.0.2.7:1"] {
            assert!(guard.check(Purpose::Look, &headers(&[("host", host)])).is_ok(), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "a@127.0.0.1", "", "localhost.evil.example:9090"] {
            let headers = headers(&[("host", host)]);
            assert!(guard.check(Purpose::Look, &headers).is_err(), "{host}");
            assert!(guard.check(Purpose::Monitor, &headers).is_err(), "{host}");
            let public = Guard::new("t".to_owned(), true);
            assert!(public.check(Purpose::Look, &headers).is_err(), "{host}");
            assert!(public.check(Purpose::Monitor, &headers).is_ok(), "{host}");
        }
        assert!(guard.check(Purpose::Look, &HeaderMap::new()).is_err());
    }

    #[test]
    fn other_sites_may_lead_here_and_not_read_here() {
        let guard = Guard::new("t".to_owned(), false);
        let check = |mode: &str| {
            let fields = [("host", "127.0.0.1:1"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", mode)];
            guard.check(Purpose::Look, &headers(&fields)).is_ok()
        };
        assert!(check("navigate") && !check("cors") && !check("no-cors"));
    }
}
