//! The socket of a client, and the sweep that closes connections which exceed a time limit. One timer per worker serves
//! all connections, where hyper would need a timer per request, and idle connections get a longer limit than slow
//! heads. It knows nothing of requests.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;

use super::progress::ConnectionProgress;
use super::tracked::Tracked;

/// How often at most all connections are searched for idle ones.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// What carries the bytes of a client: a socket, or TLS over one.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin {
    /// A reset will end it instead of an orderly end. If that cannot be arranged, it is closed anyway.
    fn ends_by_reset(&self);

    /// Pending until there may be something to read, be it the end. Nothing that was read before may be left.
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()>;
}

impl Transport for TcpStream {
    fn ends_by_reset(&self) {
        let _ = self.set_zero_linger();
    }

    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        // Whoever reads then gets the error, if there is one.
        self.poll_read_ready(context).map(drop)
    }
}

impl Transport for TlsStream<TcpStream> {
    fn ends_by_reset(&self) {
        self.get_ref().0.ends_by_reset();
    }

    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        self.get_ref().0.poll_readable(context)
    }
}

/// The bytes of an HTTP/1 client. It tracks the progress of the connection, and passes on what it reads only up to the
/// end of a head.
#[derive(Debug)]
pub(crate) struct ClientStream<S: Transport> {
    stream: S,
    progress: Arc<ConnectionProgress>,
    /// Bytes after the end of a head, for the next reads.
    held: BytesMut,
}

impl<S: Transport> ClientStream<S> {
    /// Wraps the transport of a new connection.
    pub(crate) fn new(stream: S, progress: Arc<ConnectionProgress>) -> ClientStream<S> {
        ClientStream { stream, progress, held: BytesMut::new() }
    }

    /// Pending until there may be something to read, be it the end.
    pub(crate) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        if !self.held.is_empty() {
            return Poll::Ready(());
        }
        self.stream.poll_readable(context)
    }
}

impl<S: Transport> AsyncRead for ClientStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let ClientStream { stream, progress, held } = self.get_mut();
        ready!(progress.poll_may_read(context));
        if !held.is_empty() {
            let wanted = held.len().min(buffer.remaining());
            let passed = progress.received(&held[..wanted])?;
            buffer.put_slice(&held[..passed]);
            held.advance(passed);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(stream).poll_read(context, buffer))?;
        let came = &buffer.filled()[before..];
        if came.is_empty() && buffer.remaining() > 0 {
            return progress.poll_may_end(context).map(Ok);
        }
        let passed = progress.received(came);
        let good = *passed.as_ref().unwrap_or(&0);
        held.extend_from_slice(&came[good..]);
        buffer.set_filled(before + good);
        Poll::Ready(passed.map(drop))
    }
}

impl<S: Transport> AsyncWrite for ClientStream<S> {
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

    /// hyper calls it when it has written everything.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        // TLS accepts a write that the socket has no room for, and waits here.
        self.progress.wrote(flushed.is_ready());
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.progress.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.progress.is_cut_off() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: Transport> Drop for ClientStream<S> {
    fn drop(&mut self) {
        if self.progress.is_cut_off() {
            self.stream.ends_by_reset();
        }
    }
}

/// So many connections of a worker keep their buffers while they rest. Beyond it, those that woke first give theirs back as soon
/// as they rest: else thousands of clients that come in a rush would make this process large for good.
const MOST_AWAKE: usize = 128;

/// The client connections of one worker.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    next: RefCell<u64>,
    open: RefCell<HashMap<u64, Open>>,
    /// The connections that have buffers, in the order in which they woke; and some that have none any more.
    awake: RefCell<VecDeque<u64>>,
    /// The connections that were idle at the last search, and since when, the longest first.
    idle: RefCell<VecDeque<(Instant, u64)>>,
    /// When the last search was.
    looked: Cell<Option<Instant>>,
}

#[derive(Debug)]
struct Open {
    progress: Tracked,
    /// Wakes the task that drives the connection.
    waker: Waker,
    /// Whether it stands in the list of those that have buffers.
    listed: Cell<bool>,
}

