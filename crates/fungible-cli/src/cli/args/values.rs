//! Parsers for the values of arguments: addresses, times, sizes, paths, pairs.

use std::net::SocketAddr;
use std::time::Duration;

use http::HeaderValue;
use http::uri::Authority;

use crate::prove::Attack;

/// The help of `--fleet`.
pub(super) const FLEET: &str = "Which fleet: its name, its port, or NAME@PORT; may be left out when only one runs";

/// Parses an IP address with a port.
pub(in super::super) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned())
}

/// Where instances are: a host, which may be a name with several addresses, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Target {
    /// Without the brackets of an IPv6 address.
    pub(in super::super) host: String,
    pub(in super::super) port: u16,
}

/// Parses a host with a port.
pub(in super::super) fn parse_target(text: &str) -> Result<Target, String> {
    let wrong = || "write a host and a port, such as 10.0.0.5:3000, app.internal:3000 or [2001:db8::1]:3000".to_owned();
    let authority = text.parse::<Authority>().map_err(|_| wrong())?;
    let port = authority.port_u16().filter(|port| *port > 0).ok_or_else(wrong)?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || text.contains('@') {
        return Err(wrong());
    }
    Ok(Target { host: host.to_owned(), port })
}

/// Parses a duration of at most a day.
pub(in super::super) fn parse_limit(text: &str) -> Result<Duration, String> {
    let limit = humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 30s or 5m"))?;
    if limit > Duration::from_hours(24) { Err("a day is the longest limit".to_owned()) } else { Ok(limit) }
}

/// As [`parse_limit`], but not zero.
pub(in super::super) fn parse_patience(text: &str) -> Result<Duration, String> {
    match parse_limit(text)? {
        Duration::ZERO => Err("with no time at all, any pause of a client would end its connection".to_owned()),
        limit => Ok(limit),
    }
}

/// Parses the name of an attack.
pub(in super::super) fn parse_attack(text: &str) -> Result<Attack, String> {
    Attack::ALL.into_iter().find(|attack| attack.name() == text).ok_or_else(|| {
        let names = Attack::ALL.map(Attack::name).join(", ");
        format!("there is no such attack; there are {names}")
    })
}

/// Parses a number of bytes, with an optional unit.
pub(in super::super) fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "k" | "kb" | "kib" => Some(1 << 10),
        "m" | "mb" | "mib" => Some(1 << 20),
        "g" | "gb" | "gib" => Some(1 << 30),
        _ => None,
    };
    let number = digits.parse::<u64>().ok();
    let size = number.zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    size.ok_or_else(|| "write it in bytes or with a unit, as 512KiB, 10MiB or 1GiB".to_owned())
}

/// Parses a number of processors.
pub(in super::super) fn parse_cpus(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.01..=1024.0).contains(number));
    number.ok_or_else(|| "write a number of processors from 0.01 to 1024, such as 0.5".to_owned())
}

/// Parses a number of bytes that a process can live with.
pub(in super::super) fn parse_memory(text: &str) -> Result<u64, String> {
    let size = parse_size(text)?;
    if size < 1 << 20 { Err("1MiB is the least".to_owned()) } else { Ok(size) }
}

/// Parses the age of a process: from a second to a year.
pub(in super::super) fn parse_age(text: &str) -> Result<Duration, String> {
    let age = humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 6h or 7days"))?;
    let fits = (Duration::from_secs(1)..=Duration::from_hours(365 * 24)).contains(&age);
    if fits { Ok(age) } else { Err("an age is from 1s to 365days".to_owned()) }
}

/// Parses the path of a URL.
pub(in super::super) fn parse_path(text: &str) -> Result<String, String> {
    if text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("a path begins with / and has no spaces, for example /healthz".to_owned())
    }
}

/// Parses the name of a host, with a port or without.
pub(in super::super) fn parse_host(text: &str) -> Result<HeaderValue, String> {
    let fits = text.parse::<Authority>().is_ok_and(|host| !host.host().is_empty()) && !text.contains('@');
    let value = if fits { HeaderValue::from_str(text).ok() } else { None };
    value.ok_or_else(|| "write the name of a host, as shop.example or shop.example:8080".to_owned())
}

/// Parses the name of a version.
pub(in super::super) fn parse_label(text: &str) -> Result<String, String> {
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Ok(text.to_owned())
    } else {
        Err("a version has 1 to 64 letters, digits and marks, without blanks".to_owned())
    }
}

/// Parses `KEY=VALUE`.
pub(in super::super) fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some(("PORT", _)) => Err("PORT is set for each instance; a further name may hold {port}".to_owned()),
        Some((key, value)) if !key.is_empty() && !text.contains('\0') => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

/// The longest name, because it becomes part of the path of a socket, whose length is limited.
const LONGEST_NAME: usize = 40;

/// The default name of instances: the file name of the program without its extension.
pub(in super::super) fn name_of(program: &str) -> String {
    let stem = std::path::Path::new(program).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let allowed = |letter: &char| letter.is_ascii_alphanumeric() || "-_.".contains(*letter);
    let name: String = stem.chars().filter(allowed).take(LONGEST_NAME).collect();
    if name.is_empty() { "app".to_owned() } else { name }
}

/// Parses the name of a fleet.
pub(in super::super) fn parse_name(text: &str) -> Result<String, String> {
    let fine = !text.is_empty() && text.len() <= LONGEST_NAME && name_of(text) == text;
    if fine { Ok(text.to_owned()) } else { Err("a name has 1 to 40 letters, digits, - and _".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_accept_nothing_for_some_time_but_not_for_none() {
        assert_eq!(parse_patience("10s"), Ok(Duration::from_secs(10)));
        for text in ["0s", "0ms", "25h", "soon"] {
            assert!(parse_patience(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_are_names_that_a_request_may_carry() {
        for text in ["shop.example", "shop.example:8080", "127.0.0.1", "[::1]:80"] {
            assert_eq!(parse_host(text).expect(text), text);
        }
        for text in ["", ":80", "http://shop.example", "shop example", "a@b", "shop/"] {
            assert!(parse_host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_may_have_units() {
        for (text, bytes) in [("0", 0), ("1000", 1000), ("1KiB", 1024), ("10m", 10 << 20), ("2GiB", 2 << 30)] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "-1", "1.5MiB", "1TiB", "99999999999GiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn instances_are_called_after_the_program() {
        assert_eq!(name_of("node"), "node");
        assert_eq!(name_of("./bin/my app.sh"), "myapp");
        assert_eq!(name_of("/"), "app");
    }
}
