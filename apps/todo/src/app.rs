//! What a handler can reach: the shared store, seen as users, sessions and tasks, and the instance's name. There is
//! nothing else, and nothing here changes while the instance runs.

use std::sync::Arc;

use axum::http::HeaderValue;
use fungible::{Hasher, SessionOptions, Sessions, Store, StoreError, Users};

use crate::config::Config;
use crate::tasks::Tasks;

#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) users: Users,
    pub(crate) sessions: Sessions,
    pub(crate) tasks: Tasks,
    pub(crate) instance: Arc<str>,
}

impl App {
    /// Over an open store, whose tables it makes where they are missing.
    pub(crate) async fn new(store: &Store, config: Config) -> Result<Self, StoreError> {
        let options = SessionOptions { cookies: config.cookies, ..SessionOptions::default() };
        let app = Self {
            users: Users::new(store.clone(), Hasher::default()),
            sessions: Sessions::new(store.clone(), config.secret, options),
            tasks: Tasks::new(store.clone()),
            instance: config.instance.into(),
        };
        app.users.migrate().await?;
        app.sessions.migrate().await?;
        app.tasks.migrate().await?;
        Ok(app)
    }

    /// The instance's name as the value of a header; `Config` lets no name through that cannot be one.
    pub(crate) fn served_by(&self) -> HeaderValue {
        HeaderValue::from_str(&self.instance).unwrap_or(HeaderValue::from_static("?"))
    }
}
