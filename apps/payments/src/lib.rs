//! A payment service for the shop, in a process of its own as real ones are. It keeps a ledger and charges once per idempotency
//! key. Its cards fail on purpose: one is refused, one is slow, one is charged without a response, one gets a wrong response.
//! The program `fungible-payments` runs beside the shop.
//!
//! | file | what it does |
//! |---|---|
//! | `ledger` | what was charged: one row per idempotency key |
//! | `card` | how a card fails |
//! | `routes` | the addresses |

mod card;
mod ledger;
mod routes;

use std::time::Duration;

use fungible::{ServeOptions, Store, StoreError, StoreUrl, serve};
use tokio::net::TcpListener;

/// Runs the service on `listener` until `shutdown` is ready.
///
/// # Errors
/// When the ledger cannot be opened.
pub async fn run(
    listener: TcpListener,
    ledger: &StoreUrl,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StoreError> {
    let store = Store::open(ledger).await?;
    let ledger = ledger::Ledger::open(store.clone()).await?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!("listening on {address}");
    }
    let ready = move || store.health();
    // The request of a silent card would never finish.
    let options = ServeOptions::default().drain_time(Duration::from_secs(1));
    serve(listener, routes::router(ledger), ready, shutdown, options).await;
    Ok(())
}
