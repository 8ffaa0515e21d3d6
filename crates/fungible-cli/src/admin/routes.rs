//! The paths of the admin address.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Json, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderValue, Method, StatusCode};
use serde_json::json;

use super::command::{self, PageCommand};
use super::guard::{Guard, Purpose};
use super::hub::message;
use super::metrics;
use super::page::Page;
use super::snapshot::Snapshots;
use crate::balancer::Limits;

/// The largest command, in bytes.
const LONGEST_COMMAND: usize = 4 * 1024;

/// All paths, each behind the guard.
pub(super) fn router(snapshots: Arc<Snapshots>, guard: Arc<Guard>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/status", get(status))
        .route("/events", get(events))
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/command", post(command))
        .layer(Extension(Arc::new(Page::new())))
        .layer(middleware::from_fn_with_state(guard, guarded))
        .layer(DefaultBodyLimit::max(LONGEST_COMMAND))
        .with_state(snapshots)
}

/// Refuses what the guard refuses, and sets the fields that every response has.
async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    let purpose = match request.uri().path() {
        _ if !reads => Purpose::Command,
        "/metrics" | "/health" => Purpose::Monitor,
        _ => Purpose::Look,
    };
    let mut response = match guard.check(purpose, request.headers()) {
        Ok(()) => match with_its_body(request).await {
            Ok(request) => next.run(request).await,
            Err(refusal) => refusal,
        },
        Err(sentence) => (StatusCode::FORBIDDEN, sentence).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    response
}

/// The request with its whole body, for which the server does not wait longer than for a head.
async fn with_its_body(request: Request) -> Result<Request, Response> {
    let (head, body) = request.into_parts();
    let whole = Request::from_parts(head.clone(), body);
    match tokio::time::timeout(Limits::default().header_time, Bytes::from_request(whole, &())).await {
        Ok(Ok(body)) => Ok(Request::from_parts(head, Body::from(body))),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err((rejection.status(), "This is longer than a command.\n").into_response())
        }
        Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "The body of the request is malformed.\n").into_response()),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "The request took too long.\n").into_response()),
    }
}

async fn page(Extension(page): Extension<Arc<Page>>) -> Response {
    let mut response = Response::new(Body::from(page.html));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, page.policy.clone());
    response
}

async fn status(State(snapshots): State<Arc<Snapshots>>) -> Response {
    match snapshots.now().await {
        Some(snapshot) => Json(snapshot).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "The fleet is ending.\n").into_response(),
    }
}

async fn health(State(snapshots): State<Arc<Snapshots>>) -> (StatusCode, &'static str) {
    if snapshots.any_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no instance is ready\n")
    }
}

async fn events(State(snapshots): State<Arc<Snapshots>>) -> Response {
    // The process tells the page whether it still speaks with the same one.
    let hello = message("hello", &json!({ "process": std::process::id(), "version": env!("CARGO_PKG_VERSION") }));
    let status = snapshots.now().await.map(|snapshot| message("status", &snapshot));
    let stream = snapshots.hub.listen([hello].into_iter().chain(status));
    let mut response = Response::new(Body::new(stream));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

async fn metrics(State(snapshots): State<Arc<Snapshots>>) -> Response {
    let Ok(text) = metrics::text(&snapshots).await else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "The metrics cannot be written.\n").into_response();
    };
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE_OF_TEXT)], text).into_response()
}

async fn command(State(snapshots): State<Arc<Snapshots>>, Json(command): Json<PageCommand>) -> Response {
    let (status, answer) = command::carry_out(&snapshots, command).await;
    (status, Json(answer)).into_response()
}
