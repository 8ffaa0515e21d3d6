//! Rewrites header fields: hop-by-hop fields are removed, and fields about the origin of a request are set. It knows
//! nothing of instances.

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

use crate::balancer::upstream::fields::{
    ERROR_HEADER, FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, Field, NEVER_FOR_ONE_HOP, REQUEST_ID, SERVED_BY,
    SERVED_VERSION, must_be_relied_on, remove_where, says_where_from, text_value,
};

/// Whether a field is for one hop only, whether `Connection` names it or not.
fn is_for_one_hop(name: &str) -> bool {
    matches!(
        name,
        "connection" | "upgrade" | "keep-alive" | "proxy-connection" | "http2-settings" | "transfer-encoding" | "te"
    )
}

/// Removes hop-by-hop fields, and returns the protocol that the sender offers to switch to.
fn remove_one_hop(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let mut upgrade = None;
    if headers.contains_key(CONNECTION) {
        let named = named_by_connection(headers);
        if named.contains(&UPGRADE) {
            upgrade = headers.remove(UPGRADE);
        }
        for name in named {
            if !NEVER_FOR_ONE_HOP.contains(&name) {
                headers.remove(name);
            }
        }
    }
    remove_where(headers, is_for_one_hop);
    // HTTP/2 without TLS would hide all further requests from us.
    let is_h2 = |protocol: &[u8]| protocol.trim_ascii().to_ascii_lowercase().starts_with(b"h2");
    upgrade.filter(|protocols| !protocols.as_bytes().split(|byte| *byte == b',').any(is_h2))
}

/// The fields that `Connection` names, without its own keywords.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|word| !word.eq_ignore_ascii_case(b"keep-alive") && !word.eq_ignore_ascii_case(b"close"))
        .filter_map(|word| HeaderName::from_bytes(word).ok())
        .collect()
}

/// The origin of a request, as instances see it.
#[derive(Debug)]
pub(super) struct CameFrom<'a> {
    pub(super) client: &'a HeaderValue,
    /// The host in the target, if the target is an absolute URL.
    pub(super) target: Option<&'a Authority>,
    /// The Host for an HTTP/1.0 client that sends none, neither in the header nor in the target.
    pub(super) our_host: &'a HeaderValue,
    /// The client uses TLS.
    pub(super) secure: bool,
    pub(super) trust_forwarded: bool,
}

/// Turns the header of a client into that for an instance. Returns the fields that are sent in addition, and the protocol
/// that the client offers to switch to, if that may be passed on.
pub(super) fn to_instance(
    headers: &mut HeaderMap,
    version: Version,
    has_body: bool,
    from: &CameFrom<'_>,
    new_id: impl FnOnce() -> HeaderValue,
) -> (Vec<Field>, Option<HeaderValue>) {
    remove_look_alikes(headers);
    let takes_trailers = headers
        .get_all(TE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"));
    let upgrade = remove_one_hop(headers).filter(|_| version == Version::HTTP_11 && !has_body);
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    if let Some(protocol) = &upgrade {
        headers.insert(UPGRADE, protocol.clone());
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    if !headers.contains_key(HOST) {
        let host = from.target.map_or_else(|| from.our_host.clone(), |target| text_value(target.as_str().to_owned()));
        headers.insert(HOST, host);
    }
    let mut added = forwarded(headers, from);
    let mut ids = headers.get_all(REQUEST_ID).iter();
    if !ids.next().is_some_and(is_request_id) || ids.next().is_some() {
        headers.remove(REQUEST_ID);
        added.push((REQUEST_ID, new_id()));
    }
    (added, upgrade)
}

/// Whether the client sends the body only after `100 Continue`, and the instance is to decide about that. If not, hyper's
/// server asks for the body as soon as it is read.
pub(super) fn expects_continue(headers: &mut HeaderMap, may_wait: bool) -> bool {
    let mut values = headers.get_all(EXPECT).iter();
    let expects = match (values.next(), values.next()) {
        (Some(value), None) => value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"100-continue"),
        (None, _) => return false,
        _ => false,
    };
    headers.remove(EXPECT);
    if expects && may_wait {
        headers.insert(EXPECT, HeaderValue::from_static("100-continue"));
    }
    expects && may_wait
}

/// The fields about the origin of a request. Those of the client stay only if it is trusted.
fn forwarded(headers: &mut HeaderMap, from: &CameFrom<'_>) -> Vec<Field> {
    if !from.trust_forwarded {
        // Underscores too: CGI-like servers do not distinguish them from hyphens.
        remove_where(headers, |name| {
            name == "forwarded" || name.starts_with('x') && says_where_from(&name.replace('_', "-"))
        });
    }
    let mut added = Vec::with_capacity(4);
    let is_there = |name: HeaderName| from.trust_forwarded && headers.contains_key(name);
    added.push((FORWARDED_FOR, from.client.clone()));
    if !is_there(FORWARDED_PROTO) {
        added.push((FORWARDED_PROTO, HeaderValue::from_static(if from.secure { "https" } else { "http" })));
    }
    if let Some(host) = headers.get(HOST).filter(|_| !is_there(FORWARDED_HOST)) {
        added.push((FORWARDED_HOST, host.clone()));
    }
    added
}

/// Removes fields with an underscore that CGI-like servers (WSGI, PHP) cannot distinguish from a field they must be
/// able to trust.
fn remove_look_alikes(headers: &mut HeaderMap) {
    if !headers.keys().any(|name| name.as_str().contains('_')) {
        return;
    }
    remove_where(headers, |name| name.contains('_') && must_be_relied_on(&name.replace('_', "-")));
}

fn is_request_id(value: &HeaderValue) -> bool {
    (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
}

/// Turns the header of an instance into that for the client. `length`: of the body, if it is known. Returns false if the
/// end of the response cannot be determined safely.
pub(super) fn to_client(headers: &mut HeaderMap, status: StatusCode, method: &Method, length: Option<u64>) -> bool {
    let chunked = headers.contains_key(TRANSFER_ENCODING);
    let switches = status == StatusCode::SWITCHING_PROTOCOLS;
    let upgrade = remove_one_hop(headers).filter(|_| switches);
    if let Some(protocol) = upgrade {
        headers.insert(UPGRADE, protocol);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    let bodiless = switches || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    if bodiless || chunked || length.is_none() {
        headers.remove(CONTENT_LENGTH);
    } else if let Some(stated) = headers.get(CONTENT_LENGTH) {
        // That of a HEAD is the length of the body of a GET.
        let length = if method == Method::HEAD { plain_number(stated) } else { length };
        let Some(length) = length else { return false };
        set_length(headers, length);
    }
    headers.remove(ERROR_HEADER);
    true
}

/// Writes the length of a body once, as a plain number, because some parsers read `010` as eight.
pub(super) fn set_length(headers: &mut HeaderMap, length: u64) {
    let mut stated = headers.get_all(CONTENT_LENGTH).iter();
    let is_plain = |value: &HeaderValue| !value.as_bytes().starts_with(b"0") && plain_number(value) == Some(length);
    if !stated.next().is_some_and(is_plain) || stated.next().is_some() {
        headers.insert(CONTENT_LENGTH, length.into());
    }
}

/// Names the instance of a response, and its version if it has one, in place of what the instance says itself.
pub(super) fn name_instance(headers: &mut HeaderMap, name: &str, version: &str) {
    headers.insert(SERVED_BY, text_value(name.to_owned()));
    headers.remove(SERVED_VERSION);
    if !version.is_empty() {
        headers.insert(SERVED_VERSION, text_value(version.to_owned()));
    }
}

/// A value of digits only.
fn plain_number(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}
