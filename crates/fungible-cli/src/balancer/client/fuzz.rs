//! What parses the bytes of clients, given any bytes. The first byte says in which pieces the others come: what is parsed must
//! not depend on that.

use super::frames::FrameBoundaries;
use super::framing::{Follows, Framing};
use super::proxy_protocol::ProxyHeader;

/// The header of the PROXY protocol. Whoever reads as many bytes as it asks for comes to an end, and reads nothing behind it.
///
/// # Panics
/// When an answer cannot be right.
pub fn proxy_header(data: &[u8]) {
    let mut have = 0;
    while let ProxyHeader::Incomplete(more) = ProxyHeader::parse(&data[..have]) {
        assert!(more > 0, "it asks for nothing");
        have += more;
        assert!(have <= 4096, "it asks for too much");
        if have > data.len() {
            return;
        }
    }
    if matches!(ProxyHeader::parse(&data[..have]), ProxyHeader::Complete(_)) && have < data.len() {
        assert_eq!(ProxyHeader::parse(&data[..=have]), ProxyHeader::Malformed, "a byte behind it belongs to it");
    }
}

/// Where heads and bodies of HTTP/1.1 end.
///
/// # Panics
/// When an answer cannot be right.
pub fn http1_framing(data: &[u8]) {
    let Some((piece, data)) = data.split_first() else { return };
    let piece = usize::from(*piece) + 1;
    assert_eq!(heads(data, piece), heads(data, usize::MAX), "in pieces of {piece} bytes");
}

/// Where heads end, until something is wrong (true) or the bytes are used up.
fn heads(data: &[u8], piece: usize) -> (Vec<usize>, bool) {
    let (mut framing, mut ends, mut at) = (Framing::new(), Vec::new(), 0);
    while at < data.len() {
        let end = at.saturating_add(piece).min(data.len());
        let Ok(passed) = framing.read(&data[at..end]) else { return (ends, true) };
        at += passed;
        if framing.head_has_ended() {
            ends.push(at);
            framing.follows(match ends.len() % 4 {
                0 => Follows::Length(5),
                1 => Follows::Chunks,
                2 => Follows::Length(0),
                _ if ends.len() > 8 => Follows::AnotherProtocol,
                _ => Follows::Chunks,
            });
        } else {
            assert_eq!(at, end, "nothing else holds bytes back");
        }
    }
    (ends, false)
}

/// Where frames of HTTP/2 end.
///
/// # Panics
/// When an answer cannot be right.
pub fn http2_frames(data: &[u8]) {
    let Some((piece, data)) = data.split_first() else { return };
    let read = |size: usize| {
        let mut frames = FrameBoundaries::new();
        let mut ended = false;
        for piece in data.chunks(size) {
            ended |= frames.read(piece);
        }
        (ended, frames.begins_wrong(), frames.is_within(), frames.has_answered_ping)
    };
    assert_eq!(read(usize::from(*piece) + 1), read(usize::MAX));
}
