//! What a handler can reach: the shared store, seen as users, sessions and tasks, and the instance's name. There is
//! nothing else, and nothing here changes while the instance runs: `Stateless` has the compiler see to it.

use std::sync::Arc;

use fungible::keys::KeyError;
use fungible::{Config, Stateless, Store};
use fungible_web::Access;

use crate::tasks::Tasks;

#[derive(Debug, Clone, Stateless)]
pub(crate) struct App {
    pub(crate) access: Access,
    pub(crate) tasks: Tasks,
    pub(crate) instance: Arc<str>,
}

impl App {
    /// Over an open store, whose tables it makes where they are missing.
    pub(crate) async fn new(store: &Store, config: Config) -> Result<Self, KeyError> {
        let access = Access::new(store, &config, "todo").await?;
        let app = Self { access, tasks: Tasks::new(store.clone()), instance: config.instance.into() };
        app.tasks.migrate().await?;
        Ok(app)
    }
}
