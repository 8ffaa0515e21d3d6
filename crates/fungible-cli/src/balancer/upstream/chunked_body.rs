//! The body of a response that an instance sends in chunks: its data and its trailers. Pure.

use std::io;

use bytes::{Buf as _, Bytes};
use http::HeaderMap;

use super::response_head::fields;
use crate::balancer::chunks::{Chunks, shorter};

/// The longest trailers, in bytes.
const LONGEST_TRAILERS: usize = 16 * 1024;

/// Trailers with more fields are an error.
const MOST_TRAILERS: usize = 100;

/// What has come of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    Data(Bytes),
    /// The last of it.
    End(Option<HeaderMap>),
    /// More bytes are needed.
    Nothing,
}

/// The state of the decoder of one body.
#[derive(Debug)]
pub(super) struct ChunkedBody {
    chunks: Chunks,
    trailers: Vec<u8>,
}

impl ChunkedBody {
    /// The state before the first chunk.
    pub(super) fn new() -> ChunkedBody {
        ChunkedBody { chunks: Chunks::Begin, trailers: Vec::new() }
    }

    /// Takes the next part of the body from `input`, and nothing behind the body.
    ///
    /// # Errors
    /// When it is malformed, or its trailers are too long.
    pub(super) fn decode(&mut self, input: &mut Bytes) -> io::Result<Decoded> {
        let mut at = 0;
        while at < input.len() {
            if let Chunks::Data(left) = self.chunks {
                input.advance(at);
                let data = input.split_to(shorter(left, input.len()));
                self.chunks.read(&data)?;
                return Ok(Decoded::Data(data));
            }
            let byte = input[at];
            if matches!(self.chunks, Chunks::TrailerBegin | Chunks::Trailer | Chunks::TrailerLf | Chunks::LastLf) {
                self.trailers.push(byte);
            }
            let (_, ended) = self.chunks.read(&[byte])?;
            at += 1;
            if ended {
                input.advance(at);
                return self.trailers().map(Decoded::End);
            }
            if self.trailers.len() > LONGEST_TRAILERS {
                return Err(malformed());
            }
        }
        input.clear();
        Ok(Decoded::Nothing)
    }

    fn trailers(&mut self) -> io::Result<Option<HeaderMap>> {
        if self.trailers == b"\r\n" {
            return Ok(None);
        }
        let text = Bytes::from(std::mem::take(&mut self.trailers));
        let mut room = [httparse::EMPTY_HEADER; MOST_TRAILERS];
        match httparse::parse_headers(&text, &mut room) {
            Ok(httparse::Status::Complete((_, parsed))) => fields(parsed, &text).map(Some).ok_or_else(malformed),
            _ => Err(malformed()),
        }
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed or too many trailers")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a body is that comes in pieces of these lengths, and what is left behind it.
    fn decoded(wire: &[u8], pieces: &[usize]) -> io::Result<(Vec<u8>, Option<HeaderMap>, usize)> {
        let (mut body, mut data, mut pieces, mut at) = (ChunkedBody::new(), Vec::new(), pieces.iter().cycle(), 0);
        loop {
            let length = pieces.next().copied().unwrap_or(1).min(wire.len() - at);
            let mut input = Bytes::copy_from_slice(&wire[at..at + length]);
            at += length;
            while !input.is_empty() {
                match body.decode(&mut input)? {
                    Decoded::Data(more) => data.extend_from_slice(&more),
                    Decoded::End(trailers) => return Ok((data, trailers, input.len() + wire.len() - at)),
                    Decoded::Nothing => {}
                }
            }
            if at == wire.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    proptest! {
        #[test]
        fn data_and_trailers_are_the_same_in_whatever_pieces_they_come(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..5),
            with_trailers: bool,
            pieces in prop::collection::vec(1..50_usize, 1..20),
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend(format!("{:x};a=b\r\n", chunk.len()).into_bytes());
                wire.extend(chunk);
                wire.extend(b"\r\n");
            }
            wire.extend(if with_trailers { &b"0\r\nX-Sum: 1\r\n\r\nnext"[..] } else { b"0\r\n\r\nnext" });
            let (data, trailers, left) = decoded(&wire, &pieces).unwrap();
            prop_assert_eq!(data, chunks.concat());
            prop_assert_eq!(trailers.is_some_and(|fields| fields["x-sum"] == "1"), with_trailers);
            prop_assert_eq!(left, 4);
        }

        #[test]
        fn any_bytes_do_no_harm(wire: Vec<u8>, pieces in prop::collection::vec(1..50_usize, 1..5)) {
            let _ = decoded(&wire, &pieces);
        }
    }

    #[test]
    fn endless_trailers_are_an_error() {
        let wire = format!("0\r\na: {}", "b".repeat(2 * LONGEST_TRAILERS));
        assert_eq!(decoded(wire.as_bytes(), &[1000]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let many = format!("0\r\n{}\r\n", "a: b\r\n".repeat(101));
        assert!(decoded(many.as_bytes(), &[1000]).is_err());
    }
}
