//! What parses the bytes of streams under `prove`, given any bytes. The first byte says in which pieces the others come: what
//! is parsed must not depend on that.

use super::captured_body::CapturedBody;
use super::event_stream::Events;
use super::websocket::{Messages, WebSocketEvent};
use crate::exchange::Body;

/// The messages of a WebSocket; `None` is a close.
///
/// # Panics
/// When an answer cannot be right.
pub fn websocket_messages(data: &[u8]) {
    let Some((piece, data)) = data.split_first() else { return };
    let read = |size: usize| {
        let (mut messages, mut said) = (Messages::default(), Vec::new());
        for piece in data.chunks(size) {
            messages.read(piece, |event| {
                said.push(match event {
                    WebSocketEvent::Message(message) => Some(message.hashed()),
                    WebSocketEvent::Close(_) => None,
                });
            });
        }
        (said, messages.end().map(CapturedBody::hashed))
    };
    assert_eq!(read(usize::from(*piece) + 1), read(usize::MAX));
}

/// The events of an event stream.
///
/// # Panics
/// When an answer cannot be right.
pub fn event_stream(data: &[u8]) {
    let Some((piece, data)) = data.split_first() else { return };
    let read = |size: usize| -> (Vec<Body>, Option<Body>) {
        let (mut events, mut told) = (Events::default(), Vec::new());
        for piece in data.chunks(size) {
            events.read(piece, |event| told.push(event.hashed()));
        }
        (told, events.end().map(CapturedBody::hashed))
    };
    assert_eq!(read(usize::from(*piece) + 1), read(usize::MAX));
}
