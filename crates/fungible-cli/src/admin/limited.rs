//! Serves the admin address, with limits on connections and on how slow a client may be: they must not take the sockets that
//! requests need, nor keep other clients out.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep};

use crate::balancer::Limits;

/// The number of connections at a time. A page needs one for its events and a few for the rest.
const CONNECTIONS: usize = 64;

/// The pause after the system had no socket for a new connection.
const NO_SOCKETS: Duration = Duration::from_millis(50);

/// Serves for ever. The limits are those for clients of the balancer; an idle connection gets the time of a head.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let limits = Limits::default();
    let service = TowerToHyperService::new(router);
    loop {
        // It is never closed.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        // The client disconnected, or the system has no sockets left: others are still served.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(NO_SOCKETS).await;
            continue;
        };
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(limits.header_time);
        let stream = TokioIo::new(Patient::new(stream, limits.read_time));
        let connection = builder.serve_connection(stream, service.clone());
        tokio::spawn(async move {
            // How it ends does not matter: a client that is still there knows.
            let _ = connection.await;
            drop(place);
        });
    }
}

/// A connection that fails when its client has accepted nothing of a response for so long.
#[derive(Debug)]
struct Patient {
    stream: TcpStream,
    limit: Duration,
    /// Runs while a write is blocked.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(stream: TcpStream, limit: Duration) -> Patient {
        Patient { stream, limit, timer: None }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, data);
        if written.is_ready() {
            self.timer = None;
            return written;
        }
        let until = Instant::now() + self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
