//! A piece of work that an engine runs in a transaction of its own. Knows neither the engines nor what is done.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::error::{Result, StoreError};

/// How a run ended.
#[derive(Debug)]
pub(super) enum Ran {
    /// It may be committed.
    Keep,
    /// It must be rolled back, by its own decision.
    Undo,
    /// It must be rolled back, because a statement failed.
    Failed(StoreError),
}

/// A run in progress. It stays on its thread.
pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Ran> + 'a>>;

/// Work for an engine whose connections are `C`.
pub(super) trait Work<C>: Send {
    /// Claims the work for the engine's thread; false when its caller no longer waits.
    fn take(&self) -> bool;

    /// Whether no thread has claimed it and its caller still waits.
    fn is_queued(&self) -> bool;

    /// Does the work over a connection. It may be called again after a rollback; the last result counts.
    fn run(&mut self, connection: Rc<C>) -> Running<'_>;

    /// Sends the result to the caller; or the error of the transaction, when the work itself succeeded and its
    /// transaction failed, or when it is unknown whether the transaction was committed.
    fn answer(self: Box<Self>, transaction: Result<()>);
}

/// The end of a run that never has to wait: one that waits is rolled back.
pub(super) fn at_once(mut running: Running<'_>) -> Ran {
    match running.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ran) => ran,
        Poll::Pending => Ran::Undo,
    }
}
