//! A flood of logins, with passwords hashed at their real cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use fungible::users::LoginError;
use fungible::{CookieMode, Hasher, HasherOptions, Secret, ServeOptions, SessionOptions, Sessions, Store, User, Users};

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
    let store = Store::open(directory.store()).unwrap();
    let hasher = Hasher::new(&HasherOptions { at_once: 1, waiting: 29, ..HasherOptions::default() });
    let users = Users::new(store.clone(), hasher);
    let secret = Secret::parse(&Secret::generate_base64().unwrap()).unwrap();
    let options = SessionOptions { cookies: CookieMode::Plain, ..SessionOptions::default() };
    let sessions = Sessions::new(store, secret, options);
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

    let answered = Arc::new(AtomicUsize::new(0));
    let logins: Vec<_> = (0..40)
        .map(|_| {
            let answered = answered.clone();
            tokio::spawn(async move {
                let answer = request(address, "POST /login HTTP/1.1", "").await;
                answered.fetch_add(1, Ordering::SeqCst);
                answer
            })
        })
        .collect();
    // The ten that are too many are refused at once; then thirty are in the works.
    crate::support::eventually("ten are refused", async || answered.load(Ordering::SeqCst) >= 10).await;
    for _ in 0..50 {
        let answer = request(address, &format!("GET /name HTTP/1.1\r\nCookie: {cookie}"), "").await;
        assert_eq!(status(&answer), 200);
    }
    let during = answered.load(Ordering::SeqCst);
    assert!(during < 40, "fifty reads are done before thirty logins: {during} answers of 40 by then");

    let mut statuses = Vec::new();
    for login in logins {
        let answer = login.await.unwrap();
        if status(&answer) == 503 {
            assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
            assert!(answer.ends_with("Too many people log in at this moment; please try again.\n"), "{answer}");
        }
        statuses.push(status(&answer));
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200; 30], vec![503; 10]].concat());
}
