//! What reads and rewrites the heads of requests and responses, given any fields, and what the other side must never get.

use http::header::{CONNECTION, COOKIE, HOST, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version};

use super::cookies::Hints;
use super::farewell::FrameEnds;
use super::headers::{self, CameFrom};
use super::http2::for_http1;
use super::{redirect, trace_context, validate};
use crate::balancer::config::NewTraces;
use crate::balancer::pool::Routing;
use crate::balancer::upstream::fields::{
    ERROR_HEADER, FORWARDED_FOR, FORWARDED_PROTO, KEEP_ALIVE, PROXY_CONNECTION, REQUEST_ID,
};

/// The fields of a head: each line that is one, `name: value`.
fn fields<'a>(lines: impl Iterator<Item = &'a [u8]>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in lines {
        let Some(at) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (line[..at].trim_ascii(), line[at + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            fields.append(name, value);
        }
    }
    fields
}

/// A head as hyper gives it; `None` where hyper would refuse it.
fn request(data: &[u8]) -> Option<Parts> {
    let mut lines = data.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut words = lines.next()?.splitn(3, |byte| *byte == b' ');
    let method = Method::from_bytes(words.next()?).ok()?;
    let target = Uri::try_from(words.next()?).ok()?;
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = target;
    if words.next() == Some(b"HTTP/1.0") {
        *request.version_mut() = Version::HTTP_10;
    }
    *request.headers_mut() = fields(lines);
    Some(request.into_parts().0)
}

/// The head of a request: the host and the target are checked, forwarded fields, cookies and traces are read and rewritten.
///
/// # Panics
/// When an answer cannot be right.
pub fn request_head(data: &[u8]) {
    let Some(head) = request(data) else { return };
    // A name in a sticky cookie must be signed, and the key is not in these bytes.
    assert_eq!(Hints::of(&head.headers, Routing::Sticky, &[7; 32]).named, None);
    let _ = Hints::of(&head.headers, Routing::NeverTwice, &[7; 32]);
    let mut as_http1 = Request::from_parts(head.clone(), ());
    if for_http1(&mut as_http1).is_ok() {
        assert!(as_http1.headers().get_all(COOKIE).iter().count() <= 1, "several cookie fields");
    }
    if let Ok(location) = redirect::location(&head, 443) {
        assert!(location.as_bytes().starts_with(b"https://"), "{location:?}");
    }
    if validate::check(&head).is_err() {
        return;
    }
    let (ours, theirs) = (HeaderValue::from_static("ours"), HeaderValue::from_static("192.0.2.1"));
    for trust_forwarded in [false, true] {
        let mut headers = head.headers.clone();
        let target = head.uri.authority();
        let from = CameFrom { client: &theirs, target, our_host: &ours, secure: true, trust_forwarded };
        let has_body = headers.contains_key(TRANSFER_ENCODING);
        let (added, upgrade) =
            headers::to_instance(&mut headers, head.version, has_body, &from, || HeaderValue::from_static("new"));
        trace_context::carry(&mut headers, NewTraces::None);
        for (name, value) in added {
            headers.append(name, value);
        }
        for name in [KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING] {
            assert!(!headers.contains_key(&name), "{name} is for one hop");
        }
        assert_eq!(upgrade.is_some(), headers.contains_key(UPGRADE));
        let connection = headers.get(CONNECTION).map(HeaderValue::as_bytes);
        assert!(matches!(connection, None | Some(b"te" | b"upgrade")), "{connection:?}");
        for name in [HOST, REQUEST_ID, CONNECTION, UPGRADE] {
            assert!(headers.get_all(&name).iter().count() <= 1, "several {name}");
        }
        assert!(headers.contains_key(HOST) && headers.contains_key(REQUEST_ID));
        if trust_forwarded {
            assert_eq!(headers.get_all(FORWARDED_FOR).iter().next_back(), Some(&theirs));
        } else {
            assert!(headers.get_all(FORWARDED_FOR).iter().eq([&theirs]));
            assert!(headers.get_all(FORWARDED_PROTO).iter().eq(["https"]));
        }
        assert_eq!(trace_context::trace_id(&headers).is_some(), headers.contains_key("traceparent"));
    }
}

/// The head of a response. The first two bytes are its status.
///
/// # Panics
/// When an answer cannot be right.
pub fn response_head(data: &[u8]) {
    let Some((status, data)) = data.split_first_chunk::<2>() else { return };
    let Ok(status) = StatusCode::from_u16(u16::from_be_bytes(*status)) else { return };
    let lines = || data.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    for (method, length) in [(Method::GET, None), (Method::GET, Some(7)), (Method::HEAD, Some(0))] {
        let mut headers = fields(lines());
        if !headers::to_client(&mut headers, status, &method, length) {
            continue;
        }
        for name in [KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, ERROR_HEADER] {
            assert!(!headers.contains_key(&name), "{name}");
        }
        let switches = status == StatusCode::SWITCHING_PROTOCOLS;
        assert!(switches || !headers.contains_key(CONNECTION) && !headers.contains_key(UPGRADE));
    }
}

/// Where the frames of a WebSocket end, after which a close frame may follow. The first byte says in which pieces the others
/// come.
///
/// # Panics
/// When an answer cannot be right.
pub fn websocket_frames(data: &[u8]) {
    let Some((piece, data)) = data.split_first() else { return };
    let read = |size: usize| {
        let mut frames = FrameEnds::default();
        data.chunks(size).for_each(|piece| frames.pass(piece));
        frames.at_end()
    };
    assert_eq!(read(usize::from(*piece) + 1), read(usize::MAX));
}
