//! The reference online store: browse, fill a cart, log in, check out. Wherever an instance is killed, an order is charged once:
//! it is placed, paid and confirmed in steps, each of which is one transaction that enqueues the next step.
//!
//! | file | what it does |
//! |---|---|
//! | `routes` | all addresses and the layers around them, on one page |
//! | `pages` | the pages for browsers, complete without script |
//! | `api` | the same as JSON |
//! | `catalogue` | products, and how many there are |
//! | `carts` | the carts of those who are logged in |
//! | `cart` | the cart of a request: in the store, or a guest's in its cookie |
//! | `orders` | orders, from the cart to the receipt |
//! | `checkout` | the order of steps |
//! | `payments` | the payment service, which is another program |
//! | `app` | the state of the handlers |
//!
//! The rest is what all apps have in common: the crate `fungible-web`.

mod api;
mod app;
mod assets;
mod cart;
mod carts;
mod catalogue;
mod checkout;
mod orders;
mod pages;
mod payments;
mod routes;

use fungible::{Config, KeyError, ServeOptions, Store, serve};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::app::App;
pub use crate::payments::{Payments, PaymentsUrlError};

/// Runs one instance on `listener` until `shutdown` is ready, and then lets requests and jobs in flight finish.
/// It ignores the address in `config`.
///
/// # Errors
/// When the shared store cannot be opened, its tables cannot be created, or its keys were made under another secret.
pub async fn run(
    listener: TcpListener,
    config: Config,
    payments: Payments,
    shutdown: impl Future<Output = ()>,
) -> Result<(), KeyError> {
    let store = Store::open(&config.store).await?;
    let app = App::new(&store, config, payments).await?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!("listening on {address}");
    }
    // The worker runs as long as requests may wait for it.
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = tokio::spawn(checkout::worker(&app).run(async move { drop(stopped.await) }));
    let ready = move || store.health();
    serve(listener, routes::router(app), ready, shutdown, ServeOptions::default()).await;
    drop(stop);
    if let Err(error) = worker.await {
        tracing::error!(%error, "the worker");
    }
    Ok(())
}

/// Opens the shared store, creates the tables that are missing, and closes it: before many instances are started, to report a
/// problem once.
///
/// # Errors
/// As [`run`].
pub async fn prepare(config: Config, payments: Payments) -> Result<(), KeyError> {
    App::new(&Store::open(&config.store).await?, config, payments).await.map(drop)
}
