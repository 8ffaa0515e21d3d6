//! Tracks the progress of an HTTP/2 connection and of its streams, and whether they exceed a time limit. It knows no
//! sockets.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::frames::FrameBoundaries;
use super::progress::shortened;

/// A client that gave up this many requests before they were answered, and more than half of all, is disconnected: each
/// of them made an instance work for nothing (CVE-2023-44487).
const MOST_GIVEN_UP: u32 = 100;

/// The progress of a connection. Only the worker that serves it uses it.
#[derive(Debug)]
pub(crate) struct Http2Progress {
    /// By number. There are few, and hashing a number costs more than finding it among them.
    streams: RefCell<BTreeMap<u64, Rc<StreamProgress>>>,
    /// How many streams there were.
    all: Cell<u64>,
    /// How many of them the client reset before they were answered.
    given_up: Cell<u32>,
    /// Since when there is no stream; meaningless while there is one.
    idle: Cell<Instant>,
    boundaries: RefCell<FrameBoundaries>,
    /// Since when a frame, or the fields of a request, are incomplete.
    incomplete: Cell<Option<Instant>>,
    /// Since when the client has accepted nothing of what we write.
    stuck: Cell<Option<Instant>>,
    /// Since when the client is being told to send no more requests, because the connection was idle for too long.
    leaving: Cell<Option<Instant>>,
    closing: Cell<bool>,
}

/// The progress of one stream: a request and its response.
#[derive(Debug, Default)]
pub(crate) struct StreamProgress {
    /// Since when a part of the response waits until the client accepts it.
    stuck: Cell<Option<Instant>>,
    answered: Cell<bool>,
    cancelled: Notify,
}

impl StreamProgress {
    /// The response has begun.
    pub(crate) fn answered(&self) {
        self.answered.set(true);
    }

    /// The response waits for the client, or it waits for the instance or has ended.
    pub(crate) fn waits_for_client(&self, waits: bool) {
        self.stuck.set(waits.then(Instant::now));
    }

    /// Returns when the stream is to be reset.
    pub(crate) async fn cancelled(&self) {
        self.cancelled.notified().await;
    }
}

/// As long as it lives, a stream counts.
#[derive(Debug)]
pub(crate) struct OpenStream {
    number: u64,
    connection: Rc<Http2Progress>,
    pub(crate) progress: Rc<StreamProgress>,
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.streams.borrow_mut().remove(&self.number);
        connection.idle.set(Instant::now());
        if !self.progress.answered.get() {
            connection.given_up.set(connection.given_up.get() + 1);
        }
        let given_up = connection.given_up.get();
        if given_up >= MOST_GIVEN_UP && u64::from(given_up) * 2 > connection.all.get() {
            connection.closing.set(true);
        }
    }
}

impl Http2Progress {
    /// The progress of a new connection.
    pub(crate) fn new() -> Http2Progress {
        Http2Progress {
            streams: RefCell::default(),
            all: Cell::new(0),
            given_up: Cell::new(0),
            idle: Cell::new(Instant::now()),
            boundaries: RefCell::new(FrameBoundaries::new()),
            incomplete: Cell::new(Some(Instant::now())),
            stuck: Cell::new(None),
            leaving: Cell::new(None),
            closing: Cell::new(false),
        }
    }

    /// A stream begins.
    pub(crate) fn stream_begins(self: &Rc<Self>) -> OpenStream {
        let number = self.all.get() + 1;
        self.all.set(number);
        let progress = Rc::new(StreamProgress::default());
        self.streams.borrow_mut().insert(number, Rc::clone(&progress));
        OpenStream { number, connection: Rc::clone(self), progress }
    }

    /// The number of streams.
    pub(crate) fn streams(&self) -> usize {
        self.streams.borrow().len()
    }

