//! One connection, from its first request to its last.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

use super::options::ServeOptions;
use super::patience::Patient;
use super::phase::Phase;

/// The most bytes of a request's line and headers.
const HEADER_BYTES: usize = 64 << 10;

/// How long a connection without a request yet stays open during a drain: its first request may be on the way.
const FIRST_REQUEST_TIME: Duration = Duration::from_secs(1);

/// Serves a connection until the client closes it or serving ends.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    mut phase: watch::Receiver<Phase>,
    options: ServeOptions,
) {
    let _ = stream.set_nodelay(true);
    let begun = AtomicBool::new(false);
    let now = phase.clone();
    let router = TowerToHyperService::new(router);
    let service = service_fn(async |mut request: Request<Incoming>| {
        begun.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(ConnectInfo(peer));
        let mut response: Response<Body> = router.call(request).await?;
        if *now.borrow() != Phase::Serving {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok::<_, std::convert::Infallible>(response)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_time)
        .max_header_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(Patient::new(stream, options.body_time)), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let drain = async {
        let _ = phase.wait_for(|phase| *phase == Phase::Draining).await;
        if !begun.load(Ordering::Relaxed) {
            sleep(FIRST_REQUEST_TIME).await;
        }
    };
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = drain => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "connection");
    }
}
