//! The pages `/livez` and `/readyz`.

use std::fmt::Display;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::time::timeout;

/// How long `/readyz` waits for the answer to its question.
const READY_TIME: Duration = Duration::from_secs(2);

/// A router with the pages `/livez`, which answers 200 whenever the process answers at all, and `/readyz`, which answers 200
/// when `ready` (usually `move || store.health()`) returns `Ok` within 2 s, else 503. [`serve`](crate::serve()) has them already.
pub fn health_pages<S, R, F, E>(ready: R) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    R: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send,
    E: Display,
{
    pages(ready, || false)
}

/// [`health_pages`], of which `/readyz` answers 503 while `leaving` is true.
pub(super) fn pages<S, R, F, E>(ready: R, leaving: impl Fn() -> bool + Clone + Send + Sync + 'static) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    R: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send,
    E: Display,
{
    let readyz = async move || {
        if leaving() {
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
    Router::new().route("/livez", get(livez)).route("/readyz", get(readyz))
}
