//! Connections of clients from the socket to the end: opened ([`opening`]), then served by the protocol that they speak
//! ([`http1`], [`http2`]). Requests go to the [`proxy`].

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::net::TcpStream;

mod http1;
mod http2;
mod opening;
mod shared;
mod streams;

pub(super) use shared::{Door, Front};

use super::client::Transport;
use super::proxy::{self, ClientOrigin};
use super::upstream::connections::prepare;
use opening::Channel;

/// Serves one connection until it ends.
pub(super) fn serve(front: &Rc<Front>, stream: TcpStream, address: SocketAddr, door: Door) {
    if let Some(meter) = &front.context.config.meter {
        meter.accepts();
    }
    // Without these options responses are slower, and a lost client is detected later.
    let _ = prepare(&stream);
    limit_reading(&stream, front.context.config.limits.read_time);
    let front = Rc::clone(front);
    if front.opens_at_once() && door == Door::Service {
        // The usual case has a task of its own, which needs no room for the others.
        tokio::task::spawn_local(serve_plain(front, stream, address));
    } else {
        tokio::task::spawn_local(async move {
            open_and_drive(&front, stream, address, door).await;
            front.context.connection_has_ended();
        });
    }
}

/// The system then closes a connection whose client has accepted nothing for so long of what it has for it. For us a response
/// that fits into its buffers is complete at once. A client that does not answer probes ([`prepare`]) is disconnected at that
/// time, too, if it is earlier than the sixth probe.
#[cfg(target_os = "linux")]
fn limit_reading(stream: &TcpStream, limit: Duration) {
    /// With a longer one a client that is lost would be found later than by the probes alone.
    const AT_MOST: Duration = Duration::from_mins(2);
    // Without it such clients stay until their connection counts as idle for too long.
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(limit.min(AT_MOST)));
}

#[cfg(not(target_os = "linux"))]
fn limit_reading(_stream: &TcpStream, _limit: Duration) {}

/// Serves a connection that begins with its first request, by HTTP/1 without TLS.
pub(super) async fn serve_plain(front: Rc<Front>, stream: impl Transport + Send + 'static, address: SocketAddr) {
    let origin = ClientOrigin { address, secure: false };
    http1::drive(&front, stream, origin, proxy::answer).await;
    front.context.connection_has_ended();
}

async fn open_and_drive(front: &Rc<Front>, stream: TcpStream, address: SocketAddr, door: Door) {
    // How a connection that cannot be opened ends does not matter: TLS has told the client why.
    let Some(Ok((channel, origin))) = opening::open(front, stream, address, door).await else { return };
    match channel {
        Channel::Plain(stream) if door == Door::Redirect => http1::drive(front, stream, origin, proxy::redirect).await,
        Channel::Plain(stream) => http1::drive(front, stream, origin, proxy::answer).await,
        Channel::PlainHttp2(stream) => http2::drive(front, stream, origin).await,
        Channel::Tls(stream) if opening::is_http2(&stream) => http2::drive(front, *stream, origin).await,
        Channel::Tls(stream) => http1::drive(front, *stream, origin, proxy::answer).await,
    }
}
