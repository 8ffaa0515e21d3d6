//! Background jobs: enqueued in the transaction that needs them, leased by one instance at a time, taken over when that
//! instance crashes, retried with growing pauses, and kept when they fail for good. Knows jobs by their kind; what a job
//! does is up to its handler.

mod job;
mod queue;
mod worker;

pub use job::{Job, JobError};
pub use queue::{DeadJob, Jobs};
pub use worker::{Worker, WorkerOptions};
