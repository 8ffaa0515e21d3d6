//! What goes wrong before or in a handler is answered by an API as `{"error": sentence}`, too: over a real socket, as
//! `serve` serves it.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::map_response;
use axum::routing::{get, post};
use fungible::{ServeOptions, serve};
use fungible_web::pages::{catch_panics, not_found, wrong_method};
use fungible_web::{FormBody, JsonBody, api};
use serde_json::Value;
use test_basics::raw;
use tokio::net::TcpListener;

async fn panics() -> &'static str {
    panic!("on purpose")
}

fn router() -> Router {
    Router::new()
        .route("/json", post(async |JsonBody(_): JsonBody<Value>| StatusCode::OK))
        .route("/form", post(async |FormBody(_): FormBody<Value>| StatusCode::OK))
        .route("/full", get(async || StatusCode::INSUFFICIENT_STORAGE))
        .route("/panics", get(panics))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(catch_panics())
        .layer(map_response(api::render))
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const CHUNKED: &str = "Transfer-Encoding: chunked";

/// A request (line, content type, another header, body) and its answer: the status, and words of the sentence.
type Row<'a> = (&'a str, &'a str, &'a str, &'a [u8], u16, &'a str);

/// Serves the router, sends each of these requests, and looks at the answers.
async fn each(options: ServeOptions, table: &[Row<'_>]) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, router(), async || Ok::<(), String>(()), std::future::pending(), options));
    for (line, kind, header, body, status, words) in table {
        let head = format!("{line} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Type: {kind}\r\n{header}");
        let request = [head.as_bytes(), b"\r\n\r\n", body].concat();
        let answer = tokio::task::spawn_blocking(move || raw(to, &request)).await.unwrap().unwrap();
        assert_eq!(answer.status, *status, "{line} {header}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{line} {header}: {answer:?}");
        assert!(answer.error().contains(words), "{line} {header}: {answer:?}");
    }
}

#[tokio::test]
async fn an_api_answers_json_whatever_goes_wrong() {
    let large = format!("80\r\n{}\r\n0\r\n\r\n", "x".repeat(128));
    let table: &[Row<'_>] = &[
        ("POST /json", JSON, "Content-Length: 101", b"", 413, "too large"),
        ("POST /form", FORM, "Content-Length: 101", b"", 413, "too large"),
        ("POST /json", JSON, CHUNKED, large.as_bytes(), 413, "too large"),
        ("POST /json", JSON, CHUNKED, b"no chunk\r\n", 400, "malformed"),
        ("POST /json", JSON, "Content-Length: 3", b"\"\xff\"", 400, "not valid JSON"),
        ("POST /json", "text/plain", "Content-Length: 2", b"{}", 415, "application/json"),
        ("POST /form", JSON, "Content-Length: 2", b"{}", 415, "form"),
        ("GET /json", JSON, "Content-Length: 0", b"", 405, "method"),
        ("GET /nowhere", JSON, "Content-Length: 0", b"", 404, "nothing at this address"),
        ("GET /panics", JSON, "Content-Length: 0", b"", 500, "The service failed"),
        ("GET /full", JSON, "Content-Length: 0", b"", 507, "Insufficient Storage"),
    ];
    each(ServeOptions::default().body_bytes(100), table).await;
}

#[tokio::test]
async fn a_body_that_takes_too_long_is_a_408() {
    let table: &[Row<'_>] = &[
        ("POST /json", JSON, "Content-Length: 10", b"{", 408, "took too long"),
        ("POST /form", FORM, "Content-Length: 10", b"a", 408, "took too long"),
        ("POST /json", JSON, CHUNKED, b"1\r\n{\r\n", 408, "took too long"),
    ];
    each(ServeOptions::default().body_time(Duration::from_millis(100)), table).await;
}
