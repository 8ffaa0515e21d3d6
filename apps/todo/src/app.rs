//! The state of the handlers: users, sessions, tasks and links in the shared store, and the instance's name. Nothing in it
//! changes while the instance runs, which the compiler checks by `Stateless`.

use std::sync::Arc;

use fungible::{Config, KeyError, Migration, Stateless, Store};
use fungible_web::Access;

use crate::links::Links;
use crate::tasks::Tasks;

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "tasks",
        sqlite: include_str!("../migrations/sqlite/1_tasks.sql"),
        postgres: include_str!("../migrations/postgres/1_tasks.sql"),
    },
    Migration {
        version: 2,
        name: "links",
        sqlite: include_str!("../migrations/sqlite/2_links.sql"),
        postgres: include_str!("../migrations/postgres/2_links.sql"),
    },
    Migration { version: 3, name: "order", sqlite: IN_ORDER, postgres: IN_ORDER },
];

/// The index by which a list is read without sorting.
const IN_ORDER: &str = "DROP INDEX tasks_in_order; \
     CREATE INDEX tasks_in_order ON tasks (user_id, position, id) WHERE deleted_at IS NULL";

#[derive(Debug, Clone, Stateless)]
pub(crate) struct App {
    pub(crate) access: Access,
    pub(crate) tasks: Tasks,
    pub(crate) links: Links,
    pub(crate) instance: Arc<str>,
}

impl App {
    /// Over an open store, whose tables are created if they are missing.
    pub(crate) async fn new(store: &Store, config: Config) -> Result<Self, KeyError> {
        let access = Access::new(store, &config, "todo").await?;
        store.migrate("fungible-todo", MIGRATIONS).await?;
        Ok(Self {
            access,
            tasks: Tasks::new(store.clone()),
            links: Links::new(store.clone(), config.secret),
            instance: config.instance.into(),
        })
    }
}
