//! The limits of a store.

use std::time::Duration;

use crate::setters::setters;

/// The limits of a store. Start from [`StoreOptions::default`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoreOptions {
    /// How long a call waits for its turn, or for a server that is away to come back, before it fails with
    /// [`StoreError::Busy`](crate::StoreError::Busy) or [`StoreError::Unreachable`](crate::StoreError::Unreachable).
    pub wait_limit: Duration,
    /// How many writes, and how many reads, may wait at the same time; any more fail with `Busy` at once.
    pub queue: usize,
    /// SQLite: the number of threads for [`Store::read`](crate::Store::read).
    pub reader_threads: usize,
    /// SQLite: the largest size of the file, in bytes (rounded to pages); writes beyond it fail with
    /// [`StoreError::Full`](crate::StoreError::Full).
    pub max_bytes: Option<u64>,
    /// PostgreSQL: the most connections that one process opens.
    pub connections: usize,
    /// PostgreSQL: the longest time for one statement. After that the server counts as unreachable.
    pub statement_limit: Duration,
}

impl Default for StoreOptions {
    /// 5 s, 1024, 2 threads, no limit of size, 8 connections, 10 s.
    fn default() -> StoreOptions {
        StoreOptions {
            wait_limit: Duration::from_secs(5),
            queue: 1024,
            reader_threads: 2,
            max_bytes: None,
            connections: 8,
            statement_limit: Duration::from_secs(10),
        }
    }
}

setters!(StoreOptions: wait_limit: Duration, queue: usize, reader_threads: usize, connections: usize, statement_limit: Duration);

impl StoreOptions {
    /// Sets the field `max_bytes`.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> StoreOptions {
        self.max_bytes = Some(bytes);
        self
    }
}
