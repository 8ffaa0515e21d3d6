//! Bad input gets a 4xx with a sentence, from the API as `{"error": sentence}`, and changes nothing.

use serde_json::json;
use uuid::Uuid;

use crate::start;
use test_basics::{Browser, raw};

#[test]
fn the_api_answers_each_bad_request_with_a_sentence() {
    let mut fleet = start(2);
    let mut ada = Browser::default();
    let credentials = json!({ "name": "ada", "password": "correct horse battery" });
    assert_eq!(ada.api(fleet.next(), "POST", "/api/register", credentials).status, 201);
    let task = format!("/api/tasks/{}", Uuid::new_v4());
    let unknown = format!("/api/tasks/{}", Uuid::new_v4());
    assert_eq!(ada.api(fleet.next(), "PUT", &task, json!({ "title": "Buy milk" })).status, 201);

    let json = "application/json";
    let long = json!({ "title": "x".repeat(501) }).to_string();
    let huge = json!({ "title": "x".repeat(100_000) }).to_string();
    let long_name = json!({ "name": "x".repeat(1000), "password": "correct horse battery" }).to_string();
    let long_password = json!({ "name": "bob", "password": "x".repeat(10_000) }).to_string();
    let table: &[(&str, &str, &str, &str, u16, &str)] = &[
        ("PUT", &task, json, "{", 400, "not valid JSON"),
        ("PUT", &task, json, "", 400, "not valid JSON"),
        ("PUT", &task, json, "{}", 422, "title"),
        ("PUT", &task, json, "[]", 422, "does not fit"),
        ("PUT", &task, json, r#"{"title":5}"#, 422, "title: invalid type"),
        ("PUT", &task, json, r#"{"title":""}"#, 422, "needs a title"),
        ("PUT", &task, json, r#"{"title":" \t "}"#, 422, "needs a title"),
        ("PUT", &task, json, r#"{"title":"a\nb"}"#, 422, "control characters"),
        ("PUT", &task, json, r#"{"title":"a\u0000b"}"#, 422, "control characters"),
        ("PUT", &task, json, &long, 422, "500 characters"),
        ("PUT", &task, json, &huge, 413, "too large"),
        ("PUT", &task, "text/plain", r#"{"title":"a"}"#, 415, "application/json"),
        ("PUT", &task, "", "", 415, "application/json"),
        ("PUT", "/api/tasks/7", json, r#"{"title":"a"}"#, 400, "UUID"),
        ("PUT", "/api/tasks/%ff", json, r#"{"title":"a"}"#, 400, "UUID"),
        ("PATCH", &unknown, json, r#"{"done":true}"#, 404, "no such task"),
        ("PATCH", &task, json, "{}", 422, "Say what to change"),
        ("PATCH", &task, json, r#"{"done":"yes"}"#, 422, "done: invalid type"),
        ("PATCH", &task, json, r#"{"title":""}"#, 422, "needs a title"),
        ("PATCH", &task, json, r#"{"title":null,"done":true}"#, 422, "title: invalid type"),
        ("DELETE", &unknown, "", "", 404, "no such task"),
        ("DELETE", "/api/tasks/7", "", "", 400, "UUID"),
        ("GET", "/api/nowhere", "", "", 404, "nothing at this address"),
        ("GET", "/api", "", "", 404, "nothing at this address"),
        ("GET", "/api/", "", "", 404, "nothing at this address"),
        ("POST", "/api/tasks", json, "{}", 405, "method"),
        ("GET", "/api/login", "", "", 405, "method"),
        ("POST", "/api/login", json, r#"{"name":"ada"}"#, 422, "password"),
        ("POST", "/api/login", json, r#"{"name":"ada","password":"wrong"}"#, 401, "Name or password"),
        ("POST", "/api/login", json, r#"{"name":"nobody","password":"wrong"}"#, 401, "Name or password"),
        ("POST", "/api/login", json, &long_password, 401, "Name or password"),
        ("POST", "/api/login", json, r#"{"name":"a\u0000b","password":"wrong"}"#, 401, "Name or password"),
        ("POST", "/api/register", json, r#"{"name":"","password":"correct horse battery"}"#, 422, ""),
        ("POST", "/api/register", json, &long_name, 422, ""),
        ("POST", "/api/register", json, r#"{"name":"bob","password":"short"}"#, 422, ""),
        ("POST", "/api/register", json, &long_password, 422, ""),
        ("POST", "/api/register", json, r#"{"name":"ada","password":"another password"}"#, 409, ""),
        ("POST", "/api/password", json, r#"{"old":"wrong","new":"a good password"}"#, 403, ""),
        ("POST", "/api/password", json, r#"{"old":"wrong","new":"correct horse battery"}"#, 403, "old password"),
        ("POST", "/api/password", json, r#"{"old":"wrong","new":"x"}"#, 403, "old password"),
        ("POST", "/api/password", json, r#"{"old":"correct horse battery","new":"x"}"#, 422, ""),
    ];
    for (method, path, kind, body, status, words) in table {
        let line = format!("{method} {path} {kind} {body:.60}");
        let answer = ada.send(fleet.next(), method, path, kind, body).unwrap();
        assert_eq!(answer.status, *status, "{line}: {answer:?}");
        assert!(answer.error().contains(words), "{line}: {answer:?}");
        assert!(answer.error().ends_with(['.', '"']), "{line}: a sentence: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{line}");
    }
    let tasks = ada.get(fleet.next(), "/api/tasks").json();
    assert_eq!((tasks["tasks"].as_array().unwrap().len(), tasks["tasks"][0]["title"].as_str()), (1, Some("Buy milk")));
}

#[test]
fn what_no_handler_accepts_is_refused_as_json_below_api_and_with_a_page_elsewhere() {
    let fleet = start(1);
    let to = fleet.at(0);
    let mut ada = Browser::default();
    let credentials = json!({ "name": "ada", "password": "correct horse battery" });
    assert_eq!(ada.api(to, "POST", "/api/register", credentials).status, 201);
    let link = ada.api(to, "PUT", &format!("/api/links/{}", Uuid::new_v4()), json!({})).json();
    let link = link["url"].as_str().unwrap();
    let shared = &link[link.find("/share/").unwrap()..];
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    // So much more is announced and never sent: `serve` lets through less.
    let huge = 3 << 20;
    for (method, path, kind, more, body, status, words) in [
        ("POST", "/api/login", json, huge, &b""[..], 413, "too large"),
        ("POST", "/api/token/refresh", json, huge, b"", 413, "too large"),
        ("POST", shared, json, huge, b"", 413, "too large"),
        ("POST", "/login", form, huge, b"", 413, "too large"),
        ("POST", "/api/login", json, 0, b"{\"name\":\"\xff\"}", 400, "not valid JSON"),
        ("POST", shared, json, 0, b"{\"title\":\"\xff\"}", 400, "not valid JSON"),
        ("POST", shared, form, 0, b"title=a", 415, "application/json"),
        ("PUT", shared, json, 0, b"{}", 405, "method"),
        ("GET", "/share/%ff/todos", json, 0, b"", 404, "no such list"),
        ("GET", "/share", json, 0, b"", 404, "nothing at this address"),
        ("GET", "/static/%ff/todo.css", json, 0, b"", 400, "malformed"),
        ("GET", "/apis", json, 0, b"", 404, "nothing at this address"),
    ] {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Type: {kind}");
        let head = format!("{head}\r\nContent-Length: {}\r\n\r\n", body.len() + more);
        let answer = raw(to, &[head.as_bytes(), body].concat()).unwrap();
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert!(answer.body.contains(words) && answer.header("x-served-by").is_some(), "{method} {path}: {answer:?}");
        if path.starts_with("/api/") || path.starts_with("/share") {
            assert_eq!(answer.header("content-type"), Some("application/json"), "{method} {path}: {answer:?}");
            assert!(answer.error().ends_with('.'), "{method} {path}: a sentence: {answer:?}");
        } else {
            assert!(answer.body.starts_with("<!doctype html>"), "{method} {path}: {answer:?}");
        }
    }
}

#[test]
fn without_a_session_the_api_answers_401() {
    let mut fleet = start(2);
    let mut nobody = Browser::default();
    nobody.cookies.insert("session".to_owned(), "A".repeat(43));
    for (method, path) in [("GET", "/api/me"), ("GET", "/api/tasks"), ("POST", "/api/logout-everywhere")] {
        let answer = nobody.send(fleet.next(), method, path, "", "").unwrap();
        assert_eq!((answer.status, answer.error().contains("not logged in")), (401, true), "{answer:?}");
    }
    // Logging out is done already.
    assert_eq!(nobody.send(fleet.next(), "POST", "/api/logout", "", "").unwrap().status, 204);
}

#[test]
fn a_request_that_another_site_made_a_browser_send_is_refused() {
    let mut fleet = start(1);
    let to = fleet.next();
    for (path, origin) in [
        ("/api/logout", "Sec-Fetch-Site: cross-site"),
        ("/logout", "Sec-Fetch-Site: same-site"),
        ("/login", "Origin: http://evil.example"),
        ("/login", "Origin: null"),
    ] {
        let request =
            format!("POST {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n{origin}\r\nContent-Length: 0\r\n\r\n");
        let answer = raw(to, &request).unwrap();
        assert_eq!(answer.status, 403, "{path} {origin}: {answer:?}");
        assert!(answer.body.contains("Another site"), "{path} {origin}: {answer:?}");
        assert_eq!(answer.body.starts_with("{\"error\""), path.starts_with("/api/"), "{answer:?}");
    }
    for origin in
        ["Sec-Fetch-Site: same-origin".to_owned(), "Sec-Fetch-Site: none".to_owned(), format!("Origin: http://{to}")]
    {
        let request = format!(
            "POST /logout HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n{origin}\r\nContent-Length: 0\r\n\r\n"
        );
        assert_eq!(raw(to, &request).unwrap().status, 303, "{origin}");
    }
}

#[test]
fn pages_answer_bad_forms_with_a_page() {
    let mut fleet = start(1);
    let to = fleet.next();
    let mut ada = Browser::default();
    assert_eq!(ada.post(to, "/register", &[("name", "ada"), ("password", "correct horse battery")]).status, 303);
    let form = "application/x-www-form-urlencoded";
    for (path, kind, body, status, words) in [
        ("/tasks", form, "title=a", 422, "lacks a field"),
        ("/tasks", form, "id=7&title=a", 400, "UUID"),
        ("/tasks", "application/json", "{}", 415, "form"),
        ("/tasks/7/done", form, "done=true", 400, "UUID"),
        ("/tasks/00000000-0000-4000-8000-000000000000/done", form, "done=true", 404, "no such task"),
        ("/tasks/00000000-0000-4000-8000-000000000000/done", form, "done=maybe", 422, "lacks a field"),
        ("/tasks/00000000-0000-4000-8000-000000000000/delete", form, "", 404, "no such task"),
        ("/links", form, "", 422, "lacks a field"),
        ("/links", form, "id=7", 400, "UUID"),
        ("/links/00000000-0000-4000-8000-000000000000/end", form, "", 404, "no such link"),
        ("/login", form, "name=ada", 422, "lacks a field"),
    ] {
        let answer = ada.send(to, "POST", path, kind, body).unwrap();
        assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
        assert!(answer.body.contains(words) && answer.body.starts_with("<!doctype html>"), "{path} {body}: {answer:?}");
    }
}
