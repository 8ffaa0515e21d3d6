//! Runs a router on a listener until it is told to stop: health pages, limits for slow and large clients, and a drain
//! that loses no request. Knows nothing of what the router does.

use std::any::Any;
use std::fmt::Display;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::map_request;
use axum::response::{IntoResponse, Response};
use http_body_util::Limited;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::RequestBodyDeadlineLayer;

mod connection;
mod health;
mod patience;

/// The pause after a failed accept, as when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Limits on clients and on the drain.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The time from the begin of a connection, or from the end of a request, to the end of the next one's headers:
    /// as long may a client take, and an idle connection live.
    pub header_time: Duration,
    /// The time for a request's whole body, and for a client that takes nothing of its answer.
    pub body_time: Duration,
    /// The most bytes of a request's body. Reading more of it fails, which extractors answer with 413: so a refusal looks as
    /// the router's others do.
    pub body_bytes: usize,
    /// How long to go on accepting after `/readyz` has begun to say no, for balancers that ask only now and then.
    pub notice_time: Duration,
    /// How long requests in flight may take to finish after that; then they are cut.
    pub drain_time: Duration,
}

impl Default for ServeOptions {
    /// 10 s for headers, 30 s and 2 MiB for a body, no notice, 10 s to drain.
    fn default() -> ServeOptions {
        ServeOptions {
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            body_bytes: 2 << 20,
            notice_time: Duration::ZERO,
            drain_time: Duration::from_secs(10),
        }
    }
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// Connections that were cut because their request took longer than the drain may.
    pub cut: usize,
}

/// What serving has come to; it only moves on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Told to stop: not ready any more, but everything is still answered.
    Leaving,
    /// No new connections; those that are there are closed after their request.
    Draining,
}

/// Serves `router` over HTTP/1.1 until `shutdown` is ready, then drains.
///
/// Two pages are added, which the router must not have: `/livez` answers 200 as long as the process answers at all,
/// `/readyz` when `ready` (usually `move || store.health()`) is `Ok`, else 503. When `shutdown` is ready, `/readyz`
/// answers 503 at once, no connection is accepted any more, idle ones are closed, and requests in flight are finished.
/// Handlers can extract `ConnectInfo<SocketAddr>`; one that panics is answered with 500, as text, unless the router catches it
/// itself.
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
    let router = health::pages(router, ready, phase.clone())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(DefaultBodyLimit::disable())
        .layer(map_request(move |request| async move { bounded(request, options.body_bytes) }))
        .layer(RequestBodyDeadlineLayer::new(options.body_time));
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

/// Waits for SIGTERM or SIGINT.
pub async fn shutdown_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "listening for signals: this process will stop without a drain");
            std::future::pending::<()>().await;
        }
    }
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

    /// Takes over the connections that clients have made and nobody has accepted: closing the listener would reset
    /// them.
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

/// The request with a body that cannot be read beyond that many bytes.
fn bounded(request: Request, most: usize) -> Request {
    request.map(|body| {
        // Where the length says so already, the first read fails: nothing need arrive before it is refused.
        let announced = body.size_hint().lower() > most as u64;
        Body::new(if announced { Limited::new(Body::from("-"), 0) } else { Limited::new(body, most) })
    })
}

/// The panic's message is on stderr already, by the panic hook.
fn panicked(_panic: Box<dyn Any + Send>) -> Response<Body> {
    (StatusCode::INTERNAL_SERVER_ERROR, "The service failed; please tell its operator.\n").into_response()
}
