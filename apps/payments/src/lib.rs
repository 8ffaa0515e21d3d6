//! A payment service, as small as the shop needs it, and a process of its own as real ones are. It keeps a ledger, charges
//! once per idempotency key, and its cards go wrong on purpose: it can be told to refuse, to be slow, to charge and then
//! say nothing, and to lie. The program `fungible-payments` stands beside the shop.
//!
//! | file | what it does |
//! |---|---|
//! | `ledger` | what was charged: one row per idempotency key |
//! | `card` | how a card goes wrong |
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
    // A card that is silent would be so for ever.
    let options = ServeOptions::default().drain_time(Duration::from_secs(1));
    serve(listener, routes::router(ledger), ready, shutdown, options).await;
    Ok(())
}
