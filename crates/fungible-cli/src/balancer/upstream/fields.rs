//! Header fields that more than one module of the balancer must agree on: fields that trailers must not contain, and
//! values made of text. Pure.

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

/// Marks an error response of the balancer; removed from responses of instances.
pub(crate) const ERROR_HEADER: HeaderName = HeaderName::from_static("x-fungible-error");

/// Name the instance of a response, and its version, where that is asked for.
pub(crate) const SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");
pub(crate) const SERVED_VERSION: HeaderName = HeaderName::from_static("x-served-version");

/// Fields that are not removed although `Connection` names them: they are not hop-by-hop, and without them the next
/// program would read a different request.
pub(crate) const NEVER_FOR_ONE_HOP: [HeaderName; 6] =
    [HOST, CONTENT_LENGTH, FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST, REQUEST_ID];

/// A header field.
pub(crate) type Field = (HeaderName, HeaderValue);

/// Whether a field tells the origin of a request.
pub(crate) fn says_where_from(name: &str) -> bool {
    name.starts_with("x-forwarded-") || name == "x-real-ip"
}

/// Removes the fields for whose name `unwanted` returns true. To look once at all names costs less than to search for each.
pub(crate) fn remove_where(headers: &mut HeaderMap, unwanted: impl Fn(&str) -> bool) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| unwanted(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Whether an instance must be able to trust a field of this name.
pub(crate) fn must_be_relied_on(name: &str) -> bool {
    NEVER_FOR_ONE_HOP.iter().any(|one| one.as_str() == name)
        || [FORWARDED, TRANSFER_ENCODING, CONNECTION, UPGRADE].iter().any(|one| one.as_str() == name)
}

/// Removes fields from the trailers of a message that only its head may contain: framing, routing, and the origin of
/// the request (RFC 9110, section 6.5.1). A server may merge trailers into the head, and the client could then override
/// these fields. Fields about the content, such as `Content-Type`, are dropped where trailers are written.
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

/// The address of a client as a header value.
pub(crate) fn address_value(address: IpAddr) -> HeaderValue {
    text_value(address.to_canonical().to_string())
}

/// An address with port, as the value of Host.
pub(crate) fn host_value(address: SocketAddr) -> HeaderValue {
    text_value(address.to_string())
}

/// `text` must contain visible characters only.
pub(crate) fn text_value(text: impl Into<String>) -> HeaderValue {
    let text = Bytes::from(text.into());
    HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| HeaderValue::from_static("invalid"))
}
