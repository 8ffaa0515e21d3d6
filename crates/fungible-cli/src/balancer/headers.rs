//! Header fields on their way through: those for one hop are removed, those that say where a request came from are
//! set. It knows nothing of instances.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What `Connection` may name without being removed for it: these are not for one hop, whatever a client says, and
/// without them the next one would read another request.
const NEVER_FOR_ONE_HOP: [HeaderName; 6] =
    [HOST, CONTENT_LENGTH, FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST, REQUEST_ID];

/// Removes what is meant for one hop only, and returns the protocol to which the sender offers to change.
pub(super) fn remove_one_hop(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let mut upgrade = None;
    if headers.contains_key(CONNECTION) {
        let named = named_by_connection(headers);
        headers.remove(CONNECTION);
        if named.contains(&UPGRADE) {
            upgrade = headers.remove(UPGRADE);
        }
        for name in named {
            if !NEVER_FOR_ONE_HOP.contains(&name) {
                headers.remove(name);
            }
        }
    }
    headers.remove(UPGRADE);
    headers.remove(KEEP_ALIVE);
    headers.remove(PROXY_CONNECTION);
    headers.remove(HTTP2_SETTINGS);
    headers.remove(TRANSFER_ENCODING);
    // HTTP/2 without TLS would hide every further request from us.
    let is_h2 = |protocol: &[u8]| protocol.trim_ascii().to_ascii_lowercase().starts_with(b"h2");
    upgrade.filter(|protocols| !protocols.as_bytes().split(|byte| *byte == b',').any(is_h2))
}

/// The fields that `Connection` names, without its own words.
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

/// Where a request came from, as the instance shall see it.
#[derive(Debug)]
pub(super) struct CameFrom<'a> {
    pub(super) client: &'a HeaderValue,
    /// Stands in for the Host that an HTTP/1.0 client left out.
    pub(super) our_host: &'a HeaderValue,
    pub(super) trust_forwarded: bool,
}

/// Makes a client's header into the one that an instance gets. Returns the protocol to which the client offers to
/// change, if that may be passed on.
pub(super) fn to_instance(
    headers: &mut HeaderMap,
    version: Version,
    has_body: bool,
    from: &CameFrom<'_>,
    new_id: impl FnOnce() -> HeaderValue,
) -> Option<HeaderValue> {
    remove_look_alikes(headers);
    let takes_trailers = headers
        .get_all(TE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"));
    let upgrade = remove_one_hop(headers).filter(|_| version == Version::HTTP_11 && !has_body);
    // hyper's server answers it.
    headers.remove(EXPECT);
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    } else {
        headers.remove(TE);
    }
    if let Some(protocol) = &upgrade {
        headers.insert(UPGRADE, protocol.clone());
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    if !headers.contains_key(HOST) {
        headers.insert(HOST, from.our_host.clone());
    }
    set_forwarded(headers, from);
    if !headers.get(REQUEST_ID).is_some_and(is_request_id) || headers.get_all(REQUEST_ID).iter().count() > 1 {
        headers.insert(REQUEST_ID, new_id());
    }
    upgrade
}

fn set_forwarded(headers: &mut HeaderMap, from: &CameFrom<'_>) {
    if from.trust_forwarded {
        headers.append(FORWARDED_FOR, from.client.clone());
        headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
        if !headers.contains_key(FORWARDED_HOST)
            && let Some(host) = headers.get(HOST).cloned()
        {
            headers.insert(FORWARDED_HOST, host);
        }
    } else {
        headers.remove(FORWARDED);
        let claims = |name: &str| name.starts_with("x-forwarded-") || name == "x-real-ip";
        // With underscores too: CGI-like servers read them as the same.
        let claimed = |name: &&HeaderName| claims(&name.as_str().replace('_', "-"));
        let others: Vec<HeaderName> = headers.keys().filter(claimed).cloned().collect();
        for name in others {
            headers.remove(name);
        }
        headers.insert(FORWARDED_FOR, from.client.clone());
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
        if let Some(host) = headers.get(HOST).cloned() {
            headers.insert(FORWARDED_HOST, host);
        }
    }
}

/// Fields with an underscore that CGI-like servers (WSGI, PHP) confuse with one on which they must be able to rely.
fn remove_look_alikes(headers: &mut HeaderMap) {
    if !headers.keys().any(|name| name.as_str().contains('_')) {
        return;
    }
    let suspects: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().contains('_')).cloned().collect();
    for name in suspects {
        let meant = name.as_str().replace('_', "-");
        let matters = NEVER_FOR_ONE_HOP.iter().any(|one| one.as_str() == meant)
            || [FORWARDED, TRANSFER_ENCODING, CONNECTION, UPGRADE].iter().any(|one| one.as_str() == meant);
        if matters {
            headers.remove(name);
        }
    }
}

fn is_request_id(value: &HeaderValue) -> bool {
    (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
}

/// Makes an instance's header into the one that the client gets. Returns false when nobody can tell for sure where
/// such an answer ends.
pub(super) fn to_client(headers: &mut HeaderMap, status: StatusCode, method: &Method, length: Option<u64>) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = match (codings.next(), codings.next()) {
        (None, _) => false,
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => true,
        _ => return false,
    };
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    let switches = status == StatusCode::SWITCHING_PROTOCOLS;
    let upgrade = remove_one_hop(headers).filter(|_| switches);
    if let Some(protocol) = upgrade {
        headers.insert(UPGRADE, protocol);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    let bodiless = switches || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    if chunked || bodiless {
        headers.remove(CONTENT_LENGTH);
    } else if lengths > 1 {
        // Equal ones, or hyper had refused them. A HEAD's says what a GET would bring, which one is enough for.
        let kept = match length {
            Some(length) if method != Method::HEAD => Some(HeaderValue::from(length)),
            _ => headers.get(CONTENT_LENGTH).cloned(),
        };
        if let Some(length) = kept {
            headers.insert(CONTENT_LENGTH, length);
        }
    }
    headers.remove(super::own_answer::ERROR_HEADER);
    true
}

/// A client's address as a header value.
pub(super) fn address_value(address: IpAddr) -> HeaderValue {
    text_value(address.to_canonical().to_string())
}

/// An address with its port as a Host.
pub(super) fn host_value(address: SocketAddr) -> HeaderValue {
    text_value(address.to_string())
}

/// `text` holds visible characters only.
pub(super) fn text_value(text: impl Into<String>) -> HeaderValue {
    let text = Bytes::from(text.into());
    HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| HeaderValue::from_static("invalid"))
}
