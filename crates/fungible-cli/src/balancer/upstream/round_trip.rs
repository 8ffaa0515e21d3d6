//! One request and its response on a connection to an instance, by HTTP/1.1 (RFC 9112). It is driven by the task that waits
//! for the response: no other task has to be woken for each request, and a request is sent with one system call and
//! received with one.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http::StatusCode;
use http::response::Parts;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::task::JoinHandle;

use super::chunked_body::{ChunkedBody, Decoded};
use super::connections::Connection;
use super::gate::Gate;
use super::halves::Writer;
use super::response_head::{BodyEnd, LONGEST, ResponseHead, has_blank_line};
use super::upload::{Upload, UploadError};

/// The rest of a request is not sent any more when nothing of it could be sent for so long.
const UNREAD: Duration = Duration::from_mins(1);

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RoundTripError {
    /// The connection or the body of the request broke off.
    #[error("broke off before it answered")]
    BrokeOff,
    /// What came is not a response.
    #[error("did not answer by HTTP/1")]
    Malformed,
}

/// A request and its response.
#[derive(Debug)]
pub(crate) struct RoundTrip {
    connection: Connection,
    sending: Sending,
    /// It is a HEAD request.
    of_head: bool,
    /// Opens when the instance asks for the body.
    gate: Option<Gate>,
    /// Bytes of the response that are not passed on yet.
    input: Bytes,
    /// The head, as long as it is incomplete.
    head: BytesMut,
    reading: Reading,
    /// Whether the instance leaves the connection open.
    keep_alive: bool,
}

/// How far the request is sent.
#[derive(Debug)]
enum Sending {
    By(Upload),
    /// The response has begun before the request was sent. A task of its own sends the rest, because a client may read the
    /// response only when it has sent everything.
    InBackground(UploadTask),
    Sent,
    /// The instance accepts no more of it.
    Stopped,
}

/// How far the response is read.
#[derive(Debug)]
enum Reading {
    Head,
    Length(u64),
    Chunks(ChunkedBody),
    UntilClose,
    Complete,
    Failed(Option<io::Error>),
}

/// Sends the rest of a request. It ends with what it belongs to, unless it is let go on.
#[derive(Debug)]
struct UploadTask(Option<JoinHandle<()>>);

impl UploadTask {
    fn of(mut upload: Upload, mut writer: Writer) -> UploadTask {
        UploadTask(Some(tokio::task::spawn_local(async move {
            loop {
                let sent = upload.sent();
                let sending = poll_fn(|context| upload.poll(context, &mut writer));
                // Whoever reads the response learns of an error there.
                if tokio::time::timeout(UNREAD, sending).await.is_ok() || upload.sent() == sent {
                    return;
                }
            }
        })))
    }

    /// The response is complete, and the instance may still read the request.
    fn goes_on(mut self) {
        self.0 = None;
    }
}

impl Drop for UploadTask {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl RoundTrip {
    /// Sends a request on this connection. `of_head`: its method is HEAD. `gate`: holds its body back until the instance
    /// asks for it.
    pub(crate) fn new(connection: Connection, upload: Upload, of_head: bool, gate: Option<Gate>) -> RoundTrip {
        let (sending, reading) = (Sending::By(upload), Reading::Head);
        RoundTrip {
            connection,
            sending,
            of_head,
            gate,
            input: Bytes::new(),
            head: BytesMut::new(),
            reading,
            keep_alive: false,
        }
    }

    /// The head of the response. Informational responses are taken and not passed on.
    ///
    /// # Errors
    /// When there will be none.
    pub(crate) async fn head(&mut self) -> Result<Parts, RoundTripError> {
        poll_fn(|context| self.poll_head(context)).await
    }

    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<Parts, RoundTripError>> {
        loop {
            self.send(context)?;
            while !self.input.is_empty() {
                let parsed = ResponseHead::parse(&self.input, self.of_head).map_err(|_| RoundTripError::Malformed)?;
                let Some(head) = parsed else {
                    self.head.extend_from_slice(&self.input);
                    self.input.clear();
                    break;
                };
                self.input.advance(head.bytes);
                match head.parts.status {
                    StatusCode::CONTINUE => self.gate.iter().for_each(Gate::open),
                    status if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS => {}
                    _ => return Poll::Ready(Ok(self.begin_body(head))),
                }
            }
            let read = ready!(self.connection.poll_read(context)).map_err(|_| RoundTripError::BrokeOff)?;
            if read.is_empty() {
                return Poll::Ready(Err(RoundTripError::BrokeOff));
            }
            if self.head.is_empty() {
                self.input = read;
                continue;
            }
            // Parsed again only when it may be complete: else a head in small pieces would cost the square of its length.
            let looked = self.head.len().saturating_sub(3);
            self.head.extend_from_slice(&read);
            if has_blank_line(&self.head[looked..]) || self.head.len() > LONGEST {
                self.input = self.head.split().freeze();
            }
        }
    }

