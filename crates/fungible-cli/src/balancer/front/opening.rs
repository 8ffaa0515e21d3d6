//! Opens a connection: reads the header of the PROXY protocol, shakes hands for TLS, and finds out which protocol
//! follows, within the time that a head may take. It knows nothing of requests.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::shared::{Door, Front};
use crate::balancer::client::{ConnectionProgress, ProxyHeader, Tracked};
use crate::balancer::proxy::ClientOrigin;

/// What an HTTP/2 connection without TLS begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The pause after a part of the preface has arrived, which the system has usually as a whole.
const REST_OF_PREFACE: Duration = Duration::from_millis(10);

/// An open connection.
#[derive(Debug)]
pub(super) enum Channel {
    /// HTTP/1 without TLS.
    Plain(TcpStream),
    /// HTTP/2 without TLS.
    PlainHttp2(TcpStream),
    /// TLS. It is large, hence the box.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Whether client and balancer have agreed on HTTP/2.
pub(super) fn is_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}

/// Opens a connection. `None`: it took too long, was closed to make room, or the balancer stops.
pub(super) async fn open(
    front: &Front,
    stream: TcpStream,
    address: SocketAddr,
    door: Door,
) -> Option<io::Result<(Channel, ClientOrigin)>> {
    let progress = Arc::new(ConnectionProgress::new(false));
    let mut opening = pin!(channel(front, stream, address, door));
    let mut number = None;
    poll_fn(|context| {
        let tracked = || Tracked::Http1(Arc::clone(&progress));
        let number = number.get_or_insert_with(|| front.clients.enter(&tracked(), context.waker()));
        let opened = if progress.is_closing() || front.stopping.get() {
            Poll::Ready(None)
        } else {
            opening.as_mut().poll(context).map(Some)
        };
        if opened.is_ready() {
            front.clients.leave(*number);
        }
        opened
    })
    .await
}

async fn channel(
    front: &Front,
    mut stream: TcpStream,
    address: SocketAddr,
    door: Door,
) -> io::Result<(Channel, ClientOrigin)> {
    let connecting = &front.context.config.connecting;
    let source = if connecting.proxy_protocol { read_source(&mut stream).await? } else { None };
    let plain = ClientOrigin { address: source.unwrap_or(address), secure: false };
    if door == Door::Redirect {
        return Ok((Channel::Plain(stream), plain));
    }
    if let Some(tls) = &front.tls {
        let stream = Box::new(tls.accept(stream).await?);
        return Ok((Channel::Tls(stream), ClientOrigin { secure: true, ..plain }));
    }
    let is_http2 = connecting.h2c && begins_with_preface(&stream).await?;
    Ok((if is_http2 { Channel::PlainHttp2(stream) } else { Channel::Plain(stream) }, plain))
}

/// Reads the header of the PROXY protocol, and nothing behind it. Returns the address of the client, if it names one.
async fn read_source(stream: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    let mut data = Vec::new();
    loop {
        match ProxyHeader::parse(&data) {
            ProxyHeader::Complete(source) => return Ok(source),
            ProxyHeader::Malformed => return Err(io::ErrorKind::InvalidData.into()),
            ProxyHeader::Incomplete(more) => {
                let have = data.len();
                data.resize(have + more, 0);
                stream.read_exact(&mut data[have..]).await?;
            }
        }
    }
}

/// Whether a connection begins with the preface of HTTP/2. Nothing is taken from the socket.
async fn begins_with_preface(stream: &TcpStream) -> io::Result<bool> {
    let mut begin = [0; PREFACE.len()];
    loop {
        let count = stream.peek(&mut begin).await?;
        if count == 0 || begin[..count] != PREFACE[..count] {
            return Ok(false);
        }
        if count == PREFACE.len() {
            return Ok(true);
        }
        tokio::time::sleep(REST_OF_PREFACE).await;
    }
}
