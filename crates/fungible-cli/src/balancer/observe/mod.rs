//! Records what passes through the balancer for an observer: exchanges with their bodies, events and messages.

mod captured_body;
mod event_stream;
mod frames;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod observer;
mod record;
mod websocket;

pub(crate) use captured_body::CapturedBody;
#[cfg(test)]
pub(crate) use event_stream::Events;
#[cfg(test)]
pub(crate) use frames::Frames;
pub(crate) use observer::{Observer, Question};
pub(crate) use record::Record;
pub(crate) use websocket::{Messages, WebSocketEvent};
