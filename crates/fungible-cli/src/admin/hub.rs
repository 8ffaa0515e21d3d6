//! The stream of events: messages to all who listen, and the last events of the fleet for those who come later.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body::{Body, Frame};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::fleet_counters::FleetCounters;
use crate::fleet::FleetEvent;

/// So many events are kept for those who come later.
const KEPT: usize = 100;

/// A listener who falls this many messages behind is disconnected. Browsers connect again by themselves.
const BEHIND: usize = 256;

/// Passes on messages and keeps the last events.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    counters: FleetCounters,
    /// The number of the last event.
    last: u64,
    kept: VecDeque<Bytes>,
    listeners: Vec<mpsc::Sender<Bytes>>,
}

impl Hub {
    /// Takes in an event of the fleet; `text` is the event in words.
    pub(crate) fn tell(&self, event: &FleetEvent, text: &str) {
        let mut inner = self.lock();
        inner.counters.count(event);
        inner.last += 1;
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let at = u64::try_from(at).unwrap_or(u64::MAX);
        let message = message("fleet", &json!({ "number": inner.last, "at": at, "kind": kind(event), "text": text }));
        if inner.kept.len() >= KEPT {
            inner.kept.pop_front();
        }
        inner.kept.push_back(message.clone());
        inner.send(&message);
    }

    /// Sends a message to all who listen.
    pub(super) fn send(&self, name: &str, data: &impl Serialize) {
        self.lock().send(&message(name, data));
    }

    /// Whether anybody listens.
    pub(super) fn has_listeners(&self) -> bool {
        let mut inner = self.lock();
        inner.listeners.retain(|one| !one.is_closed());
        !inner.listeners.is_empty()
    }

    /// A stream of all messages from now on, after the kept events and `first`.
    pub(super) fn listen(&self, first: impl IntoIterator<Item = Bytes>) -> EventStream {
        let (sender, rest) = mpsc::channel(BEHIND);
        let mut inner = self.lock();
        let first = first.into_iter().chain(inner.kept.iter().cloned()).collect();
        inner.listeners.push(sender);
        EventStream { first, rest }
    }

    /// What was counted of the events.
    pub(super) fn counters(&self) -> FleetCounters {
        self.lock().counters.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn send(&mut self, message: &Bytes) {
        self.listeners.retain(|one| one.try_send(message.clone()).is_ok());
    }
}

/// A server-sent event. JSON has no line breaks, which would end the data.
pub(super) fn message(name: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

/// How the page marks an event.
fn kind(event: &FleetEvent) -> &'static str {
    match event {
        FleetEvent::Ready { .. } | FleetEvent::Recovered { .. } | FleetEvent::Deployed { .. } => "good",
        FleetEvent::Ended { again_in: None, .. }
        | FleetEvent::Scaled { .. }
        | FleetEvent::Recycling { .. }
        | FleetEvent::Deploying { .. }
        | FleetEvent::Draining
        | FleetEvent::Stopping => "note",
        FleetEvent::Ended { .. }
        | FleetEvent::Unhealthy { .. }
        | FleetEvent::Late { .. }
        | FleetEvent::PortTaken { .. }
        | FleetEvent::NotDeployed { .. } => "bad",
    }
}

/// The messages for one listener, as the body of a response.
#[derive(Debug)]
pub(super) struct EventStream {
    first: VecDeque<Bytes>,
    rest: mpsc::Receiver<Bytes>,
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(message) = self.first.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        self.rest.poll_recv(context).map(|message| message.map(|message| Ok(Frame::data(message))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_later_gets_the_last_events_and_who_does_not_listen_is_left_behind() {
        let hub = Hub::default();
        for number in 0..KEPT + 5 {
            hub.tell(&FleetEvent::Draining, &format!("event {number}"));
        }
        let mut stream = hub.listen([message("hello", &1)]);
        assert_eq!(stream.first.len(), KEPT + 1);
        let first = stream.first.pop_back().expect("there are some");
        assert!(first.ends_with(b"\"text\":\"event 104\"}\n\n"), "{first:?}");
        hub.tell(&FleetEvent::Stopping, "line\nbreak");
        let next = stream.rest.try_recv().expect("it listens");
        assert_eq!(next.split(|byte| *byte == b'\n').count(), 4, "{next:?}");
        for _ in 0..=BEHIND {
            assert!(hub.has_listeners());
            hub.send("x", &1);
        }
        assert!(!hub.has_listeners());
    }
}
