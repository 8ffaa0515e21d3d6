//! Accepts connections until it is told to stop, then drains.

use std::fmt::Display;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::layers::serve_layers;
use super::options::ServeOptions;
use super::phase::Phase;
use super::{connection, health};

/// The pause after a failed accept, as when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// The connections that were closed because their request took longer than [`ServeOptions::drain_time`].
    pub cut: usize,
}

/// Serves `router` over HTTP/1.1 until `shutdown` is ready, then drains.
///
/// It adds [`health_pages`](crate::health_pages), whose paths the router must not have, and
/// [`serve_layers`]. When `shutdown` is ready, `/readyz` answers 503 at once, no new connection is
/// accepted, idle ones are closed, and requests in flight are finished; [`ServeOptions`] limit the time. Handlers can extract
/// `ConnectInfo<SocketAddr>`.
///
/// # Panics
/// When the router has a route `/livez` or `/readyz`.
pub async fn serve<R, F, E>(
    listener: TcpListener,
    router: Router,
    ready: R,
    shutdown: impl Future<Output = ()>,
    options: ServeOptions,
) -> Served
where
    R: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send,
    E: Display,
{
    let (say, phase) = watch::channel(Phase::Serving);
    let now = phase.clone();
    let router = router.merge(health::pages(ready, move || *now.borrow() != Phase::Serving));
    let router = serve_layers(router, &options);
    let mut connections = Connections { router, phase, options, tasks: JoinSet::new() };

    connections.accept(&listener, shutdown).await;
    let notice = connections.options.notice_time;
    if !notice.is_zero() {
        say.send_replace(Phase::Leaving);
        connections.accept(&listener, sleep(notice)).await;
    }
    say.send_replace(Phase::Draining);
    connections.accept_waiting(listener);
    connections.finish().await
}

struct Connections {
    router: Router,
    phase: watch::Receiver<Phase>,
    options: ServeOptions,
    tasks: JoinSet<()>,
}

impl Connections {
    fn add(&mut self, stream: TcpStream, peer: SocketAddr) {
        let (router, phase, options) = (self.router.clone(), self.phase.clone(), self.options.clone());
        self.tasks.spawn(connection::serve(stream, peer, router, phase, options));
    }

    async fn accept(&mut self, listener: &TcpListener, until: impl Future<Output = ()>) {
        let mut until = pin!(until);
        loop {
            tokio::select! {
                () = &mut until => return,
                next = listener.accept() => match next {
                    Ok((stream, peer)) => self.add(stream, peer),
                    Err(error) => {
                        tracing::warn!(%error, "accepting a connection");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = self.tasks.join_next() => {}
            }
        }
    }

    /// Accepts the connections that wait in the listener's queue: closing the listener would reset them.
    fn accept_waiting(&mut self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else { return };
        while let Ok((stream, peer)) = listener.accept() {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                self.add(stream, peer);
            }
        }
    }

    async fn finish(mut self) -> Served {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = timeout(self.options.drain_time, all).await;
        let cut = self.tasks.len();
        self.tasks.shutdown().await;
        Served { cut }
    }
}
