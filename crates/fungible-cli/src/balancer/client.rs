//! A client's connection: how far it is, and the sweep that closes those that dawdle. One timer per thread does for
//! all connections what hyper would do with a timer per request, and it lets idle connections live longer than a
//! slow head may take. It knows nothing of requests.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::config::Limits;
use super::framing::{Follows, Framing};

/// Between two requests.
const RESTING: u8 = 0;
/// Some of a request's head is there, or the connection is new.
const HEAD: u8 = 1;
/// A request is being answered.
const BUSY: u8 = 2;

/// No limit becomes shorter than this, however many connections there are.
const SHORTEST: Duration = Duration::from_secs(1);

/// How far a connection is. Its parts are atomic because hyper wants a connection to be `Send`; one thread uses them.
#[derive(Debug)]
pub(super) struct Progress {
    born: Instant,
    phase: AtomicU8,
    /// Milliseconds after `born`.
    since: AtomicU64,
    /// Since when it takes none of what we write, as `since`; 0: it does.
    stuck: AtomicU64,
    dawdles: AtomicBool,
    cut_off: AtomicBool,
    reading: Mutex<Reading>,
}

/// How far what it sends was read.
#[derive(Debug)]
struct Reading {
    framing: Framing,
    /// Reads on when it is known what follows a head.
    waker: Option<Waker>,
}

impl Progress {
    pub(super) fn new() -> Progress {
        Progress {
            born: Instant::now(),
            phase: AtomicU8::new(HEAD),
            since: AtomicU64::new(0),
            stuck: AtomicU64::new(0),
            dawdles: AtomicBool::new(false),
            cut_off: AtomicBool::new(false),
            reading: Mutex::new(Reading { framing: Framing::new(), waker: None }),
        }
    }

