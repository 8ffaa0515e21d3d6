//! A flood of logins, with passwords hashed at their real cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use fungible::{
    CookieMode, Hasher, HasherOptions, LoginError, Secret, ServeOptions, SessionOptions, Sessions, User, Users,
};
use test_basics::eventually_async;

use crate::support::{Directory, request, start, status};

#[derive(Clone, axum::extract::FromRef)]
struct App {
    users: Users,
    sessions: Sessions,
}

async fn log_in(State(users): State<Users>) -> Result<&'static str, LoginError> {
    users.check("Ann", "correct horse").await.map(|_| "welcome")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_logins_leaves_room_for_those_who_are_logged_in() {
    let directory = Directory::new();
    let store = directory.open().await;
    let hasher = Hasher::new(&HasherOptions::default().at_once(1).waiting(29));
    let users = Users::new(store.clone(), hasher);
    let secret = Secret::parse(&"A".repeat(44)).unwrap();
    let sessions = Sessions::new(store, secret, CookieMode::Plain, SessionOptions::default());
    users.migrate().await.unwrap();
    sessions.migrate().await.unwrap();
    let ann = users.register("Ann", "correct horse").await.unwrap();
    let cookie = sessions.start(&ann, None).await.unwrap();
    let cookie = cookie.header_value().split(';').next().unwrap().to_owned();
    let router = Router::new()
        .route("/login", post(log_in))
        .route("/name", get(async |user: User| user.name))
        .with_state(App { users, sessions });
    let server = start(router, None, ServeOptions::default()).await;
    let address = server.address;

    // Forty clients that log in again and again: with thirty in the works, somebody is always too many.
    let flood = Arc::new(Flood::default());
    let clients: Vec<_> = (0..40)
        .map(|_| {
            let flood = flood.clone();
            tokio::spawn(async move {
                while !flood.over.load(Ordering::SeqCst) {
                    let answer = request(address, "POST /login HTTP/1.1", "").await;
                    if status(&answer) == 200 {
                        flood.welcomed.fetch_add(1, Ordering::SeqCst);
                        continue;
                    }
                    assert_eq!(status(&answer), 503, "{answer}");
                    assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
                    assert!(answer.ends_with("Too many people log in at this moment; please try again.\n"), "{answer}");
                    flood.refused.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
        })
        .collect();
    eventually_async("some are refused", async || flood.refused.load(Ordering::SeqCst) > 0).await;
    eventually_async("some are welcomed", async || flood.welcomed.load(Ordering::SeqCst) > 0).await;
    let before = flood.welcomed.load(Ordering::SeqCst);
    for _ in 0..50 {
        let answer = request(address, &format!("GET /name HTTP/1.1\r\nCookie: {cookie}"), "").await;
        assert_eq!(status(&answer), 200);
    }
    // A read that stood in their line would wait for some thirty logins: fifty reads for fifteen hundred.
    let during = flood.welcomed.load(Ordering::SeqCst) - before;
    assert!(during < 750, "fifty reads took as long as {during} logins");
    flood.over.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
}

#[derive(Default)]
struct Flood {
    welcomed: AtomicUsize,
    refused: AtomicUsize,
    over: AtomicBool,
}
