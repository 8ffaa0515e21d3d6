//! A fake world: instances on raw sockets that do what a test tells them and note what they executed, and a client
//! that sends exactly the bytes it is given.

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use test_basics::{LIMIT, eventually_async};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::balancer::{Balancer, Config, InstanceId, Routing, State};

/// A configuration that suits tests: two threads, so that what they share is exercised.
pub(super) fn config(routing: Routing) -> Config {
    Config { routing, threads: 2, ..Config::new([7; 32]) }
}

/// One under which bodies of requests stream from their first byte.
pub(super) fn streaming() -> Config {
    let mut config = config(Routing::RoundRobin);
    config.limits.body.buffer = 0;
    config
}

/// A balancer on a free port.
pub(super) fn balancer(config: Config) -> Balancer {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    Balancer::start(listener, config).expect("the balancer starts")
}

/// Adds instances and waits until all of them are healthy.
pub(super) async fn add_healthy(balancer: &Balancer, fakes: &[&Fake]) -> Vec<InstanceId> {
    let ids: Vec<_> =
        fakes.iter().enumerate().map(|(at, fake)| balancer.add(&format!("i{at}"), fake.address, None)).collect();
    for id in &ids {
        until_state(balancer, *id, State::Healthy).await;
    }
    ids
}

pub(super) async fn until_state(balancer: &Balancer, id: InstanceId, state: State) {
    eventually_async(&format!("{id:?} becomes {state:?}"), async || state_of(balancer, id) == Some(state)).await;
}

pub(super) fn state_of(balancer: &Balancer, id: InstanceId) -> Option<State> {
    balancer.instances().iter().find(|one| one.id == id).map(|one| one.state)
}

/// What an instance does with a request, one step after the other.
#[derive(Clone)]
pub(super) enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Waits until the test rings.
    Wait(Arc<Notify>),
    /// Ends the connection in an orderly way.
    Close,
    /// Ends it with a reset.
    Reset,
    /// Sends back every byte that comes, until the other side ends.
    Echo,
}

pub(super) fn never() -> Step {
    Step::Wait(Arc::new(Notify::new()))
}

/// A request as an instance saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) trailers: String,
    /// The body came to its end; only then does an instance execute the request.
    pub(super) whole: bool,
    /// On which of its connections, and as which request of it; both from 0.
    pub(super) connection: usize,
    pub(super) nth: usize,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter().filter(|(one, _)| one.eq_ignore_ascii_case(name));
        let value = all.next().map(|(_, value)| value.as_str());
        assert!(all.next().is_none(), "{name} is there more than once: {self:?}");
        value
    }

    pub(super) fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or("")
    }
}

type Behaviour = dyn Fn(&Seen) -> Vec<Step> + Send + Sync;

/// When an instance decides what to do: as soon as it has the head, or the whole request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Decides {
    AtTheHead,
    AtTheEnd,
}

/// An instance on a raw socket.
pub(super) struct Fake {
    pub(super) address: SocketAddr,
    pub(super) seen: Arc<Mutex<Vec<Seen>>>,
    pub(super) open: Arc<AtomicUsize>,
    serving: tokio::task::JoinHandle<()>,
}

impl Fake {
    /// An instance that answers 200 with its name to everything.
    pub(super) async fn plain(name: &'static str) -> Fake {
        Fake::new(move |_| vec![ok(name)]).await
    }

    /// An instance that decides when it has read a whole request.
    pub(super) async fn new(behave: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Fake {
        Fake::start(Decides::AtTheEnd, behave).await
    }

    /// An instance that decides when it has read a head; it reads the body after its steps.
    pub(super) async fn hasty(behave: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Fake {
        Fake::start(Decides::AtTheHead, behave).await
    }

    async fn start(decides: Decides, behave: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has free ports");
        let address = listener.local_addr().expect("a listener has an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let open = Arc::new(AtomicUsize::new(0));
        let behave: Arc<Behaviour> = Arc::new(behave);
        let (notes, counter) = (Arc::clone(&seen), Arc::clone(&open));
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                let (behave, notes, counter) = (Arc::clone(&behave), Arc::clone(&notes), Arc::clone(&counter));
                counter.fetch_add(1, Ordering::SeqCst);
                let this = number;
                connections.spawn(async move {
                    // However the connection ends: the test looks at what was noted.
                    let _ = serve(stream, this, decides, &*behave, &notes).await;
                    counter.fetch_sub(1, Ordering::SeqCst);
                });
                number += 1;
            }
        });
        Fake { address, seen, open, serving }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panics with this lock").clone()
    }

    /// Requests whose body came to its end.
    pub(super) fn executed(&self) -> usize {
        self.seen().iter().filter(|one| one.whole).count()
    }

    /// Like a process that is killed: the port is closed, and so are all connections.
    pub(super) async fn kill(self) {
        self.serving.abort();
        let _ = self.serving.await;
    }
}