impl Clients {
    /// Registers a connection; `waker` wakes the task that drives it. Returns its number.
    pub(crate) fn enter(&self, progress: &Tracked, waker: &Waker) -> u64 {
        let mut next = self.next.borrow_mut();
        *next += 1;
        self.open
            .borrow_mut()
            .insert(*next, Open { progress: progress.clone(), waker: waker.clone(), listed: Cell::new(false) });
        *next
    }

    /// Removes a connection that has ended.
    pub(crate) fn leave(&self, number: u64) {
        self.open.borrow_mut().remove(&number);
    }

    /// Records that a connection got its buffers, and lets those give theirs back that have had them longest.
    pub(crate) fn wakes(&self, number: u64) {
        let (open, mut awake) = (self.open.borrow(), self.awake.borrow_mut());
        if open.get(&number).is_some_and(|one| !one.listed.replace(true)) {
            awake.push_back(number);
        }
        // Two for one, so that after a rush there are soon no more of them than that.
        for _ in 0..2 {
            let Some(oldest) = (awake.len() > MOST_AWAKE).then(|| awake.pop_front()).flatten() else { return };
            let Some(one) = open.get(&oldest) else { continue };
            one.listed.set(false);
            if one.progress.tires(Duration::ZERO) {
                one.waker.wake_by_ref();
            } else if one.progress.is_awake() {
                one.listed.set(true);
                awake.push_back(oldest);
            }
        }
    }

    /// Closes connections that exceed a time limit, and lets idle ones give their buffers back. `crowded`: the fraction of the connection limit that is in use.
    pub(crate) fn sweep(&self, header_time: Duration, idle_time: Duration, read_time: Duration, crowded: f64) {
        for one in self.open.borrow().values() {
            if one.progress.sweep(header_time, idle_time, read_time, crowded) {
                one.waker.wake_by_ref();
            }
        }
    }

    /// Closes the connection that is idle longest. Returns whether there was one.
    pub(crate) fn close_longest_idle(&self) -> bool {
        if self.close_next_idle() {
            return true;
        }
        // With many connections, searching all of them each time would cost too much.
        if self.looked.get().is_some_and(|looked| looked.elapsed() < BETWEEN_LOOKS) {
            return false;
        }
        self.looked.set(Some(Instant::now()));
        let open = self.open.borrow();
        let mut all: Vec<(Instant, u64)> =
            open.iter().filter_map(|(number, one)| Some((one.progress.idle_since()?, *number))).collect();
        all.sort_unstable();
        *self.idle.borrow_mut() = all.into();
        drop(open);
        self.close_next_idle()
    }

    fn close_next_idle(&self) -> bool {
        let (open, mut idle) = (self.open.borrow(), self.idle.borrow_mut());
        while let Some((since, number)) = idle.pop_front() {
            if let Some(one) = open.get(&number).filter(|one| one.progress.idle_since() == Some(since)) {
                one.progress.close();
                one.waker.wake_by_ref();
                return true;
            }
        }
        false
    }

    /// Wakes all connections, so that they notice that the balancer stops.
    pub(crate) fn wake_all(&self) {
        for one in self.open.borrow().values() {
            one.waker.wake_by_ref();
        }
    }

    /// Whether no connection is open.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.borrow().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::framing::Follows;
    use super::*;

    #[test]
    fn connections_that_are_always_busy_stand_once_in_the_list_of_those_with_buffers() {
        let clients = Clients::default();
        let open = || {
            let progress = Arc::new(ConnectionProgress::new(true));
            let number = clients.enter(&Tracked::Http1(Arc::clone(&progress)), Waker::noop());
            (progress, number)
        };
        let all: Vec<_> = (0..200).map(|_| open()).collect();
        for _ in 0..50 {
            for (progress, number) in &all {
                progress.wakes();
                progress.head_is_there(Follows::Length(0));
                clients.wakes(*number);
                assert!(clients.awake.borrow().len() <= all.len());
            }
        }
    }
}
