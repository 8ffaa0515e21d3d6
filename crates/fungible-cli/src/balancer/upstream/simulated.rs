//! A network without sockets, under the clock of its runtime, for simulations. Bytes take their time, connections are refused,
//! end and are reset as those of the system are. It belongs to one thread, and with the same seed it does the same again.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use test_basics::Random;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};

/// How long a byte may take at most, in milliseconds: one of these in a network.
const LONGEST_WAYS: [usize; 3] = [0, 1, 4];

thread_local! {
    static CURRENT: RefCell<Option<Network>> = const { RefCell::new(None) };
}

/// The network of the simulation that runs on this thread.
pub(crate) fn current() -> Option<Network> {
    CURRENT.with_borrow(Clone::clone)
}

/// A network. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub(crate) struct Network(Rc<RefCell<State>>);

#[derive(Debug)]
struct State {
    random: Random,
    /// The longest way of a byte, in milliseconds.
    longest_way: usize,
    listeners: BTreeMap<SocketAddr, mpsc::UnboundedSender<Stream>>,
    /// Who was asked for a connection last, and when.
    asked: BTreeMap<SocketAddr, Instant>,
}

/// As long as it lives, connections to instances are made in its network.
#[derive(Debug)]
pub(crate) struct Entered;

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

impl Network {
    /// A network without programs.
    pub(crate) fn new(mut random: Random) -> Network {
        let longest_way = LONGEST_WAYS[random.below(LONGEST_WAYS.len())];
        let (listeners, asked) = (BTreeMap::new(), BTreeMap::new());
        Network(Rc::new(RefCell::new(State { random, longest_way, listeners, asked })))
    }

    /// How long a byte and its answer take at most.
    pub(crate) fn longest_round_trip(&self) -> Duration {
        Duration::from_millis(2 * self.0.borrow().longest_way as u64)
    }

    /// From now on this thread is in this network.
    pub(crate) fn enter(&self) -> Entered {
        CURRENT.set(Some(self.clone()));
        Entered
    }

    /// A program listens here. It gets its connections in the order in which they were made, when it asks for them.
    pub(crate) fn listen(&self, address: SocketAddr) -> mpsc::UnboundedReceiver<Stream> {
        let (give, take) = mpsc::unbounded_channel();
        self.0.borrow_mut().listeners.insert(address, give);
        take
    }

    /// Nobody listens here any more.
    pub(crate) fn close(&self, address: SocketAddr) {
        self.0.borrow_mut().listeners.remove(&address);
    }

    /// When this address was asked for a connection last.
    pub(crate) fn asked(&self, address: SocketAddr) -> Option<Instant> {
        self.0.borrow().asked.get(&address).copied()
    }

    /// Connects to a program.
    pub(crate) async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        self.0.borrow_mut().asked.insert(address, Instant::now());
        let (ours, theirs) = self.pair();
        tokio::time::sleep(ours.way * 2).await;
        let state = self.0.borrow();
        let listener = state.listeners.get(&address).ok_or(io::ErrorKind::ConnectionRefused)?;
        listener.send(theirs).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(ours)
    }

    /// Both ends of a connection.
    pub(crate) fn pair(&self) -> (Stream, Stream) {
        let mut state = self.0.borrow_mut();
        let longest = state.longest_way;
        let way = Duration::from_millis(state.random.below(longest + 1) as u64);
        let (there, back) = (Pipe::default(), Pipe::default());
        (Stream::new(back.clone(), there.clone(), way), Stream::new(there, back, way))
    }
}

/// One direction of a connection.
#[derive(Clone, Debug, Default)]
struct Pipe(Arc<Mutex<PipeState>>);

#[derive(Debug, Default)]
struct PipeState {
    /// What is on its way, and when it arrives.
    due: VecDeque<(Instant, Event)>,
    reader: Option<Waker>,
    /// When nobody read any more.
    left: Option<Instant>,
}

#[derive(Debug)]
enum Event {
    Data(Bytes),
    End,
    Reset,
}

impl Pipe {
    fn state(&self) -> MutexGuard<'_, PipeState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing overtakes what was sent earlier.
    fn send(&self, event: Event, at: Instant) {
        let mut state = self.state();
        let at = state.due.back().map_or(at, |(last, _)| at.max(*last));
        state.due.push_back((at, event));
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Stream {
    incoming: Pipe,
    outgoing: Pipe,
    /// How long a byte takes.
    way: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    has_ended: bool,
    resets: AtomicBool,
}

impl Stream {
    fn new(incoming: Pipe, outgoing: Pipe, way: Duration) -> Stream {
        Stream { incoming, outgoing, way, timer: None, has_ended: false, resets: AtomicBool::new(false) }
    }

    /// When this is dropped, the other end sees a reset instead of an end.
    pub(crate) fn reset(&self) {
        self.resets.store(true, Ordering::Relaxed);
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let mut state = this.incoming.state();
            let Some((at, event)) = state.due.front_mut() else {
                state.reader = Some(context.waker().clone());
                return Poll::Pending;
            };
            if *at <= Instant::now() {
                let Event::Data(data) = event else {
                    let is_reset = matches!(event, Event::Reset);
                    return Poll::Ready(if is_reset { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) });
                };
                let count = data.len().min(buffer.remaining());
                buffer.put_slice(&data.split_to(count));
                if data.is_empty() {
                    state.due.pop_front();
                }
                return Poll::Ready(Ok(()));
            }
            let at = *at;
            drop(state);
            let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            timer.as_mut().reset(at);
            ready!(timer.as_mut().poll(context));
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let now = Instant::now();
        let left = self.outgoing.state().left;
        match left {
            Some(left) if left + self.way <= now => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            // The end of the other side is still on its way. It will answer these bytes with a reset.
            Some(_) => self.incoming.send(Event::Reset, now + self.way * 2),
            None => self.outgoing.send(Event::Data(Bytes::copy_from_slice(bytes)), now + self.way),
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.has_ended, true) {
            self.outgoing.send(Event::End, Instant::now() + self.way);
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut incoming = self.incoming.state();
        incoming.left = Some(now);
        // As the system does for bytes that nobody has read.
        let is_unread = incoming.due.iter().any(|(at, event)| *at <= now && matches!(event, Event::Data(_)));
        drop(incoming);
        if self.resets.load(Ordering::Relaxed) || is_unread {
            self.outgoing.send(Event::Reset, now + self.way);
        } else if !self.has_ended {
            self.outgoing.send(Event::End, now + self.way);
        }
    }
}
