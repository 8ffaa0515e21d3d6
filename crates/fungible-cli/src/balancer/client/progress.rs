//! How far a client's connection is, and whether it takes too long. It knows no sockets.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::framing::{Follows, Framing};

/// No limit becomes shorter than this, however many connections there are.
const SHORTEST: Duration = Duration::from_secs(1);

/// What a connection is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionPhase {
    /// Between two requests.
    Idle,
    /// Some of a request's head is there, or the connection is new.
    Head,
    /// A request is being answered.
    Busy,
    /// It has its answer, up to what is still to be written.
    Writing,
}

/// How far a connection is. One worker uses it; the lock is there because hyper wants a connection to be `Send`.
#[derive(Debug)]
pub(crate) struct ConnectionProgress(Mutex<ConnectionState>);

#[derive(Debug)]
struct ConnectionState {
    phase: ConnectionPhase,
    /// When the phase began.
    since: Instant,
    /// Since when it takes none of what we write, while it does not.
    stuck: Option<Instant>,
    /// It shall end: it takes too long, or makes room for another one.
    closing: bool,
    /// It shall end by a reset, so that nobody takes what was sent for all.
    cut_off: bool,
    framing: Framing,
    /// Reads on when it is known what follows a head.
    waker: Option<Waker>,
}

impl ConnectionProgress {
    pub(crate) fn new() -> ConnectionProgress {
        ConnectionProgress(Mutex::new(ConnectionState {
            phase: ConnectionPhase::Head,
            since: Instant::now(),
            stuck: None,
            closing: false,
            cut_off: false,
            framing: Framing::new(),
            waker: None,
        }))
    }

    fn state(&self) -> MutexGuard<'_, ConnectionState> {
        // Nothing in here panics half way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request's head is complete, and this follows.
    pub(crate) fn head_is_there(&self, follows: Follows) {
        let mut state = self.state();
        state.phase = ConnectionPhase::Busy;
        state.follows(follows);
    }

    /// What it sends from now on is no HTTP.
    pub(crate) fn changes_protocol(&self) {
        self.state().follows(Follows::AnotherProtocol);
    }

    /// The request has its answer, up to what is still to be written.
    pub(crate) fn answered(&self) {
        self.state().phase = ConnectionPhase::Writing;
    }

    /// All that there was has been written.
    pub(super) fn flushed(&self) {
        let mut state = self.state();
        if state.phase == ConnectionPhase::Writing {
            state.enter(ConnectionPhase::Idle);
        }
    }

    /// The connection must end so that nobody takes what was sent for all.
    pub(crate) fn cut_off(&self) {
        self.state().cut_off = true;
    }

    pub(super) fn is_cut_off(&self) -> bool {
        self.state().cut_off
    }

    /// The connection shall end.
    pub(super) fn close(&self) {
        self.state().closing = true;
    }

    /// Whether it shall end.
    pub(crate) fn is_closing(&self) -> bool {
        self.state().closing
    }

    /// Pending: nothing may be read before it is known what follows the head that has ended.
    pub(super) fn poll_may_read(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if !state.framing.head_has_ended() {
            return Poll::Ready(());
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// How much of what was read may be handed on.
    ///
    /// # Errors
    /// When it is not written as it must be.
    pub(super) fn received(&self, data: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        let passed = state.framing.read(data)?;
        if passed > 0 && matches!(state.phase, ConnectionPhase::Idle | ConnectionPhase::Writing) {
            state.enter(ConnectionPhase::Head);
        }
        Ok(passed)
    }

    /// `taken`: it took something of what we write.
    pub(super) fn wrote(&self, taken: bool) {
        let mut state = self.state();
        if taken {
            state.stuck = None;
        } else {
            state.stuck.get_or_insert_with(Instant::now);
        }
    }

    /// Since when nothing is owed to it: it is idle, or a head has not come to its end.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        let idle = matches!(state.phase, ConnectionPhase::Idle | ConnectionPhase::Head) && !state.closing;
        idle.then_some(state.since)
    }

    /// `crowded`: how much of the limit of connections is in use, from 0 to 1.
    pub(super) fn is_too_slow(&self, header_time: Duration, idle_time: Duration, crowded: f64) -> bool {
        let state = self.state();
        let (since, limit) = match (state.phase, state.stuck) {
            (ConnectionPhase::Head, _) => (state.since, shortened(header_time, crowded)),
            (ConnectionPhase::Idle, _) => (state.since, shortened(idle_time, crowded)),
            (ConnectionPhase::Busy | ConnectionPhase::Writing, None) => return false,
            (ConnectionPhase::Busy | ConnectionPhase::Writing, Some(stuck)) => (stuck, idle_time),
        };
        since.elapsed() > limit
    }
}

impl ConnectionState {
    fn enter(&mut self, phase: ConnectionPhase) {
        self.phase = phase;
        self.since = Instant::now();
    }

    fn follows(&mut self, follows: Follows) {
        self.framing.follows(follows);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// What is left of a limit where many connections are open: all of it up to half of them, then less, to a second.
fn shortened(limit: Duration, crowded: f64) -> Duration {
    let part = (2.0 - 2.0 * crowded).clamp(0.0, 1.0);
    limit.min(limit.mul_f64(part).max(SHORTEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_may_rest_less_and_less_long_when_many_are_open() {
        let minute = Duration::from_mins(1);
        for (crowded, left) in [(0.0, 60), (0.5, 60), (0.75, 30), (0.875, 15), (1.0, 1), (1.2, 1)] {
            assert_eq!(shortened(minute, crowded).as_secs(), left, "{crowded}");
        }
        let short = Duration::from_millis(300);
        assert_eq!(shortened(short, 1.0), short, "it never becomes longer");
    }
}