    fn enter(&self, phase: u8) {
        self.phase.store(phase, Ordering::Relaxed);
        self.since.store(self.now(), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A request's head is complete, and this follows.
    pub(super) fn head_is_there(&self, follows: Follows) {
        self.phase.store(BUSY, Ordering::Relaxed);
        self.follows(follows);
    }

    /// What it sends from now on is no HTTP.
    pub(super) fn changes_protocol(&self) {
        self.follows(Follows::AnotherProtocol);
    }

    fn follows(&self, follows: Follows) {
        let mut reading = self.reading();
        reading.framing.follows(follows);
        if let Some(waker) = reading.waker.take() {
            waker.wake();
        }
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        // Nothing in here panics half way through a change.
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request has its answer, up to what is still to be written.
    pub(super) fn answered(&self) {
        self.enter(RESTING);
    }

    /// The connection must end so that nobody takes what was sent for all.
    pub(super) fn cut_off(&self) {
        self.cut_off.store(true, Ordering::Relaxed);
    }

    /// The sweep found it too slow.
    pub(super) fn dawdles(&self) -> bool {
        self.dawdles.load(Ordering::Relaxed)
    }

    fn received(&self) {
        if self.phase.load(Ordering::Relaxed) == RESTING {
            self.enter(HEAD);
        }
    }

    fn wrote(&self, done: bool) {
        let stuck = self.stuck.load(Ordering::Relaxed);
        if done {
            // While more of an answer is written, the rest after it begins anew.
            if self.phase.load(Ordering::Relaxed) == RESTING {
                self.enter(RESTING);
            }
            if stuck != 0 {
                self.stuck.store(0, Ordering::Relaxed);
            }
        } else if stuck == 0 {
            self.stuck.store(self.now().max(1), Ordering::Relaxed);
        }
    }

    /// Since when nothing is owed to it: it rests, or a head has not come to its end.
    fn idle_since(&self) -> Option<Instant> {
        let idle = self.phase.load(Ordering::Relaxed) != BUSY;
        idle.then(|| self.born + Duration::from_millis(self.since.load(Ordering::Relaxed)))
    }

    /// `crowded`: how much of the limit of connections is in use, from 0 to 1.
    fn is_too_slow(&self, limits: &Limits, crowded: f64) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        let (since, limit) = match (self.phase.load(Ordering::Relaxed), self.stuck.load(Ordering::Relaxed)) {
            (HEAD, _) => (since, shortened(limits.header_time, crowded)),
            (RESTING, _) => (since, shortened(limits.idle_time, crowded)),
            (_, 0) => return false,
            (_, stuck) => (stuck, limits.idle_time),
        };
        u128::from(self.now().saturating_sub(since)) > limit.as_millis()
    }
}

/// What is left of a limit where many connections are open: all of it up to half of them, then less, to a second.
fn shortened(limit: Duration, crowded: f64) -> Duration {
    let part = (2.0 - 2.0 * crowded).clamp(0.0, 1.0);
    limit.min(limit.mul_f64(part).max(SHORTEST))
}

/// A client's socket that notes its progress, and hands on what it reads up to the end of a head at most.
#[derive(Debug)]
pub(super) struct ClientStream {
    stream: TcpStream,
    progress: Arc<Progress>,
    /// What came behind the end of a head, for the next reads.
    held: BytesMut,
}

impl ClientStream {
    pub(super) fn new(stream: TcpStream, progress: Arc<Progress>) -> ClientStream {
        ClientStream { stream, progress, held: BytesMut::new() }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let ClientStream { stream, progress, held } = self.get_mut();
        let mut reading = progress.reading();
        if reading.framing.head_has_ended() {
            reading.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        if held.is_empty() {
            ready!(Pin::new(stream).poll_read(context, buffer))?;
            let came = &buffer.filled()[before..];
            let passed = reading.framing.read(came);
            let good = *passed.as_ref().unwrap_or(&0);
            held.extend_from_slice(&came[good..]);
            buffer.set_filled(before + good);
            passed?;
        } else {
            let wanted = held.len().min(buffer.remaining());
            let passed = reading.framing.read(&held[..wanted])?;
            buffer.put_slice(&held[..passed]);
            held.advance(passed);
        }
        drop(reading);
        if buffer.filled().len() > before {
            progress.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.progress.wrote(result.is_ready());
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.progress.wrote(result.is_ready());
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.progress.cut_off.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        if self.progress.cut_off.load(Ordering::Relaxed) {
            // A reset instead of an orderly end. If it fails, the connection is gone anyway.
            let _ = self.stream.set_zero_linger();
        }
    }
}

/// The client connections of one thread.
#[derive(Debug, Default)]
pub(super) struct Clients {
    next: RefCell<u64>,
    open: RefCell<HashMap<u64, Open>>,
    /// Those that were idle when it was looked last, and since when, the longest first.
    idle: RefCell<VecDeque<(Instant, u64)>>,
}

#[derive(Debug)]
struct Open {
    progress: Arc<Progress>,
    /// Wakes the task that drives it.
    waker: Waker,
}

impl Open {
    fn end(&self) {
        self.progress.dawdles.store(true, Ordering::Relaxed);
        self.waker.wake_by_ref();
    }
}

impl Clients {
    /// Notes a connection; `waker` wakes the task that drives it.
    pub(super) fn enter(&self, progress: &Arc<Progress>, waker: &Waker) -> u64 {
        let mut next = self.next.borrow_mut();
        *next += 1;
        self.open.borrow_mut().insert(*next, Open { progress: Arc::clone(progress), waker: waker.clone() });
        *next
    }

    /// Forgets a connection that has ended.
    pub(super) fn leave(&self, number: u64) {
        self.open.borrow_mut().remove(&number);
    }

    /// Tells those that take too long to end. `crowded`: how much of the limit of connections is in use.
    pub(super) fn sweep(&self, limits: &Limits, crowded: f64) {
        for one in self.open.borrow().values() {
            if one.progress.is_too_slow(limits, crowded) {
                one.end();
            }
        }
    }

    /// Tells the one that has been idle longest to end, if one is.
    pub(super) fn close_longest_idle(&self) {
        let open = self.open.borrow();
        let mut idle = self.idle.borrow_mut();
        // To look at all of them for each one that ends would cost too much where there are many.
        if !idle.iter().any(|(since, number)| is_idle_since(&open, *number, *since)) {
            let mut all: Vec<(Instant, u64)> = open
                .iter()
                .filter(|(_, one)| !one.progress.dawdles())
                .filter_map(|(number, one)| Some((one.progress.idle_since()?, *number)))
                .collect();
            all.sort_unstable();
            *idle = all.into();
        }
        while let Some((since, number)) = idle.pop_front() {
            if is_idle_since(&open, number, since)
                && let Some(one) = open.get(&number)
            {
                return one.end();
            }
        }
    }

    /// Wakes all, so that they see that the balancer stops.
    pub(super) fn wake_all(&self) {
        for one in self.open.borrow().values() {
            one.waker.wake_by_ref();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.borrow().is_empty()
    }
}

fn is_idle_since(open: &HashMap<u64, Open>, number: u64, since: Instant) -> bool {
    open.get(&number).is_some_and(|one| !one.progress.dawdles() && one.progress.idle_since() == Some(since))
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
