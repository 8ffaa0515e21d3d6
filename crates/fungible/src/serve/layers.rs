//! The layers around a router that [`serve`](super::serve) adds.

use std::any::Any;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::RequestBodyDeadlineLayer;

use super::body_limit::body_limit;
use super::options::ServeOptions;

/// The layers that [`serve`](crate::serve()) puts around a router, for use with plain `axum::serve`: a handler that panics is
/// answered with 500, a body larger than [`ServeOptions::body_bytes`] fails when it is read (413), and so does one that
/// takes longer than [`ServeOptions::body_time`] (408). The other options are those of the connection, which `axum::serve`
/// does not limit.
///
/// ```no_run
/// use std::net::SocketAddr;
///
/// use axum::Router;
/// use fungible::{ServeOptions, Store, health_pages, serve_layers, shutdown_signal};
///
/// # async fn f(router: Router, store: Store, listener: tokio::net::TcpListener) -> std::io::Result<()> {
/// let router = router.merge(health_pages(move || store.health()));
/// let router = serve_layers(router, &ServeOptions::default());
/// // With the peer's address, which the extractor `ClientAddress` needs.
/// let service = router.into_make_service_with_connect_info::<SocketAddr>();
/// axum::serve(listener, service).with_graceful_shutdown(shutdown_signal()).await
/// # }
/// ```
pub fn serve_layers<S: Clone + Send + Sync + 'static>(router: Router<S>, options: &ServeOptions) -> Router<S> {
    router
        .layer(CatchPanicLayer::custom(panicked))
        .layer(body_limit(options.body_bytes))
        .layer(RequestBodyDeadlineLayer::new(options.body_time))
}

/// The panic's message is on stderr already, by the panic hook.
fn panicked(_panic: Box<dyn Any + Send>) -> Response<Body> {
    (StatusCode::INTERNAL_SERVER_ERROR, "The service failed; please tell its operator.\n").into_response()
}
