//! Runs a router on a listener until it is told to stop: health pages, time limits for slow clients, and a drain that
//! loses no request. Knows nothing of what the router does.

use std::convert::Infallible;
use std::fmt::Display;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit};
use axum::http::StatusCode;
use axum::routing::get;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::RequestBodyDeadlineLayer;

/// How long `/readyz` waits for the answer to its question.
const READY_TIME: Duration = Duration::from_secs(2);

/// The pause after a failed accept, as when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The most bytes of a request's line and headers.
const HEADER_BYTES: usize = 64 << 10;

/// Limits on clients and on the drain.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// From the begin of a connection, or the end of the last request, to the end of the next one's headers: the time
    /// that a client may take, and that an idle connection lives.
    pub header_time: Duration,
    /// The time for a request's whole body.
    pub body_time: Duration,
    /// The most bytes of a request's body; more is answered with 413.
    pub body_bytes: usize,
    /// How long requests may take to finish after the word to stop; then they are cut.
    pub drain_time: Duration,
}

impl Default for ServeOptions {
    /// 10 s for headers, 30 s and 2 MiB for a body, 10 s to drain.
    fn default() -> ServeOptions {
        ServeOptions {
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            body_bytes: 2 << 20,
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

/// Serves `router` until `shutdown` is ready, then drains.
///
/// Two pages are added: `/livez` answers 200 as long as the process can answer at all, `/readyz` when `ready` (usually
/// `move || store.health()`) is `Ok`. From the begin of the drain `/readyz` answers 503, no connection is accepted any
/// more, idle ones are closed, and requests in flight are finished.
///
/// Handlers can extract `ConnectInfo<SocketAddr>`.
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
    let (drain, draining) = watch::channel(false);
    let router = with_health(router, ready, draining.clone())
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(options.body_bytes))
        .layer(RequestBodyDeadlineLayer::new(options.body_time));
    let mut connections = JoinSet::new();
    let accepted = |connections: &mut JoinSet<()>, stream, peer| {
        connections.spawn(connection(
            stream,
            peer,
            router.clone(),
            draining.clone(),
            options.header_time,
        ));
    };

    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            next = listener.accept() => match next {
                Ok((stream, peer)) => accepted(&mut connections, stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }

    drain.send_replace(true);
    for (stream, peer) in backlog(listener) {
        accepted(&mut connections, stream, peer);
    }
    let finish = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(options.drain_time, finish).await;
    let cut = connections.len();
    connections.shutdown().await;
    Served { cut }
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
            tracing::error!(%error, "listening for signals: this process stops without a drain");
            std::future::pending().await
        }
    }
}

/// Connections that clients have made already and that nobody has accepted: closing the listener would reset them.
fn backlog(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let Ok(listener) = listener.into_std() else {
        return Vec::new();
    };
    let mut waiting = Vec::new();
    while let Ok((stream, peer)) = listener.accept() {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            waiting.push((stream, peer));
        }
    }
    waiting
}

/// One connection, from its first request to its last.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    mut draining: watch::Receiver<bool>,
    header_time: Duration,
) {
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: axum::http::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_time)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    // Biased: a request that has arrived is read before the connection hears of the drain.
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => Some(ended),
        _ = draining.wait_for(|draining| *draining) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "connection");
    }
}

fn with_health<R, F, E>(router: Router, ready: R, draining: watch::Receiver<bool>) -> Router
where
    R: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send,
    E: Display,
{
    let readyz = move || {
        let (ready, draining) = (ready.clone(), draining.clone());
        async move {
            if *draining.borrow() {
                return Ok::<_, Infallible>((StatusCode::SERVICE_UNAVAILABLE, "draining\n"));
            }
            Ok(match timeout(READY_TIME, ready()).await {
                Ok(Ok(())) => (StatusCode::OK, "ready\n"),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "not ready");
                    (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
                }
                Err(_elapsed) => (StatusCode::SERVICE_UNAVAILABLE, "not ready: no answer in time\n"),
            })
        }
    };
    router
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(readyz))
}
