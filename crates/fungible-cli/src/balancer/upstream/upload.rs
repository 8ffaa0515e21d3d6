//! A request on its way to an instance: its head as bytes, and its body behind it. Until the first byte is accepted, it can
//! be sent on another connection.

use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, MAX_FORWARDS, SET_COOKIE, TRAILER,
    TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body::{Body as _, Frame};
use tokio::io::AsyncWrite;

use super::fields::Field;
use super::request_body::RequestBody;

/// Pieces of a body up to this length, in bytes, are sent together with what precedes them.
const SMALL: usize = 16 * 1024;

/// Room for a usual head, in bytes. The allocator has so few at once.
const USUAL: usize = 1024;

/// Fields about the content, which trailers must not have (RFC 9110, section 6.5.1).
const NEVER_TRAILERS: [HeaderName; 8] = [
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    MAX_FORWARDS,
    SET_COOKIE,
    TRANSFER_ENCODING,
];

/// Why a request cannot be sent on.
#[derive(Debug)]
pub(super) enum UploadError {
    /// The instance accepts no more bytes. It may have answered before.
    Connection,
    /// The body broke off, or has another length than was announced.
    Body,
}

/// A request, as far as it is not sent.
#[derive(Debug)]
pub(crate) struct Upload {
    /// Bytes to send, of which `at` are sent.
    buffer: Vec<u8>,
    at: usize,
    /// A large part of the body, which follows the buffer.
    piece: Bytes,
    body: RequestBody,
    end: End,
    /// Nothing follows the buffer and the piece.
    complete: bool,
    /// How many bytes the connection has accepted.
    sent: u64,
}

/// How the instance learns where the body ends.
#[derive(Debug)]
enum End {
    /// By its length: so many bytes are still to come.
    Length(u64),
    /// By its last chunk, with trailers that may have these fields.
    LastChunk(Vec<HeaderName>),
}

impl Upload {
    /// The request with this head and body. The body is sent in chunks if the header says so, else in its own length.
    pub(crate) fn new(
        method: &Method,
        target: &Uri,
        headers: &HeaderMap,
        added: &[Field],
        body: RequestBody,
    ) -> Upload {
        let length = body.size_hint().exact();
        let small = length.and_then(|length| usize::try_from(length).ok()).filter(|length| *length <= SMALL);
        let mut buffer = Vec::with_capacity(USUAL + small.unwrap_or(0));
        buffer.extend_from_slice(method.as_str().as_bytes());
        buffer.push(b' ');
        buffer.extend_from_slice(target.path_and_query().map_or("/", |target| target.as_str()).as_bytes());
        buffer.extend_from_slice(b" HTTP/1.1\r\n");
        write_fields(&mut buffer, headers);
        write_fields(&mut buffer, added.iter().map(|(name, value)| (name, value)));
        buffer.extend_from_slice(b"\r\n");
        let end = if headers.contains_key(TRANSFER_ENCODING) {
            End::LastChunk(announced_trailers(headers))
        } else {
            End::Length(length.unwrap_or(0))
        };
        Upload { buffer, at: 0, piece: Bytes::new(), body, end, complete: false, sent: 0 }
    }

    /// Whether no byte of it was accepted by a connection.
    pub(super) fn is_untouched(&self) -> bool {
        self.sent == 0
    }

    /// How many bytes were accepted by a connection.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Sends as much as possible: ready when all is sent.
    ///
    /// # Errors
    /// When the connection or the body fails.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        mut to: impl AsyncWrite + Unpin,
    ) -> Poll<Result<(), UploadError>> {
        loop {
            self.fill(context)?;
            let unsent = if self.at < self.buffer.len() { &self.buffer[self.at..] } else { &self.piece[..] };
            if unsent.is_empty() {
                return if self.complete { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            let sent = ready!(Pin::new(&mut to).poll_write(context, unsent)).map_err(|_| UploadError::Connection)?;
            if sent == 0 {
                return Poll::Ready(Err(UploadError::Connection));
            }
            self.sent += sent as u64;
            self.has_sent(sent);
        }
    }

    fn has_sent(&mut self, sent: usize) {
        if self.at < self.buffer.len() {
            self.at += sent;
            if self.at == self.buffer.len() {
                self.buffer.clear();
                self.at = 0;
            }
            return;
        }
        self.piece.advance(sent);
        if self.piece.is_empty() && matches!(self.end, End::LastChunk(_)) {
            self.buffer.extend_from_slice(b"\r\n");
        }
    }

    /// Takes from the body what it has, up to the next large part.
    fn fill(&mut self, context: &mut Context<'_>) -> Result<(), UploadError> {
        while !self.complete && self.piece.is_empty() && self.buffer.len() < SMALL {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Some(Ok(frame))) => self.add(frame)?,
                Poll::Ready(Some(Err(_))) => return Err(UploadError::Body),
                Poll::Ready(None) => self.finish(None)?,
            }
        }
        Ok(())
    }

    fn add(&mut self, frame: Frame<Bytes>) -> Result<(), UploadError> {
        let data = match frame.into_data() {
            Ok(data) if data.is_empty() => return Ok(()),
            Ok(data) => data,
            Err(other) => return self.finish(other.into_trailers().ok()),
        };
        match &mut self.end {
            End::Length(left) => *left = left.checked_sub(data.len() as u64).ok_or(UploadError::Body)?,
            End::LastChunk(_) => {
                let mut size = String::new();
                // Writing to a string cannot fail.
                let _ = write!(size, "{:x}\r\n", data.len());
                self.buffer.extend_from_slice(size.as_bytes());
            }
        }
        if data.len() > SMALL {
            self.piece = data;
            return Ok(());
        }
        self.buffer.extend_from_slice(&data);
        if let End::LastChunk(_) = self.end {
            self.buffer.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    fn finish(&mut self, trailers: Option<HeaderMap>) -> Result<(), UploadError> {
        self.complete = true;
        match &self.end {
            End::Length(0) => return Ok(()),
            End::Length(_) => return Err(UploadError::Body),
            End::LastChunk(announced) => {
                self.buffer.extend_from_slice(b"0\r\n");
                if let Some(mut trailers) = trailers {
                    let unwanted: Vec<HeaderName> =
                        trailers.keys().filter(|name| !announced.contains(name)).cloned().collect();
                    for name in unwanted {
                        trailers.remove(name);
                    }
                    write_fields(&mut self.buffer, &trailers);
                }
            }
        }
        self.buffer.extend_from_slice(b"\r\n");
        Ok(())
    }
}

fn write_fields<'f>(buffer: &mut Vec<u8>, fields: impl IntoIterator<Item = (&'f HeaderName, &'f HeaderValue)>) {
    for (name, value) in fields {
        buffer.extend_from_slice(name.as_str().as_bytes());
        buffer.extend_from_slice(b": ");
        buffer.extend_from_slice(value.as_bytes());
        buffer.extend_from_slice(b"\r\n");
    }
}

/// The fields that may follow the body: those that `Trailer` names, and that belong there.
fn announced_trailers(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(TRAILER).iter();
    let words = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let names = words.filter_map(|word| HeaderName::from_bytes(word.trim_ascii()).ok());
    names.filter(|name| !NEVER_TRAILERS.contains(name)).collect()
}
