//! The engine for more than one machine: a PostgreSQL server that the instances share.
//!
//! One thread of the process talks to the server and runs the work there, each piece over a connection of its own. What
//! the server has not committed may be run again: after a conflict, after a lost connection, during a switch-over to
//! another server. Only a COMMIT whose answer is lost has an unknown outcome.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::error::{Result, StoreError};
use super::options::StoreOptions;
use super::work::Work;

mod address;
mod attempt;
mod connect;
mod error;
mod session;
mod thread;
mod types;

pub(super) use address::{Server, parse};
pub(super) use attempt::Kind;
pub(super) use session::Session;
use thread::Queued;

#[derive(Debug)]
pub(super) struct Postgres {
    queue: mpsc::UnboundedSender<Queued>,
    /// Places for work that waits or runs.
    places: Arc<Semaphore>,
}

impl Postgres {
    /// Connects to the server and creates the store's own tables if they are missing.
    pub(super) async fn open(server: &Server, options: &StoreOptions) -> Result<Postgres> {
        let pool = connect::pool(server, options)?;
        let queue = thread::start(pool, server.name.as_str().into(), options).await?;
        let places = options.queue.saturating_add(options.connections).min(Semaphore::MAX_PERMITS);
        Ok(Postgres { queue, places: Arc::new(Semaphore::new(places)) })
    }

    pub(super) fn send(&self, kind: Kind, work: Box<dyn Work<Session>>) -> Result<()> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| StoreError::Busy)?;
        self.queue.send(Queued { kind, work, place }).map_err(|_| StoreError::Closed)
    }
}