    /// Sends as much of the request as possible.
    fn send(&mut self, context: &mut Context<'_>) -> Result<(), RoundTripError> {
        let (Sending::By(upload), Some(writer)) = (&mut self.sending, &mut self.connection.writer) else {
            return Ok(());
        };
        match upload.poll(context, writer) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.sending = Sending::Sent,
            // It may have answered, as with 413, and then closed the connection.
            Poll::Ready(Err(UploadError::Connection)) if !upload.is_untouched() => self.sending = Sending::Stopped,
            Poll::Ready(Err(UploadError::Connection | UploadError::Body)) => return Err(RoundTripError::BrokeOff),
        }
        Ok(())
    }

    fn begin_body(&mut self, head: ResponseHead) -> Parts {
        self.keep_alive = head.keep_alive;
        self.reading = match head.end {
            BodyEnd::Length(0) => Reading::Complete,
            BodyEnd::Length(length) => Reading::Length(length),
            BodyEnd::LastChunk => Reading::Chunks(ChunkedBody::new()),
            BodyEnd::Close => Reading::UntilClose,
        };
        self.sending = match (std::mem::replace(&mut self.sending, Sending::Stopped), self.connection.writer.take()) {
            (Sending::By(upload), Some(writer)) => Sending::InBackground(UploadTask::of(upload, writer)),
            (other, writer) => {
                self.connection.writer = writer;
                other
            }
        };
        head.parts
    }

    /// The request, if nothing of it was sent: it can be sent on another connection.
    pub(crate) fn into_unsent(self) -> Option<Upload> {
        match self.sending {
            Sending::By(upload) => upload.is_untouched().then_some(upload),
            _ => None,
        }
    }

    /// No other request may use the connection.
    pub(crate) fn is_last(&mut self) {
        self.keep_alive = false;
    }

    /// The connection, if other requests may use it. A request whose response is complete is sent to its end all the same.
    pub(crate) fn into_idle(self) -> Option<Connection> {
        if !self.is_complete() {
            return None;
        }
        match self.sending {
            Sending::Sent => (self.keep_alive && self.input.is_empty()).then_some(self.connection),
            Sending::InBackground(task) => {
                task.goes_on();
                None
            }
            Sending::By(_) | Sending::Stopped => None,
        }
    }

    /// The connection after it switched to another protocol; `None` if the request is not sent.
    pub(crate) fn into_tunnel(self) -> Option<impl AsyncRead + AsyncWrite + Unpin + 'static> {
        let Connection { reader, writer, .. } = self.connection;
        let reader = AsyncReadExt::chain(io::Cursor::new(self.input), reader);
        Some(tokio::io::join(reader, writer?))
    }

    /// The next part of the body of the response. An error is returned by the next call only: before it, hyper writes what
    /// came before.
    pub(crate) fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Reading::Failed(error) = &mut self.reading {
            return Poll::Ready(error.take().map(Err));
        }
        match ready!(self.poll_next(context)) {
            Some(Err(error)) => {
                self.reading = Reading::Failed(Some(error));
                context.waker().wake_by_ref();
                Poll::Pending
            }
            next => Poll::Ready(next),
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            if let Some(frame) = self.next_of_input()? {
                return Poll::Ready(Some(Ok(frame)));
            }
            if matches!(self.reading, Reading::Complete) {
                return Poll::Ready(None);
            }
            self.input = ready!(self.connection.poll_read(context))?;
            if self.input.is_empty() {
                if !matches!(self.reading, Reading::UntilClose) {
                    return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
                }
                self.reading = Reading::Complete;
            }
        }
    }

    fn next_of_input(&mut self) -> io::Result<Option<Frame<Bytes>>> {
        if self.input.is_empty() {
            return Ok(None);
        }
        let data = match &mut self.reading {
            Reading::Head | Reading::Complete | Reading::Failed(_) => return Ok(None),
            Reading::Length(left) => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(self.input.len());
                *left -= length as u64;
                if *left == 0 {
                    self.reading = Reading::Complete;
                }
                self.input.split_to(length)
            }
            Reading::UntilClose => std::mem::take(&mut self.input),
            Reading::Chunks(body) => match body.decode(&mut self.input)? {
                Decoded::Data(data) => data,
                Decoded::Nothing => return Ok(None),
                Decoded::End(trailers) => {
                    self.reading = Reading::Complete;
                    return Ok(trailers.map(Frame::<Bytes>::trailers));
                }
            },
        };
        Ok(Some(Frame::data(data)))
    }

    /// Whether the whole body was passed on.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.reading, Reading::Complete)
    }

    /// The length of the rest of the body, if it is known.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match self.reading {
            Reading::Length(left) => SizeHint::with_exact(left),
            Reading::Complete => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }
}
