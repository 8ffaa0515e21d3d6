//! Users and their sessions.

use axum::http::HeaderMap;
use fungible::users::{ChangePasswordError, LoginError, RegisterError};
use fungible::{Clock, CookieMode, Secret, SessionCookie, SessionOptions, Sessions, Store, Users};

use crate::support::{Directory, quick_hasher};

const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

async fn open(directory: &Directory, clock: &Clock) -> (Users, Sessions) {
    let store = Store::open(directory.store()).unwrap();
    let users = Users::new(store.clone(), quick_hasher());
    let options = SessionOptions {
        cookies: CookieMode::Plain,
        clock: clock.clone(),
        ..SessionOptions::default()
    };
    let sessions = Sessions::new(store, Secret::parse(SECRET).unwrap(), options);
    users.migrate().await.unwrap();
    sessions.migrate().await.unwrap();
    (users, sessions)
}

/// The headers of a request that carries the cookie.
fn with(cookie: &SessionCookie) -> HeaderMap {
    let pair = cookie.header_value().split(';').next().unwrap();
    HeaderMap::from_iter([(axum::http::header::COOKIE, pair.parse().unwrap())])
}

#[tokio::test]
async fn a_user_registers_logs_in_and_changes_the_password() {
    let directory = Directory::new();
    let (users, sessions) = open(&directory, &Clock::system()).await;
    let ann = users.register(" Ann ", "correct horse").await.unwrap();
    assert_eq!(ann.name, "Ann");
    assert_eq!(
        users.register("ann", "correct horse").await,
        Ok(ann.clone()),
        "sent again"
    );
    assert_eq!(users.register("ANN", "another one").await, Err(RegisterError::Taken));
    assert_eq!(users.check("ann", "wrong horse").await, Err(LoginError::Wrong));
    assert_eq!(users.check("bob", "correct horse").await, Err(LoginError::Wrong));
    let account = users.check("Ann", "correct horse").await.unwrap();
    let cookie = sessions.start(&account, None).await.unwrap();
    let user = sessions.user(&with(&cookie)).await.unwrap().unwrap();
    assert_eq!((user.id, user.name), (ann.id, "Ann".to_owned()));

    let wrong = users.change_password(ann.id, "wrong horse", "new password").await;
    assert_eq!(wrong, Err(ChangePasswordError::Wrong));
    assert!(sessions.user(&with(&cookie)).await.unwrap().is_some());
    let account = users
        .change_password(ann.id, "correct horse", "new password")
        .await
        .unwrap();
    assert_eq!(sessions.user(&with(&cookie)).await, Ok(None), "all sessions have ended");
    let cookie = sessions.start(&account, None).await.unwrap();
    assert!(sessions.user(&with(&cookie)).await.unwrap().is_some());
    assert_eq!(users.check("Ann", "correct horse").await, Err(LoginError::Wrong));
}
