//! A connection that switched to another protocol, such as WebSocket: passes bytes in both directions until both have
//! ended. It counts as a request in flight on its instance. An observer gets the bytes, as messages if it is a
//! WebSocket.

use std::cell::{Cell, RefCell};
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::HeaderValue;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::access_log::AccessLine;
use super::context::Context as ProxyContext;
use super::farewell::{FrameEnds, close_websocket, farewell};
use crate::balancer::observe::{CapturedBody, Messages, Record, WebSocketEvent};
use crate::balancer::pool::Claim;

/// Passes on bytes as soon as both sides have switched the protocol.
pub(super) fn start(
    context: &Rc<ProxyContext>,
    to_client: OnUpgrade,
    mut to_instance: impl AsyncRead + AsyncWrite + Unpin + 'static,
    claim: Claim,
    line: Option<Box<AccessLine>>,
    listener: Option<Listener>,
    is_websocket: bool,
) {
    let context = Rc::clone(context);
    context.tunnel_begins();
    tokio::task::spawn_local(async move {
        let client = to_client.await;
        if client.is_err()
            && let Some(listener) = &listener
        {
            listener.record.tunnel_ends(true, false);
        }
        if let Ok(client) = client {
            let heard = Rc::new(Cell::new(Instant::now()));
            let mut client = Side::new(TokioIo::new(client), true, listener.as_ref(), &heard);
            let mut instance = Side::new(&mut to_instance, false, listener.as_ref(), &heard);
            let ends = (client.frames(is_websocket), instance.frames(is_websocket));
            let between = || ends.0.borrow().at_end() && ends.1.borrow().at_end();
            let leaves = {
                // An error ends the tunnel like an orderly end; there is no way to report it.
                let mut passing = pin!(tokio::io::copy_bidirectional(&mut client, &mut instance));
                tokio::select! {
                    _ = &mut passing => false,
                    () = silence(&heard, context.config.limits.tunnel_time) => false,
                    () = farewell(&claim.link, &heard, between), if listener.is_none() => {
                        // Frames that are under way pass first, and none after them.
                        ends.0.borrow_mut().stop();
                        ends.1.borrow_mut().stop();
                        let last = poll_fn(|context| match passing.as_mut().poll(context) {
                            Poll::Pending if !between() => Poll::Pending,
                            _ => Poll::Ready(()),
                        });
                        let _ = tokio::time::timeout(LAST_FRAME, last).await;
                        true
                    }
                }
            };
            if leaves && is_websocket {
                let at_end = (ends.0.borrow().at_end(), ends.1.borrow().at_end());
                // Whoever closes a WebSocket writes to it after its last frame.
                (client.written, instance.written) = (None, None);
                close_websocket((&mut client, at_end.0), (&mut instance, at_end.1)).await;
            }
        }
        if let Some(listener) = listener {
            listener.record.tunnel_is_over();
        }
        if let Some(mut line) = line {
            line.write(None, true);
        }
        drop(claim);
        context.tunnel_has_ended();
    });
}

/// How long the rest of a frame may take to pass when the instance leaves.
const LAST_FRAME: Duration = Duration::from_millis(100);

/// Whether a connection that switches to this protocol is a WebSocket.
pub(super) fn is_websocket(protocol: Option<&HeaderValue>) -> bool {
    protocol.is_some_and(|name| name.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

/// Returns when no byte has come from either side for this long.
async fn silence(heard: &Cell<Instant>, limit: Duration) {
    while heard.get().elapsed() < limit {
        tokio::time::sleep_until(heard.get() + limit).await;
    }
}

/// Records what passes through the tunnel.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    record: Record,
    is_websocket: bool,
}

impl Listener {
    pub(super) fn new(record: Record, is_websocket: bool) -> Listener {
        Listener { record, is_websocket }
    }
}

/// One side of the connection.
#[derive(Debug)]
struct Side<S> {
    stream: S,
    ear: Option<Ear>,
    /// When the last byte came, from either side.
    heard: Rc<Cell<Instant>>,
    /// The frames that are written to it, if it is a WebSocket.
    written: Option<Rc<RefCell<FrameEnds>>>,
}

/// Records what one side sends, and how it ends.
#[derive(Debug)]
struct Ear {
    record: Record,
    from_client: bool,
    /// `None` for an unknown protocol: then each piece is a frame, and an end of the bytes is regular.
    messages: Option<Messages>,
}

impl<S> Side<S> {
    fn new(stream: S, from_client: bool, listener: Option<&Listener>, heard: &Rc<Cell<Instant>>) -> Side<S> {
        let ear = listener.map(|listener| Ear {
            record: listener.record.clone(),
            from_client,
            messages: listener.is_websocket.then(Messages::default),
        });
        Side { stream, ear, heard: Rc::clone(heard), written: None }
    }

    /// Follows the frames that are written to it from now on, if it is a WebSocket.
    fn frames(&mut self, is_websocket: bool) -> Rc<RefCell<FrameEnds>> {
        let frames = Rc::new(RefCell::new(FrameEnds::default()));
        self.written = is_websocket.then(|| Rc::clone(&frames));
        frames
    }

    fn broke_off(&self) {
        if let Some(ear) = &self.ear {
            ear.record.tunnel_ends(ear.from_client, false);
        }
    }
}

impl Ear {
    fn hear(&mut self, data: &[u8]) {
        let (record, from_client) = (&self.record, self.from_client);
        match &mut self.messages {
            Some(messages) => messages.read(data, |said| match said {
                WebSocketEvent::Message(message) => record.frame(from_client, message),
                WebSocketEvent::Close(why) => {
                    if let Some(why) = why {
                        record.frame(from_client, CapturedBody::of(why.as_bytes()));
                    }
                    record.tunnel_ends(from_client, true);
                }
            }),
            None => record.frame(from_client, CapturedBody::of(data)),
        }
    }

    /// The side sends no more bytes.
    fn end(&mut self) {
        if self.messages.is_some() {
            // A WebSocket sends a close frame before a regular end.
            self.record.tunnel_ends(self.from_client, false);
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        if let Some(garbage) = self.messages.as_mut().and_then(Messages::end) {
            self.record.garbage(self.from_client, garbage);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Side<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let side = self.get_mut();
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut side.stream).poll_read(context, buffer));
        side.heard.set(Instant::now());
        if read.is_err() {
            side.broke_off();
        } else if let Some(ear) = &mut side.ear {
            match &buffer.filled()[before..] {
                [] => ear.end(),
                data => ear.hear(data),
            }
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Side<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let side = self.get_mut();
        let may_pass = side.written.as_ref().map_or(data.len(), |frames| frames.borrow().may_pass(data));
        if may_pass == 0 && !data.is_empty() {
            // It stopped; nobody waits for this any more.
            return Poll::Pending;
        }
        let written = ready!(Pin::new(&mut side.stream).poll_write(context, &data[..may_pass]));
        match (&written, &side.written) {
            (Ok(count), Some(frames)) => frames.borrow_mut().pass(&data[..*count]),
            (Ok(_), None) => {}
            (Err(_), _) => side.broke_off(),
        }
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
