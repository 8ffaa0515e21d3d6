//! What names of keys, fields and attributes say about the values under them, and addresses within texts.

/// Names under which things are numbered.
pub(super) fn is_id(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let (lower, name) = (lower.strip_suffix('s').unwrap_or(&lower), name.strip_suffix('s').unwrap_or(name));
    is_bare(lower) || lower.ends_with("_id") || lower.ends_with("-id") || name.ends_with("Id") || name.ends_with("ID")
}

pub(super) fn is_bare(lower: &str) -> bool {
    ["id", "_id", "pk", "uid", "number", "num", "no", "nr", "seq", "sequence"].contains(&lower)
}

/// Headers, keys and attributes that hold addresses or name elements.
pub(super) fn is_address(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    [
        "location",
        "content-location",
        "link",
        "refresh",
        "href",
        "src",
        "action",
        "formaction",
        "value",
        "for",
        "name",
        "url",
        "uri",
        "path",
        "self",
        "next",
        "prev",
    ]
    .contains(&lower.as_str())
        || lower.starts_with("data-")
        || lower.starts_with("hx-")
        || lower.ends_with("url")
        || lower.ends_with("_link")
}

/// Whether the text sends clients to this port of a host: `http://127.0.0.1:4001/`, and `localhost:4001` under a name
/// of addresses. A bare host with its port elsewhere is a name that an instance gives itself.
pub(super) fn sends_to_port(name: &str, text: &str, port: &str) -> bool {
    port.len() >= 2
        && text.match_indices(port).any(|(at, _)| {
            let Some(host) = text[..at].strip_suffix(':') else { return false };
            let from = host.rfind(|letter: char| {
                !letter.is_ascii_alphanumeric() && !matches!(letter, '.' | '-' | '[' | ']' | ':')
            });
            let start = from.map_or(0, |at| at + host[at..].chars().next().map_or(1, char::len_utf8));
            let (before, host) = host.split_at(start);
            let is_host = host.contains('.') || host == "localhost" || host.ends_with(']');
            let is_address = before.ends_with("//") || is_host && is_address(name);
            // What an instance listens on is no place to go to.
            let listens = ["0.0.0.0", "[::]", "::"].contains(&host);
            let ends = !text[at + port.len()..].starts_with(|letter: char| letter.is_ascii_digit());
            !host.is_empty() && is_address && !listens && ends
        })
}

/// The text near the port, for printing.
pub(super) fn around(text: &str, port: &str) -> String {
    let at = text.find(port).unwrap_or_default();
    let from = text[..at].char_indices().rev().nth(60).map_or(0, |(at, _)| at);
    let to = text[at..].char_indices().nth(60).map_or(text.len(), |(more, _)| at + more);
    text[from..to].to_owned()
}
