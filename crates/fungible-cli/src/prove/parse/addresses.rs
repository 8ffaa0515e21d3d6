//! Addresses within texts: those that send clients to a port of their own.

use super::vocabulary::{Meaning, Scope, means};

/// Whether the text sends clients to this port of a host: `http://127.0.0.1:4001/`, and `localhost:4001` under a name
/// of addresses. A bare host with its port elsewhere is a name that an instance gives itself.
pub(crate) fn sends_to_port(name: &str, text: &str, port: &str) -> bool {
    port.len() >= 2
        && text.match_indices(port).any(|(at, _)| {
            let Some(host) = text[..at].strip_suffix(':') else { return false };
            let from = host.rfind(|letter: char| {
                !letter.is_ascii_alphanumeric() && !matches!(letter, '.' | '-' | '[' | ']' | ':')
            });
            let start = from.map_or(0, |at| at + host[at..].chars().next().map_or(1, char::len_utf8));
            let (before, host) = host.split_at(start);
            let is_host = host.contains('.') || host == "localhost" || host.ends_with(']');
            let is_address = before.ends_with("//") || is_host && means(Meaning::Address, Scope::Anywhere, name);
            // What an instance listens on is no place to go to.
            let listens = ["0.0.0.0", "[::]", "::"].contains(&host);
            let ends = !text[at + port.len()..].starts_with(|letter: char| letter.is_ascii_digit());
            !host.is_empty() && is_address && !listens && ends
        })
}

/// The text near the port, for printing.
pub(crate) fn around(text: &str, port: &str) -> String {
    let at = text.find(port).unwrap_or_default();
    let from = text[..at].char_indices().rev().nth(60).map_or(0, |(at, _)| at);
    let to = text[at..].char_indices().nth(60).map_or(text.len(), |(more, _)| at + more);
    text[from..to].to_owned()
}