    /// Records bytes that were read.
    ///
    /// # Errors
    /// When they do not begin as those of HTTP/2 must.
    pub(super) fn received(&self, data: &[u8]) -> io::Result<()> {
        let mut boundaries = self.boundaries.borrow_mut();
        let ended = boundaries.read(data);
        let before = self.incomplete.get().filter(|_| !ended);
        self.incomplete.set(boundaries.is_within().then(|| before.unwrap_or_else(Instant::now)));
        if boundaries.begins_wrong() { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
    }

    /// Records a write; `taken`: the client accepted something.
    pub(super) fn wrote(&self, taken: bool) {
        self.stuck.set(if taken { None } else { self.stuck.get().or_else(|| Some(Instant::now())) });
    }

    /// Whether the client has answered the PING that goes with GOAWAY, so that h2 closes the connection by itself.
    pub(crate) fn has_answered_ping(&self) -> bool {
        self.boundaries.borrow().has_answered_ping
    }

    /// Whether the client is to be told to send no more requests.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.get().is_some()
    }

    /// Marks the connection to be closed at once.
    pub(super) fn close(&self) {
        self.closing.set(true);
    }

    /// Whether the connection is to be closed at once.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Since when it has no stream, so that it may be closed; else `None`.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let idle = self.streams() == 0 && !self.closing.get();
        idle.then(|| self.idle.get())
    }

    /// Resets the streams and marks the connection if they exceed a time limit. Returns whether the task that drives it
    /// has something to do. `crowded`: the fraction of the connection limit that is in use.
    pub(super) fn sweep(&self, header_time: Duration, idle_time: Duration, read_time: Duration, crowded: f64) -> bool {
        let exceeds = |since: Option<Instant>, limit| since.is_some_and(|since| since.elapsed() > limit);
        for stream in self.streams.borrow().values() {
            if exceeds(stream.stuck.get(), read_time) {
                stream.cancelled.notify_one();
            }
        }
        let idle = self.idle_since();
        let hangs = exceeds(self.incomplete.get(), shortened(header_time, crowded))
            || exceeds(self.stuck.get(), read_time)
            || (exceeds(self.leaving.get(), idle_time) && exceeds(idle, idle_time));
        if hangs {
            self.close();
        } else if self.leaving.get().is_none() && exceeds(idle, shortened(idle_time, crowded)) {
            self.leaving.set(Some(Instant::now()));
            return true;
        }
        // It may be closing because of its last stream, whose end wakes nobody.
        self.is_closing()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_gives_up_most_of_its_requests_is_disconnected() {
        for (answered, given_up, disconnected) in [(0, 99, false), (0, 100, true), (101, 100, false), (99, 100, true)] {
            let connection = Rc::new(Http2Progress::new());
            for _ in 0..answered {
                connection.stream_begins().progress.answered();
            }
            for _ in 0..given_up {
                drop(connection.stream_begins());
            }
            assert_eq!(connection.is_closing(), disconnected, "{answered} {given_up}");
            let hour = Duration::from_hours(1);
            assert_eq!(connection.sweep(hour, hour, hour, 0.0), disconnected, "the task that drives it is woken");
        }
    }

    /// A limit of zero is exceeded then.
    fn clock_moves() {
        let now = Instant::now();
        while now.elapsed().is_zero() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_connection_without_a_stream_is_ended_in_order_and_one_that_hangs_at_once() {
        let connection = Rc::new(Http2Progress::new());
        let (long, none) = (Duration::from_mins(1), Duration::ZERO);
        clock_moves();
        assert!(connection.sweep(none, long, long, 0.0) && connection.is_closing(), "the preface does not come");
        let connection = Rc::new(Http2Progress::new());
        connection.received(&[0; 24]).expect("a preface");
        clock_moves();
        let stream = connection.stream_begins();
        assert!(!connection.sweep(none, none, none, 0.0) && connection.idle_since().is_none());
        drop(stream);
        clock_moves();
        assert!(connection.sweep(none, none, none, 0.0) && connection.is_leaving() && !connection.is_closing());
    }
}
