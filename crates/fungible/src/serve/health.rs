//! The pages `/livez` and `/readyz`. Knows the phase that serving is in and whom to ask.

use std::fmt::Display;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::sync::watch;
use tokio::time::timeout;

use super::Phase;

/// How long `/readyz` waits for the answer to its question.
const READY_TIME: Duration = Duration::from_secs(2);

/// The router with the two pages.
pub(super) fn pages<R, F, E>(router: Router, ready: R, phase: watch::Receiver<Phase>) -> Router
where
    R: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send,
    E: Display,
{
    let readyz = async move || {
        if *phase.borrow() != Phase::Serving {
            return (StatusCode::SERVICE_UNAVAILABLE, "draining\n");
        }
        match timeout(READY_TIME, ready()).await {
            Ok(Ok(())) => (StatusCode::OK, "ready\n"),
            Ok(Err(error)) => {
                tracing::warn!(%error, "not ready");
                (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
            }
            Err(_elapsed) => (StatusCode::SERVICE_UNAVAILABLE, "not ready: no answer in time\n"),
        }
    };
    let livez = async || "alive\n";
    router.route("/livez", get(livez)).route("/readyz", get(readyz))
}