/// A whole answer with a length.
pub(super) fn ok(body: &str) -> Step {
    Step::Send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

pub(super) fn raw(bytes: &str) -> Step {
    Step::Send(bytes.as_bytes().to_vec())
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    decides: Decides,
    behave: &Behaviour,
    notes: &Mutex<Vec<Seen>>,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    for nth in 0.. {
        let Some(end) = read_until(&mut stream, &mut buffer, b"\r\n\r\n").await? else {
            return Ok(());
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end);
        let (line, headers) = parse_head(&head);
        let mut seen = Seen { line, headers, body: Vec::new(), trailers: String::new(), whole: false, connection, nth };
        let at = {
            let mut notes = notes.lock().expect("no test panics with this lock");
            notes.push(seen.clone());
            notes.len() - 1
        };
        if decides == Decides::AtTheHead && !take_steps(&mut stream, &mut buffer, behave(&seen)).await? {
            return Ok(());
        }
        read_body(&mut stream, &mut buffer, &mut seen).await?;
        notes.lock().expect("no test panics with this lock")[at] = seen.clone();
        if decides == Decides::AtTheEnd && !take_steps(&mut stream, &mut buffer, behave(&seen)).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Returns whether the connection goes on.
async fn take_steps(stream: &mut TcpStream, buffer: &mut Vec<u8>, steps: Vec<Step>) -> io::Result<bool> {
    for step in steps {
        match step {
            Step::Send(bytes) => stream.write_all(&bytes).await?,
            Step::Wait(bell) => {
                // A client that is gone ends the wait.
                tokio::select! {
                    () = bell.notified() => {}
                    gone = until_closed(stream, buffer) => gone?,
                }
            }
            Step::Close => {
                stream.shutdown().await?;
                return Ok(false);
            }
            Step::Reset => {
                stream.set_zero_linger()?;
                return Ok(false);
            }
            Step::Echo => loop {
                let mut bytes = std::mem::take(buffer);
                if bytes.is_empty() {
                    bytes.resize(4096, 0);
                    let count = stream.read(&mut bytes).await?;
                    bytes.truncate(count);
                }
                if bytes.is_empty() {
                    return Ok(false);
                }
                stream.write_all(&bytes).await?;
            },
        }
    }
    Ok(true)
}

async fn until_closed(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    while read_more(stream, buffer).await? > 0 {}
    Err(io::ErrorKind::ConnectionReset.into())
}

async fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
    stream.read_buf(buffer).await
}

/// The end of the first `mark` in the stream; `None`: the stream ended before.
async fn read_until(stream: &mut TcpStream, buffer: &mut Vec<u8>, mark: &[u8]) -> io::Result<Option<usize>> {
    loop {
        if let Some(at) = buffer.windows(mark.len()).position(|window| window == mark) {
            return Ok(Some(at + mark.len()));
        }
        if read_more(stream, buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn parse_head(head: &str) -> (String, Vec<(String, String)>) {
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next().unwrap_or("").to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    (line, headers)
}

async fn read_body(stream: &mut TcpStream, buffer: &mut Vec<u8>, seen: &mut Seen) -> io::Result<()> {
    if seen.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        let Some((body, trailers)) = read_chunks(stream, buffer).await? else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        seen.body = body;
        seen.trailers = trailers;
    } else if let Some(length) = seen.header("content-length") {
        let length: usize = length.parse().expect("the balancer sends valid lengths");
        while buffer.len() < length {
            if read_more(stream, buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        seen.body = buffer.drain(..length).collect();
    }
    seen.whole = true;
    Ok(())
}

/// The content of a chunked body and its trailers; `None`: the stream ended before.
async fn read_chunks(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<(Vec<u8>, String)>> {
    let mut body = Vec::new();
    loop {
        let Some(end) = read_until(stream, buffer, b"\r\n").await? else {
            return Ok(None);
        };
        let line = String::from_utf8_lossy(&buffer[..end]).trim().to_owned();
        buffer.drain(..end);
        let size = usize::from_str_radix(line.split(';').next().unwrap_or(""), 16).expect("chunk sizes are valid");
        if size == 0 {
            let mut trailers = String::new();
            loop {
                let Some(end) = read_until(stream, buffer, b"\r\n").await? else {
                    return Ok(None);
                };
                let line = String::from_utf8_lossy(&buffer[..end]).trim().to_owned();
                buffer.drain(..end);
                if line.is_empty() {
                    return Ok(Some((body, trailers)));
                }
                writeln!(trailers, "{line}").expect("a String takes everything");
            }
        }
        while buffer.len() < size + 2 {
            if read_more(stream, buffer).await? == 0 {
                return Ok(None);
            }
        }
        body.extend(buffer.drain(..size));
        buffer.drain(..2);
    }
}

/// An answer as a client saw it.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    pub(super) trailers: String,
    /// It came to its end; an end of the connection does not count as one.
    pub(super) whole: bool,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The word of an answer that the balancer made itself.
    pub(super) fn error(&self) -> Option<&str> {
        self.header("x-fungible-error")
    }

    /// The `name=value` of a cookie that the answer sets.
    pub(super) fn cookie(&self) -> Option<String> {
        self.header("set-cookie").and_then(|value| value.split(';').next()).map(str::to_owned)
    }
}

/// A client on a raw socket.
pub(super) struct Raw {
    pub(super) stream: TcpStream,
    pub(super) buffer: Vec<u8>,
}

impl Raw {
    pub(super) async fn connect(balancer: &Balancer) -> Raw {
        Raw::to(balancer.local_addr()).await
    }

    /// A client at another loopback address: 127.0.0.`last`.
    pub(super) async fn from(balancer: &Balancer, last: u8) -> Raw {
        let socket = TcpSocket::new_v4().expect("a socket can be made");
        socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into()).expect("all of 127/8 is ours");
        let stream = socket.connect(balancer.local_addr()).await.expect("the balancer accepts");
        Raw { stream, buffer: Vec::new() }
    }

    pub(super) async fn to(address: SocketAddr) -> Raw {
        let stream = TcpStream::connect(address).await.expect("the balancer accepts");
        stream.set_nodelay(true).expect("a socket takes this option");
        Raw { stream, buffer: Vec::new() }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("the balancer reads");
    }

    /// Sends a request without a body and reads its answer.
    pub(super) async fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, "", "").await
    }

    pub(super) async fn post(&mut self, target: &str, body: &str) -> Answer {
        self.ask("POST", target, "", body).await
    }

    /// `extra`: header lines, each with its end.
    pub(super) async fn ask(&mut self, method: &str, target: &str, extra: &str, body: &str) -> Answer {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{extra}{length}\r\n{body}")).await;
        self.answer_to(method).await.expect("an answer comes")
    }

    pub(super) async fn answer(&mut self) -> Option<Answer> {
        self.answer_to("GET").await
    }

    /// The head of an answer: its status and fields; `None`: the connection ended without one.
    pub(super) async fn head(&mut self) -> Option<(u16, Vec<(String, String)>)> {
        let reading = read_until(&mut self.stream, &mut self.buffer, b"\r\n\r\n");
        let end = tokio::time::timeout(LIMIT, reading).await.expect("an answer comes in time").ok().flatten()?;
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end);
        let (line, headers) = parse_head(&head);
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status line");
        Some((status, headers))
    }

    /// `None`: the connection ended without an answer.
    pub(super) async fn answer_to(&mut self, method: &str) -> Option<Answer> {
        let (status, headers) = self.head().await?;
        let mut answer = Answer { status, headers, body: String::new(), trailers: String::new(), whole: true };
        if method == "HEAD" || status == 204 || status == 304 || status == 101 {
            return Some(answer);
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            match tokio::time::timeout(LIMIT, read_chunks(&mut self.stream, &mut self.buffer)).await.expect("in time") {
                Ok(Some((body, trailers))) => {
                    answer.body = String::from_utf8_lossy(&body).into_owned();
                    answer.trailers = trailers;
                }
                Ok(None) | Err(_) => answer.whole = false,
            }
        } else if let Some(length) = answer.header("content-length") {
            let length: usize = length.parse().expect("a length");
            while self.buffer.len() < length {
                if !matches!(self.more().await, Ok(1..)) {
                    answer.whole = false;
                    return Some(answer);
                }
            }
            answer.body = String::from_utf8_lossy(&self.buffer.drain(..length).collect::<Vec<_>>()).into_owned();
        } else {
            // Its end is the end of the connection; a reset is none.
            loop {
                match self.more().await {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(_) => {
                        answer.whole = false;
                        break;
                    }
                }
            }
            answer.body = String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned();
        }
        Some(answer)
    }

    /// Reads on until these bytes are there.
    pub(super) async fn until(&mut self, wanted: &str) {
        let reading = read_until(&mut self.stream, &mut self.buffer, wanted.as_bytes());
        let found = tokio::time::timeout(LIMIT, reading).await.expect("in time").expect("no error");
        assert!(found.is_some(), "{wanted} never came");
    }

    /// Reads on until these bytes are there, and takes them with all before them.
    pub(super) async fn take_until(&mut self, wanted: &str) {
        let reading = read_until(&mut self.stream, &mut self.buffer, wanted.as_bytes());
        let end = tokio::time::timeout(LIMIT, reading).await.expect("in time").expect("no error");
        self.buffer.drain(..end.expect("these bytes come"));
    }

    /// All that comes until the other side ends the connection.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        self.read_to_end().await;
        std::mem::take(&mut self.buffer)
    }

    /// Whether the other side has ended the connection, with nothing more to read.
    pub(super) async fn is_closed(&mut self) -> bool {
        matches!(self.more().await, Ok(0) | Err(_))
    }

    /// Whether the other side ends the connection, whatever it says before.
    pub(super) async fn read_to_end(&mut self) -> bool {
        while matches!(self.more().await, Ok(1..)) {}
        true
    }

    /// Reads something; 0: the connection has ended.
    pub(super) async fn read(&mut self) -> io::Result<usize> {
        read_more(&mut self.stream, &mut self.buffer).await
    }

    async fn more(&mut self) -> io::Result<usize> {
        let reading = read_more(&mut self.stream, &mut self.buffer);
        tokio::time::timeout(LIMIT, reading).await.expect("something comes in time")
    }
}
