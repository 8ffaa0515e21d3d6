//! What parses the bytes of instances, given any bytes.

use bytes::Bytes;
use http::HeaderMap;

use super::chunked_body::{ChunkedBody, Decoded};
use super::response_head::{BodyEnd, ResponseHead};

/// A response of HTTP/1.1. The first byte says in which pieces the body comes: what it is must not depend on that.
///
/// # Panics
/// When an answer cannot be right.
pub fn http1_response(data: &[u8]) {
    let Some((piece, data)) = data.split_first() else { return };
    let data = Bytes::copy_from_slice(data);
    let Ok(Some(head)) = ResponseHead::parse(&data, false) else { return };
    let (before, body) = (data.slice(..head.bytes - 1), data.slice(head.bytes..));
    assert!(!matches!(ResponseHead::parse(&before, false), Ok(Some(_))), "it was complete before its last byte");
    assert!(head.end != BodyEnd::Close || !head.keep_alive, "an end that only the end of the connection shows");
    let whole = decoded(&body, body.len().max(1));
    assert_eq!(decoded(&body, usize::from(*piece) + 1), whole, "in pieces of {piece} bytes");
}

/// The trailers of a body that ended, and how many bytes are left behind it.
type Ending = (Option<HeaderMap>, usize);

/// The data of a body in chunks, and its end, if that has come; `None` if it is malformed.
fn decoded(body: &Bytes, piece: usize) -> Option<(Vec<u8>, Option<Ending>)> {
    let (mut decoder, mut data, mut at) = (ChunkedBody::new(), Vec::new(), 0);
    while at < body.len() {
        let mut input = body.slice(at..body.len().min(at + piece));
        at += input.len();
        while !input.is_empty() {
            match decoder.decode(&mut input).ok()? {
                Decoded::Data(more) => data.extend_from_slice(&more),
                Decoded::End(trailers) => return Some((data, Some((trailers, input.len() + body.len() - at)))),
                Decoded::Nothing => assert!(input.is_empty(), "it leaves bytes and asks for more"),
            }
        }
    }
    Some((data, None))
}
