//! Tracks the progress of a client connection, and whether it exceeds a time limit. It knows no sockets.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::framing::{Follows, Framing};

/// No limit becomes shorter than this, however many connections there are.
const SHORTEST: Duration = Duration::from_secs(1);

/// The phase of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionPhase {
    /// Between two requests.
    Idle,
    /// A part of a head has arrived, or the connection is new.
    Head,
    /// A request is being handled.
    Busy,
    /// The response is complete, except for what is still to be written.
    Writing,
}

/// Whether a connection has what it takes to read a request: buffers, and the parser that fills them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sleep {
    Awake,
    /// It is to give that back, unless a request begins.
    Due,
    Asleep,
}

/// The progress of a connection. Only one worker uses it; the lock is there because hyper requires connections to be
/// `Send`.
#[derive(Debug)]
pub(crate) struct ConnectionProgress(Mutex<ConnectionState>);

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct ConnectionState {
    phase: ConnectionPhase,
    /// When the phase began.
    since: Instant,
    sleep: Sleep,
    /// Since when the client has accepted nothing of what we write.
    stuck: Option<Instant>,
    /// It is to be closed, because of a time limit or to make room.
    closing: bool,
    /// It is to be closed with a reset, so that the client does not take an incomplete response for complete.
    cut_off: bool,
    framing: Framing,
    /// A client that ended its side after a request still gets the response.
    half_close: bool,
    /// The request waits for an instance.
    held: bool,
    /// Whether a request has no complete response yet, and whether some of a response may not be written yet.
    unanswered: bool,
    unwritten: bool,
    /// Wakes the reader when it is known what follows a head, or when the end of the client's side counts.
    waker: Option<Waker>,
}

/// As long as it lives, the request of a connection waits for an instance.
#[derive(Debug)]
pub(crate) struct HeldRequest<'p>(&'p ConnectionProgress);

impl Drop for HeldRequest<'_> {
    fn drop(&mut self) {
        self.0.state().held = false;
    }
}

impl ConnectionProgress {
    /// The progress of a new connection. `half_close`: a client may end its side after its request, and still wait for the
    /// response (RFC 9112, section 9.6). Whoever wants to know when a client leaves cannot allow that: both look alike
    /// until something is sent to it.
    pub(crate) fn new(half_close: bool) -> ConnectionProgress {
        ConnectionProgress(Mutex::new(ConnectionState {
            phase: ConnectionPhase::Head,
            since: Instant::now(),
            sleep: Sleep::Asleep,
            stuck: None,
            closing: false,
            cut_off: false,
            framing: Framing::new(),
            half_close,
            held: false,
            unanswered: false,
            unwritten: false,
            waker: None,
        }))
    }

    fn state(&self) -> MutexGuard<'_, ConnectionState> {
        // No code that holds this lock panics in the middle of a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The head of a request is complete, and this follows.
    pub(crate) fn head_is_there(&self, follows: Follows) {
        let mut state = self.state();
        state.phase = ConnectionPhase::Busy;
        (state.unanswered, state.unwritten) = (true, true);
        state.follows(follows);
    }

    /// The client switches to another protocol.
    pub(crate) fn changes_protocol(&self) {
        self.state().follows(Follows::AnotherProtocol);
    }

    /// The response is complete, except for what is still to be written.
    pub(crate) fn answered(&self) {
        let mut state = self.state();
        state.phase = ConnectionPhase::Writing;
        state.unanswered = false;
    }

    /// Everything has been written.
    pub(super) fn flushed(&self) {
        let mut state = self.state();
        state.unwritten &= state.unanswered;
        if state.phase == ConnectionPhase::Writing {
            state.enter(ConnectionPhase::Idle);
            if let Some(waker) = state.waker.take() {
                waker.wake();
            }
        }
    }

    /// Marks the connection to be closed with a reset, because a response is incomplete.
    pub(crate) fn cut_off(&self) {
        self.state().cut_off = true;
    }

    /// Whether it is to be closed with a reset.
    pub(super) fn is_cut_off(&self) -> bool {
        self.state().cut_off
    }

    /// Marks the connection to be closed.
    pub(super) fn close(&self) {
        self.state().closing = true;
    }

    /// Whether the connection is to be closed.
    pub(crate) fn is_closing(&self) -> bool {
        self.state().closing
    }

