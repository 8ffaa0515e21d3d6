//! The progress of a connection of either protocol.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::http2_progress::Http2Progress;
use super::progress::{ConnectionProgress, HeldRequest};

/// A connection that was between two requests for so long gives its buffers back.
const BEFORE_SLEEP: Duration = Duration::from_millis(200);

/// The progress of a connection, as requests and the sweep see it.
#[derive(Clone, Debug)]
pub(crate) enum Tracked {
    /// One request after the other; also a connection that is not open yet.
    Http1(Arc<ConnectionProgress>),
    /// Many requests at a time. Its streams are tracked by those who drive them.
    Http2(Rc<Http2Progress>),
}

impl Tracked {
    /// The response to a request is complete, except for what is still to be written.
    pub(crate) fn answered(&self) {
        if let Tracked::Http1(progress) = self {
            progress.answered();
        }
    }

    /// The client switches to another protocol.
    pub(crate) fn changes_protocol(&self) {
        if let Tracked::Http1(progress) = self {
            progress.changes_protocol();
        }
    }

    /// Marks the connection to be closed with a reset, because a response is incomplete. A stream is reset by itself.
    pub(crate) fn cut_off(&self) {
        if let Tracked::Http1(progress) = self {
            progress.cut_off();
        }
    }

    /// The request waits for an instance until the value that this returns is dropped.
    pub(crate) fn hold(&self) -> Option<HeldRequest<'_>> {
        match self {
            Tracked::Http1(progress) => Some(progress.hold()),
            Tracked::Http2(_) => None,
        }
    }

    /// Marks the connection to be closed at once.
    pub(super) fn close(&self) {
        match self {
            Tracked::Http1(progress) => progress.close(),
            Tracked::Http2(progress) => progress.close(),
        }
    }

    /// Marks the connection to give its buffers back if it has been between two requests for so long. Returns whether the task
    /// that drives it has to do so.
    pub(super) fn tires(&self, after: Duration) -> bool {
        match self {
            Tracked::Http1(progress) => progress.tires(after),
            Tracked::Http2(_) => false,
        }
    }

    /// Whether it has buffers, and keeps them.
    pub(super) fn is_awake(&self) -> bool {
        match self {
            Tracked::Http1(progress) => progress.is_awake(),
            Tracked::Http2(_) => true,
        }
    }

    /// Since when it has been idle, so that it may be closed; else `None`.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        match self {
            Tracked::Http1(progress) => progress.idle_since(),
            Tracked::Http2(progress) => progress.idle_since(),
        }
    }

    /// Marks the connection if it exceeds a time limit, or needs its buffers no more. Returns whether the task that drives it has something to do.
    /// `crowded`: the fraction of the connection limit that is in use, from 0 to 1.
    pub(super) fn sweep(&self, header_time: Duration, idle_time: Duration, read_time: Duration, crowded: f64) -> bool {
        match self {
            Tracked::Http1(progress) => {
                progress.closes_if_too_slow(header_time, idle_time, read_time, crowded) || progress.tires(BEFORE_SLEEP)
            }
            Tracked::Http2(progress) => progress.sweep(header_time, idle_time, read_time, crowded),
        }
    }
}
