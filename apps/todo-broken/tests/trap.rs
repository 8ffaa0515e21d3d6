//! The trap is really there: two instances, each right by itself, and the session of one is unknown to the other.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::net::SocketAddr;

use test_basics::raw_async;
use tokio::net::TcpListener;

async fn instance(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { fungible_todo_broken::run(listener, name).await });
    address
}

/// Sends a request and gives the whole answer.
async fn send(to: SocketAddr, request: &str, cookie: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    let text = format!(
        "{request} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nCookie: {cookie}\r\n\
         Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    raw_async(to, &text).await.unwrap().text()
}

fn cookie_of(answer: &str) -> String {
    let (_, rest) = answer.split_once("set-cookie: ").unwrap();
    rest.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_first_request_after_the_login_is_refused_by_the_other_instance() {
    let (one, two) = (instance("todo-1").await, instance("todo-2").await);
    let form = "application/x-www-form-urlencoded";
    let login = send(one, "POST /login", "", form, "name=ada&password=secret").await;
    assert!(login.starts_with("HTTP/1.1 303"), "{login}");
    let cookie = cookie_of(&login);

    let right = send(one, "GET /", &cookie, "", "").await;
    assert!(right.starts_with("HTTP/1.1 200") && right.contains("answered by <b>todo-1</b>"), "{right}");
    let wrong = send(two, "GET /", &cookie, "", "").await;
    assert!(wrong.starts_with("HTTP/1.1 401") && wrong.contains("please log in again"), "{wrong}");
    assert!(wrong.contains("x-served-by: todo-2"), "{wrong}");

    // Nothing is wrong with the password: the other instance lets the same user in, and knows no task.
    let login = send(two, "POST /login", "", form, "name=ada&password=secret").await;
    assert!(login.starts_with("HTTP/1.1 303"), "{login}");
}

#[tokio::test]
async fn one_instance_alone_works() {
    let one = instance("todo-1").await;
    let json = "application/json";
    let login = send(one, "POST /api/login", "", json, r#"{"name":"ada","password":"secret"}"#).await;
    let cookie = cookie_of(&login);
    let add = send(one, "PUT /api/tasks/7", &cookie, json, r#"{"title":"<b>Buy milk</b>"}"#).await;
    assert!(add.starts_with("HTTP/1.1 201"), "{add}");
    let change = send(one, "PATCH /api/tasks/7", &cookie, json, r#"{"done":true}"#).await;
    assert!(change.starts_with("HTTP/1.1 204"), "{change}");
    let list = send(one, "GET /api/tasks", &cookie, "", "").await;
    assert!(list.ends_with(r#"{"tasks":[{"done":true,"id":"7","title":"<b>Buy milk</b>"}]}"#), "{list}");
    let page = send(one, "GET /", &cookie, "", "").await;
    assert!(page.contains("&lt;b>Buy milk&lt;/b>"), "{page}");
    send(one, "DELETE /api/tasks/7", &cookie, "", "").await;
    let list = send(one, "GET /api/tasks", &cookie, "", "").await;
    assert!(list.ends_with(r#"{"tasks":[]}"#), "{list}");

    send(one, "POST /api/logout", &cookie, "", "").await;
    let list = send(one, "GET /api/tasks", &cookie, "", "").await;
    assert!(list.ends_with(r#"{"error":"please log in again"}"#), "{list}");
    let wrong = send(one, "POST /api/login", "", json, r#"{"name":"ada","password":"other"}"#).await;
    assert!(wrong.starts_with("HTTP/1.1 401"), "{wrong}");
}
