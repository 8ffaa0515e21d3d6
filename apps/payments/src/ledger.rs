//! The charges and the refusals: one row per order, in one transaction with the answer under its key.

use std::sync::Arc;

use fungible::{Done, Migration, Once, OnceError, OnceKey, OnceOptions, Row, Store, StoreError, Tx, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::card::Card;

const TABLE: &str = "CREATE TABLE charges (
    id     TEXT   NOT NULL PRIMARY KEY,
    -- What the money is for, in the words of whoever asks.
    payee_order TEXT NOT NULL UNIQUE,
    cents  BIGINT NOT NULL,
    -- 0 when it was refused.
    charged BIGINT NOT NULL
)";

const MIGRATIONS: &[Migration] = &[Migration { version: 1, name: "charges", sqlite: TABLE, postgres: TABLE }];

/// A request for a charge.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Demand {
    /// What it is for.
    pub(crate) order: String,
    /// How much.
    pub(crate) cents: i64,
    pub(crate) card: Card,
}

/// A row of the ledger.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) id: Uuid,
    pub(crate) order: String,
    pub(crate) cents: i64,
    pub(crate) charged: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    store: Store,
    once: Arc<Once>,
}

impl Ledger {
    pub(crate) async fn open(store: Store) -> Result<Ledger, StoreError> {
        store.migrate("fungible-payments", MIGRATIONS).await?;
        let once = Once::new(store.clone(), OnceOptions::default());
        once.migrate().await?;
        Ok(Ledger { store, once: Arc::new(once) })
    }

    /// Charges, unless that has been done under this key.
    pub(crate) async fn charge(&self, key: OnceKey, demand: Demand) -> Result<Done<Charge>, OnceError> {
        let charge = async move |tx: &mut Tx| {
            // Keys are kept for a day; charges for ever.
            let sql = "SELECT id, payee_order, cents, charged FROM charges WHERE payee_order = $1";
            if let Some(row) = tx.query_opt(sql, params![demand.order]).await? {
                return Ok(charge_of(&row)?);
            }
            let Demand { order, cents, card } = demand.clone();
            let charge = Charge { id: Uuid::now_v7(), order, cents, charged: card != Card::Refused };
            let sql = "INSERT INTO charges (id, payee_order, cents, charged) VALUES ($1, $2, $3, $4)";
            tx.execute(sql, params![charge.id, charge.order, charge.cents, charge.charged]).await?;
            Ok(charge)
        };
        self.once.run(key, charge).await
    }

    /// All of it, the oldest first.
    pub(crate) async fn all(&self) -> Result<Vec<Charge>, StoreError> {
        let sql = "SELECT id, payee_order, cents, charged FROM charges ORDER BY id";
        let rows = self.store.read(async move |tx| tx.query(sql, &[]).await).await?;
        rows.iter().map(charge_of).collect()
    }
}

fn charge_of(row: &Row) -> Result<Charge, StoreError> {
    let (id, order, cents) = (row.get("id")?, row.get("payee_order")?, row.get("cents")?);
    Ok(Charge { id, order, cents, charged: row.get("charged")? })
}
