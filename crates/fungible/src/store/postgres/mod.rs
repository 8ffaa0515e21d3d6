//! The engine beyond one machine: a PostgreSQL server that the instances share.
//!
//! One thread of the process speaks to the server; closures run on it, each over a connection of its own. What the
//! server has not committed may be run again: after a conflict, after a lost connection, while another server takes
//! over. Only a COMMIT whose answer is lost is unknown.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::command::Command;
use super::url::Server;
use super::{Result, StoreError, StoreOptions};

mod attempt;
mod connect;
mod error;
mod session;
mod thread;
mod types;

pub(super) use connect::parse;
pub(super) use session::Session;

/// What a command is run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A serializable transaction that may write.
    Write,
    /// One state of the store.
    Read,
    /// A statement on its own that only reads.
    Get,
    /// A transaction that may write and in which each statement sees what is committed by then; also one statement on its own.
    ReadCommitted,
}

/// A command on its way, and its place among those that may wait.
struct Job {
    kind: Kind,
    command: Box<dyn Command>,
    _place: tokio::sync::OwnedSemaphorePermit,
}

#[derive(Debug)]
pub(super) struct Postgres {
    queue: mpsc::UnboundedSender<Job>,
    places: Arc<Semaphore>,
}

impl Postgres {
    /// Reaches the server and makes the store's own tables, if need be.
    pub(super) async fn open(server: &Server, options: &StoreOptions) -> Result<Postgres> {
        let pool = connect::pool(server, options)?;
        let queue = thread::start(pool, server.name.as_str().into(), options).await?;
        let places = options.queue.saturating_add(options.connections).min(Semaphore::MAX_PERMITS);
        Ok(Postgres { queue, places: Arc::new(Semaphore::new(places)) })
    }

    pub(super) fn send(&self, kind: Kind, command: Box<dyn Command>) -> Result<()> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| StoreError::Busy)?;
        self.queue.send(Job { kind, command, _place: place }).map_err(|_| StoreError::Closed)
    }
}
