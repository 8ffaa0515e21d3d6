//! Header fields that more than one room must agree on: those that only a head may carry, and values made of text. Pure.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, PROXY_AUTHORIZATION, RANGE, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
pub(crate) const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Marks an answer as ours; an instance's is stripped of it.
pub(crate) const ERROR_HEADER: HeaderName = HeaderName::from_static("x-fungible-error");

/// What `Connection` may name without being removed for it: these are not for one hop, whatever a client says, and
/// without them the next one would read another request.
pub(crate) const NEVER_FOR_ONE_HOP: [HeaderName; 6] =
    [HOST, CONTENT_LENGTH, FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST, REQUEST_ID];

/// Whether a field says where a request came from.
pub(crate) fn says_where_from(name: &str) -> bool {
    name.starts_with("x-forwarded-") || name == "x-real-ip"
}

pub(crate) fn remove_where(headers: &mut HeaderMap, unwanted: impl Fn(&str) -> bool) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| unwanted(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Whether an instance must be able to rely on a field of this name.
pub(crate) fn must_be_relied_on(name: &str) -> bool {
    NEVER_FOR_ONE_HOP.iter().any(|one| one.as_str() == name)
        || [FORWARDED, TRANSFER_ENCODING, CONNECTION, UPGRADE].iter().any(|one| one.as_str() == name)
}

/// Removes from the trailers of a message what only its head may say: framing, routing, who asks and where from (RFC
/// 9110, section 6.5.1). A server may merge trailers into the head, and then the client would have the last word. What
/// concerns the content (`Content-Type` and the like) hyper leaves out when it writes trailers.
pub(crate) fn clean_trailers(trailers: &mut HeaderMap) {
    const FOR_THE_HEAD: [HeaderName; 10] = [
        AUTHORIZATION,
        COOKIE,
        EXPECT,
        KEEP_ALIVE,
        PROXY_AUTHORIZATION,
        PROXY_CONNECTION,
        RANGE,
        TE,
        TRAILER,
        ERROR_HEADER,
    ];
    remove_where(trailers, |name| {
        let name = name.replace('_', "-");
        must_be_relied_on(&name)
            || says_where_from(&name)
            || name.starts_with("if-")
            || FOR_THE_HEAD.iter().any(|one| one.as_str() == name)
    });
}

/// A client's address as a header value.
pub(crate) fn address_value(address: IpAddr) -> HeaderValue {
    text_value(address.to_canonical().to_string())
}

/// An address with its port as a Host.
pub(crate) fn host_value(address: SocketAddr) -> HeaderValue {
    text_value(address.to_string())
}

/// `text` holds visible characters only.
pub(crate) fn text_value(text: impl Into<String>) -> HeaderValue {
    let text = Bytes::from(text.into());
    HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| HeaderValue::from_static("invalid"))
}
