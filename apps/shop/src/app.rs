//! The state of the handlers: users, products, carts and orders in the shared store, the payment service, and the instance's
//! name. Nothing in it changes while the instance runs.

use std::sync::Arc;

use fungible::{Config, Jobs, KeyError, Migration, Once, OnceOptions, Stateless, Store};
use fungible_web::Access;

use crate::carts::Carts;
use crate::catalogue::Catalogue;
use crate::orders::Orders;
use crate::payments::Payments;

const TABLES: &str = include_str!("../migrations/1_shop.sql");
/// The same SQL for both engines.
const MIGRATIONS: &[Migration] = &[Migration { version: 1, name: "shop", sqlite: TABLES, postgres: TABLES }];

#[derive(Debug, Clone, Stateless)]
pub(crate) struct App {
    pub(crate) access: Access,
    pub(crate) catalogue: Catalogue,
    pub(crate) carts: Carts,
    pub(crate) orders: Orders,
    pub(crate) payments: Payments,
    /// Orders and the jobs that follow them: see `orders`.
    pub(crate) once: Once,
    pub(crate) jobs: Jobs,
    pub(crate) instance: Arc<str>,
}

impl App {
    /// Over an open store, whose tables are created if they are missing.
    pub(crate) async fn new(store: &Store, config: Config, payments: Payments) -> Result<Self, KeyError> {
        let access = Access::new(store, &config, "shop").await?;
        let app = Self {
            catalogue: Catalogue::new(store.clone()),
            carts: Carts::new(store.clone()),
            orders: Orders::new(store.clone()),
            once: Once::new(store.read_committed(), OnceOptions::default()),
            jobs: Jobs::new(store.read_committed()),
            payments,
            instance: config.instance.into(),
            access,
        };
        store.migrate("fungible-shop", MIGRATIONS).await?;
        Ok(app)
    }
}