    /// Pending while it is unknown what follows the head that has ended; nothing may be read until then.
    pub(super) fn poll_may_read(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if !state.framing.head_has_ended() {
            return Poll::Ready(());
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// The request waits for an instance until the value that this returns is dropped. A client that ended its side
    /// meanwhile counts as gone, because places to wait are few.
    pub(crate) fn hold(&self) -> HeldRequest<'_> {
        let mut state = self.state();
        state.held = true;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        HeldRequest(self)
    }

    /// Pending while the end of the client's side does not count, because it still gets the response to its request.
    pub(super) fn poll_may_end(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        let answering = matches!(state.phase, ConnectionPhase::Busy | ConnectionPhase::Writing);
        if !(state.half_close && answering && !state.held && state.framing.is_between_requests()) {
            return Poll::Ready(());
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Parses bytes that were read. Returns how many may be passed on.
    ///
    /// # Errors
    /// When they are malformed.
    pub(super) fn received(&self, data: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        let passed = state.framing.read(data)?;
        if passed > 0 && matches!(state.phase, ConnectionPhase::Idle | ConnectionPhase::Writing) {
            state.enter(ConnectionPhase::Head);
        }
        Ok(passed)
    }

    /// Records a write; `taken`: the client accepted something.
    pub(super) fn wrote(&self, taken: bool) {
        let mut state = self.state();
        if taken {
            state.stuck = None;
        } else {
            state.stuck.get_or_insert_with(Instant::now);
        }
    }

    /// Something has come, or the connection is to end: it gets what it takes to read.
    pub(crate) fn wakes(&self) {
        self.state().sleep = Sleep::Awake;
    }

    /// Whether it is time to give that back. To be called when nothing can be read.
    pub(crate) fn falls_asleep(&self) -> bool {
        let mut state = self.state();
        if state.sleep != Sleep::Due {
            return false;
        }
        let sleeps = state.is_between_requests();
        state.sleep = if sleeps { Sleep::Asleep } else { Sleep::Awake };
        sleeps
    }

    /// Whether it has what it takes to read, and keeps it.
    pub(super) fn is_awake(&self) -> bool {
        self.state().sleep == Sleep::Awake
    }

    /// Marks it to fall asleep if it has been between two requests for so long. Returns whether the task that drives it has to
    /// do so.
    pub(super) fn tires(&self, after: Duration) -> bool {
        let mut state = self.state();
        let is_due = state.sleep == Sleep::Awake && state.is_between_requests() && state.since.elapsed() >= after;
        if is_due {
            state.sleep = Sleep::Due;
        }
        is_due
    }

    /// Since when it has been idle or in an incomplete head, so that it may be closed; else `None`.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        let idle = matches!(state.phase, ConnectionPhase::Idle | ConnectionPhase::Head) && !state.closing;
        idle.then_some(state.since)
    }

    /// Marks it to be closed if it exceeds a time limit, and returns whether it does. `crowded`: the fraction of the connection
    /// limit that is in use, from 0 to 1.
    pub(super) fn closes_if_too_slow(
        &self,
        header_time: Duration,
        idle_time: Duration,
        read_time: Duration,
        crowded: f64,
    ) -> bool {
        let mut state = self.state();
        let (since, limit) = match (state.phase, state.stuck) {
            (ConnectionPhase::Head, _) => (state.since, shortened(header_time, crowded)),
            (ConnectionPhase::Idle, _) => (state.since, shortened(idle_time, crowded)),
            (ConnectionPhase::Busy | ConnectionPhase::Writing, None) => return false,
            (ConnectionPhase::Busy | ConnectionPhase::Writing, Some(stuck)) => (stuck, read_time),
        };
        let is_too_slow = since.elapsed() > limit;
        state.closing |= is_too_slow;
        // Else the system would keep what the client has not read, for as long as that takes.
        state.cut_off |= is_too_slow && state.stuck.is_some();
        is_too_slow
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

    /// All that was read belongs to requests whose responses were written completely.
    fn is_between_requests(&self) -> bool {
        let rests = matches!(self.phase, ConnectionPhase::Idle | ConnectionPhase::Head);
        rests && !self.unwritten && self.framing.is_between_requests()
    }
}

/// A time limit when many connections are open: unchanged up to half of the connection limit, then shorter, down to a
/// second.
pub(super) fn shortened(limit: Duration, crowded: f64) -> Duration {
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
