//! The reference to-do list: users log in and keep tasks. It runs on any number of interchangeable instances, because
//! no instance holds anything that a request needs: sessions, users, tasks and links are in the shared store.
//!
//! | file | what it does |
//! |---|---|
//! | `routes` | all addresses and the layers around them, on one page |
//! | `pages` | the pages for browsers, complete without script |
//! | `api` | the same as JSON |
//! | `share` | a shared list for other programs, with the API of Todo-Backend |
//! | `links` | links to a list in the store |
//! | `tasks` | tasks in the store; every write may arrive twice |
//! | `assets` | stylesheet, script and icon |
//! | `app` | the state of the handlers |
//!
//! The rest is what all apps have in common: the crate `fungible-web`.

mod api;
mod app;
mod assets;
mod links;
mod pages;
mod routes;
mod share;
mod tasks;

use fungible::{Config, KeyError, ServeOptions, Store, serve};
use tokio::net::TcpListener;

use crate::app::App;

/// Runs one instance on `listener` until `shutdown` is ready, and then lets the requests in flight finish.
/// It ignores the address in `config`.
///
/// # Errors
/// When the shared store cannot be opened, its tables cannot be created, or its keys were made under another secret. The error
/// says what to do.
pub async fn run(listener: TcpListener, config: Config, shutdown: impl Future<Output = ()>) -> Result<(), KeyError> {
    let store = Store::open(&config.store).await?;
    let app = App::new(&store, config).await?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!("listening on {address}");
    }
    let ready = move || store.health();
    serve(listener, routes::router(app), ready, shutdown, ServeOptions::default()).await;
    Ok(())
}

/// Opens the shared store, creates the tables that are missing, and closes it: before many instances are started, to report a
/// problem once.
///
/// # Errors
/// As [`run`].
pub async fn prepare(config: Config) -> Result<(), KeyError> {
    App::new(&Store::open(&config.store).await?, config).await.map(drop)
}
