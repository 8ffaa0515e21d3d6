//! An HTTP/2 client that writes its frames by hand.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{connect, trusting};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// How a server reacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// GOAWAY with this code.
    ConnectionError(u32),
    /// `RST_STREAM` with this code.
    StreamError(u32),
    /// A response began, with this status.
    Response(u16),
    /// It closed the connection without a word.
    Closed,
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    [&length.to_be_bytes()[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field as HPACK writes it without compression.
pub(super) fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// The fields of a request.
pub(super) fn fields(all: &[(&str, &str)]) -> Vec<u8> {
    all.iter().flat_map(|(name, value)| field(name, value)).collect()
}

pub(super) const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "https"), (":authority", "a.example"), (":path", "/echo")];

/// A whole request without a body.
pub(super) fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields(&GET))
}

/// The status in the fields of a response: its place in the static table of HPACK, or as text behind that place.
fn status(fields: &[u8]) -> u16 {
    const PLACES: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    let fields = &fields[fields.iter().position(|byte| byte & 0xe0 != 0x20).unwrap()..];
    match fields[0] {
        place @ 0x88..=0x8e => PLACES[usize::from(place - 0x88)],
        other => panic!("a status that this client cannot read: {other:x}"),
    }
}

pub(super) struct Frames {
    stream: TlsStream<TcpStream>,
}

impl Frames {
    /// A connection on which nothing was sent.
    pub(super) async fn open(to: SocketAddr, pem: &str) -> Frames {
        Frames { stream: connect(to, &trusting(&[pem], &["h2"]), "a.example").await.unwrap() }
    }

    /// A connection that is ready for requests.
    pub(super) async fn connect(to: SocketAddr, pem: &str) -> Frames {
        let mut frames = Frames::open(to, pem).await;
        frames.send(&[PREFACE, &frame(SETTINGS, 0, 0, b"")].concat()).await;
        frames
    }

    /// Sends these bytes. A server that does not take all of them has said why before.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// Kind, flags, stream and payload of the next frame; `None`: the connection has ended.
    pub(super) async fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let length = head[..3].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes(*head[5..].first_chunk().unwrap());
        Some((head[3], head[4], stream, payload))
    }

    /// The first reaction of the server.
    pub(super) async fn reaction(&mut self) -> Reaction {
        let code = |payload: &[u8], at: usize| u32::from_be_bytes(*payload[at..].first_chunk().unwrap());
        let reading = async {
            loop {
                match self.next().await {
                    None => return Reaction::Closed,
                    Some((GOAWAY, _, _, payload)) => return Reaction::ConnectionError(code(&payload, 4)),
                    Some((RST_STREAM, _, _, payload)) => return Reaction::StreamError(code(&payload, 0)),
                    Some((HEADERS, _, _, payload)) => return Reaction::Response(status(&payload)),
                    Some(_) => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), reading).await.expect("a reaction comes")
    }
}
