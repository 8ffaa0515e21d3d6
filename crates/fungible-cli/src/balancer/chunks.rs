//! The syntax of a chunked body (RFC 9112, section 7.1), strictly: a bare LF is an error. Pure.

use std::io;

/// The state within a chunked body (RFC 9112, section 7.1).
#[derive(Debug)]
pub(crate) enum Chunks {
    /// Before the length of a chunk.
    Begin,
    /// In the length of a chunk; its value so far.
    Size(u64),
    /// In the rest of the line with the length.
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    /// At the beginning of a trailer line or of the final empty line.
    TrailerBegin,
    Trailer,
    TrailerLf,
    LastLf,
}

/// The shorter of what is to come and what is there.
pub(crate) fn shorter(left: u64, length: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(length)
}

impl Chunks {
    /// Parses more bytes, at most to the end of the body. Returns how many were parsed, and whether the body has ended.
    pub(crate) fn read(&mut self, data: &[u8]) -> io::Result<(usize, bool)> {
        let mut at = 0;
        while at < data.len() {
            if let Chunks::Data(left) = self {
                let passed = shorter(*left, data.len() - at);
                *left -= passed as u64;
                at += passed;
                if *left == 0 {
                    *self = Chunks::DataCr;
                }
                continue;
            }
            let byte = data[at];
            at += 1;
            if matches!(self, Chunks::LastLf) && byte == b'\n' {
                return Ok((at, true));
            }
            *self = self.next(byte).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a malformed chunk"))?;
        }
        Ok((at, false))
    }

    /// The next state; `None` if this byte is not allowed here.
    fn next(&self, byte: u8) -> Option<Chunks> {
        Some(match (self, byte) {
            (Chunks::Begin, _) => Chunks::Size(char::from(byte).to_digit(16)?.into()),
            (Chunks::Size(size), _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16)?;
                Chunks::Size(size.checked_mul(16)?.checked_add(u64::from(digit))?)
            }
            (Chunks::Size(size) | Chunks::Extension(size), b'\r') => Chunks::SizeLf(*size),
            (Chunks::Extension(_), b'\n') => return None,
            (Chunks::Size(size), b' ' | b'\t' | b';') | (Chunks::Extension(size), _) => Chunks::Extension(*size),
            (Chunks::SizeLf(0) | Chunks::TrailerLf, b'\n') => Chunks::TrailerBegin,
            (Chunks::SizeLf(size), b'\n') => Chunks::Data(*size),
            (Chunks::DataCr, b'\r') => Chunks::DataLf,
            (Chunks::DataLf, b'\n') => Chunks::Begin,
            (Chunks::TrailerBegin, b'\r') => Chunks::LastLf,
            (Chunks::Trailer, b'\r') => Chunks::TrailerLf,
            (Chunks::TrailerBegin | Chunks::Trailer, byte) if byte != b'\n' => Chunks::Trailer,
            _ => return None,
        })
    }
}
