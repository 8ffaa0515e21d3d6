//! Finds the end of each message that a client sends, strictly by RFC 9112. hyper accepts a bare LF in trailers as part
//! of them and could take a following request for trailers; here such bytes are an error, before hyper sees them. After
//! the end of a head nothing is passed on until the caller says what follows it, which determines where the body ends.
//! It knows no sockets.

use std::io;

use memchr::memchr;

use crate::balancer::chunks::{Chunks, shorter};

/// What follows the head of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follows {
    /// A body of this many bytes; then the next head.
    Length(u64),
    /// A body in chunks; then the next head.
    Chunks,
    /// Another protocol, to the end of the connection.
    AnotherProtocol,
}

/// The state of the parser of one connection.
#[derive(Debug)]
pub(crate) enum Framing {
    /// In a head, or before one. Blank lines before a head do not end it.
    Head {
        /// Whether the head has begun.
        begun: bool,
        /// The current line, as far as it matters.
        line: LineState,
    },
    /// A head has ended, and the caller has not yet said what follows.
    HeadEnded,
    /// The number of bytes of the body that are still to come.
    Length(u64),
    Chunks(Chunks),
    AnotherProtocol,
}

/// What the current line of a head contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineState {
    Empty,
    OnlyCr,
    Text,
}

impl Framing {
    /// The state before the first request.
    pub(crate) fn new() -> Framing {
        Framing::Head { begun: false, line: LineState::Empty }
    }

    /// Whether a head has ended, and it is not known yet what follows.
    pub(crate) fn head_has_ended(&self) -> bool {
        matches!(self, Framing::HeadEnded)
    }

    /// Whether the last request is complete, and no further one has begun.
    pub(crate) fn is_between_requests(&self) -> bool {
        matches!(self, Framing::Head { begun: false, line: LineState::Empty })
    }

    /// Says what follows the head that has ended.
    pub(crate) fn follows(&mut self, follows: Follows) {
        *self = match follows {
            Follows::Length(0) => Framing::new(),
            Follows::Length(length) => Framing::Length(length),
            Follows::Chunks => Framing::Chunks(Chunks::Begin),
            Follows::AnotherProtocol => Framing::AnotherProtocol,
        };
    }

    /// Parses more bytes. Returns how many of `data` may be passed on: all, or those up to the end of a head.
    ///
    /// # Errors
    /// When a chunked body is malformed.
    pub(crate) fn read(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut at = 0;
        while at < data.len() {
            at += match self {
                Framing::Head { begun, line } => match head(&data[at..], begun, line) {
                    Some(end) => {
                        *self = Framing::HeadEnded;
                        return Ok(at + end);
                    }
                    None => data.len() - at,
                },
                Framing::HeadEnded => return Ok(at),
                Framing::Length(left) => {
                    let passed = shorter(*left, data.len() - at);
                    *left -= passed as u64;
                    if *left == 0 {
                        *self = Framing::new();
                    }
                    passed
                }
                Framing::Chunks(chunks) => {
                    let (passed, over) = chunks.read(&data[at..])?;
                    if over {
                        *self = Framing::new();
                    }
                    passed
                }
                Framing::AnotherProtocol => data.len() - at,
            };
        }
        Ok(at)
    }
}

/// The end of the head in `data`: after the first blank line that follows another line. Lines may end in a bare LF,
/// because hyper accepts that in a head and writes the head anew.
fn head(data: &[u8], begun: &mut bool, line: &mut LineState) -> Option<usize> {
    let mut at = 0;
    while let Some(length) = memchr(b'\n', &data[at..]) {
        add(line, &data[at..at + length]);
        at += length + 1;
        if *line == LineState::Text {
            *begun = true;
        } else if *begun {
            return Some(at);
        }
        *line = LineState::Empty;
    }
    add(line, &data[at..]);
    None
}

fn add(line: &mut LineState, more: &[u8]) {
    *line = match (*line, more) {
        (line, []) => line,
        (LineState::Empty, b"\r") => LineState::OnlyCr,
        _ => LineState::Text,
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Parses `data` in pieces of these lengths, with `follows` after the heads in order. Returns the positions where
    /// heads ended.
    fn heads(data: &[u8], follows: &[Follows], pieces: &[usize]) -> io::Result<Vec<usize>> {
        let mut framing = Framing::new();
        let (mut at, mut ends, mut pieces) = (0, Vec::new(), pieces.iter().cycle());
        while at < data.len() {
            let length = pieces.next().copied().unwrap_or(usize::MAX).min(data.len() - at);
            at += framing.read(&data[at..at + length])?;
            if framing.head_has_ended() {
                framing.follows(follows[ends.len()]);
                ends.push(at);
            }
        }
        Ok(ends)
    }

    const STREAM: &[u8] = b"\r\n\nPOST /a HTTP/1.1\r\nA: b\r\n\r\n5\r\na\n\nb\n\r\nA;x=\"y\"\r\n\r\n\r\n0123\r\n\r\n0\r\nC: d\r\nE: f\r\n\r\n\
        POST /b HTTP/1.1\nLength: 4\n\n\r\n\r\nGET /c HTTP/1.1\r\n\r\nGET /d HTTP/1.1\r\n\r\n\r\n\r\nfree";
    const FOLLOWS: [Follows; 4] = [Follows::Chunks, Follows::Length(4), Follows::Length(0), Follows::AnotherProtocol];

    #[test]
    fn heads_end_where_they_do_whatever_bodies_hold() {
        let ends = heads(STREAM, &FOLLOWS, &[usize::MAX]).unwrap();
        let behind: Vec<&[u8]> = ends.iter().map(|end| &STREAM[*end..(*end + 4).min(STREAM.len())]).collect();
        assert_eq!(behind, [&b"5\r\na"[..], b"\r\n\r\n", b"GET ", b"\r\n\r\n"]);
    }

    #[test]
    fn a_bare_lf_or_another_flaw_in_chunks_is_an_error() {
        let head = "POST / HTTP/1.1\r\n\r\n";
        for body in [
            "0\r\nA: b\n\nGET /second HTTP/1.1\r\n\r\n",
            "0\r\n\nGET /second HTTP/1.1\r\n\r\n",
            "0\r\nA: b\n\r\nGET /second HTTP/1.1\r\n\r\n",
            "0\r\nA: b\nC: d\r\n\r\n",
            "0\r\nA: b\rC: d\r\n\r\n",
            "0\n\r\n",
            "1\nx\r\n0\r\n\r\n",
            "1;a\nx\r\n0\r\n\r\n",
            "1\r\nxy\r\n0\r\n\r\n",
            "g\r\n",
            "\r\n\r\n",
            "1\r\nx\r\n;a\r\n\r\n",
            "11111111111111111\r\n",
        ] {
            let data = format!("{head}{body}");
            for piece in [1, 3, usize::MAX] {
                assert!(heads(data.as_bytes(), &[Follows::Chunks; 2], &[piece]).is_err(), "{body:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn heads_are_found_however_the_stream_is_split(pieces in prop::collection::vec(1..40_usize, 1..20)) {
            let whole = heads(STREAM, &FOLLOWS, &[usize::MAX]).unwrap();
            prop_assert_eq!(heads(STREAM, &FOLLOWS, &pieces).unwrap(), whole);
        }
    }
}
