//! A client's connection: how far it is, and the sweep that closes those that dawdle. One timer per thread does for
//! all connections what hyper would do with a timer per request, and it lets idle connections live longer than a
//! slow head may take. It knows nothing of requests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::config::Limits;

/// Between two requests.
const RESTING: u8 = 0;
/// Some of a request's head is there, or the connection is new.
const HEAD: u8 = 1;
/// A request is being answered.
const BUSY: u8 = 2;

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
        }
    }

    fn enter(&self, phase: u8) {
        self.phase.store(phase, Ordering::Relaxed);
        self.since.store(self.now(), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A request's head is complete.
    pub(super) fn head_is_there(&self) {
        self.phase.store(BUSY, Ordering::Relaxed);
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

    fn is_too_slow(&self, limits: &Limits) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        let (since, limit) = match (self.phase.load(Ordering::Relaxed), self.stuck.load(Ordering::Relaxed)) {
            (HEAD, _) => (since, limits.header_time),
            (RESTING, _) => (since, limits.idle_time),
            (_, 0) => return false,
            (_, stuck) => (stuck, limits.idle_time),
        };
        u128::from(self.now().saturating_sub(since)) > limit.as_millis()
    }
}

/// A client's socket that notes its progress.
#[derive(Debug)]
pub(super) struct ClientStream {
    pub(super) stream: TcpStream,
    pub(super) progress: Arc<Progress>,
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.progress.received();
        }
        result
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
    open: RefCell<HashMap<u64, (Arc<Progress>, Waker)>>,
}

impl Clients {
    /// Notes a connection; `waker` wakes the task that drives it.
    pub(super) fn enter(&self, progress: &Arc<Progress>, waker: &Waker) -> u64 {
        let mut next = self.next.borrow_mut();
        *next += 1;
        self.open.borrow_mut().insert(*next, (Arc::clone(progress), waker.clone()));
        *next
    }

    /// Forgets a connection that has ended.
    pub(super) fn leave(&self, number: u64) {
        self.open.borrow_mut().remove(&number);
    }

    /// Tells those that take too long to end.
    pub(super) fn sweep(&self, limits: &Limits) {
        for (progress, waker) in self.open.borrow().values() {
            if progress.is_too_slow(limits) {
                progress.dawdles.store(true, Ordering::Relaxed);
                waker.wake_by_ref();
            }
        }
    }

    /// Wakes all, so that they see that the balancer stops.
    pub(super) fn wake_all(&self) {
        for (_, waker) in self.open.borrow().values() {
            waker.wake_by_ref();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.borrow().is_empty()
    }
}
