//! A caller's closure as work for an engine, and the caller's wait for its result. Only this file makes a [`Tx`]. Knows
//! no engine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::oneshot;

use super::error::{Result, StoreError};
use super::tx::{Connection, Tx};
use super::work::{Ran, Running, Work};

/// Who has the command. The caller may take it back until a thread has claimed it.
#[derive(Debug, Default)]
struct Claim(AtomicU8);

const QUEUED: u8 = 0;
const TAKEN: u8 = 1;
const CANCELLED: u8 = 2;

impl Claim {
    /// Moves a queued command on; true when it is now in the state asked for, also when it already was.
    fn change(&self, to: u8) -> bool {
        match self.0.compare_exchange(QUEUED, to, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(now) => now == to,
        }
    }
}

/// What the caller holds while its command is queued or runs. Dropping it takes back a command that no thread has
/// claimed.
pub(super) struct Waiting<T, E> {
    claim: Arc<Claim>,
    answer: oneshot::Receiver<Result<T, E>>,
}

/// A closure with the place for its result.
pub(super) struct Command<F, T, E> {
    closure: F,
    result: Option<Result<T, E>>,
    claim: Arc<Claim>,
    answer: oneshot::Sender<Result<T, E>>,
}

/// A closure as work for an engine, and its caller's end.
pub(super) fn command<F, T, E>(closure: F) -> (Command<F, T, E>, Waiting<T, E>)
where
    F: AsyncFn(&mut Tx) -> Result<T, E>,
{
    let claim = Arc::new(Claim::default());
    let (sender, receiver) = oneshot::channel();
    let command = Command { closure, result: None, claim: claim.clone(), answer: sender };
    (command, Waiting { claim, answer: receiver })
}

impl<C, F, T, E> Work<C> for Command<F, T, E>
where
    C: 'static,
    Connection: From<Rc<C>>,
    F: AsyncFn(&mut Tx) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    fn take(&self) -> bool {
        self.claim.change(TAKEN)
    }

    fn is_queued(&self) -> bool {
        self.claim.0.load(Ordering::Acquire) == QUEUED
    }

    fn run(&mut self, connection: Rc<C>) -> Running<'_> {
        Box::pin(async move {
            let mut tx = Tx::new(connection.into());
            let waits = tx.waits();
            let result = {
                let mut running = pin!((self.closure)(&mut tx));
                let watched = std::future::poll_fn(|context| {
                    match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context))) {
                        Ok(Poll::Ready(result)) => Poll::Ready(result),
                        Ok(Poll::Pending) if waits() => Poll::Pending,
                        // It waits for something other than the store.
                        Ok(Poll::Pending) => Poll::Ready(Err(E::from(StoreError::Waited))),
                        Err(_panic) => Poll::Ready(Err(E::from(StoreError::Panicked))),
                    }
                });
                watched.await
            };
            let (result, ran) = match tx.into_failure() {
                Some(error) => (result.and(Err(E::from(error.clone()))), Ran::Failed(error)),
                None if result.is_ok() => (result, Ran::Keep),
                None => (result, Ran::Undo),
            };
            self.result = Some(result);
            ran
        })
    }

    fn answer(self: Box<Self>, transaction: Result<()>) {
        let Command { closure, result, answer, .. } = *self;
        let result = match (result, transaction) {
            (_, Err(error @ StoreError::Unknown(_))) => Err(E::from(error)),
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(E::from(error)),
            (Some(result), Ok(())) => result,
            (None, Ok(())) => Err(E::from(StoreError::Closed)),
        };
        // A caller's destructor that panics must not end the thread.
        let _ = catch_unwind(AssertUnwindSafe(move || drop((closure, answer.send(result)))));
    }
}

impl<T, E: From<StoreError>> Waiting<T, E> {
    /// The result. A command that no thread has claimed within `limit` is taken back, and the result is
    /// [`StoreError::Busy`]; one that has been claimed is waited for.
    pub(super) async fn within(mut self, limit: Duration) -> Result<T, E> {
        let answer = match tokio::time::timeout(limit, &mut self.answer).await {
            Ok(answer) => answer,
            Err(_elapsed) if self.claim.change(CANCELLED) => return Err(StoreError::Busy.into()),
            Err(_elapsed) => (&mut self.answer).await,
        };
        answer.unwrap_or_else(|_dropped| Err(StoreError::Closed.into()))
    }
}

impl<T, E> Drop for Waiting<T, E> {
    fn drop(&mut self) {
        self.claim.change(CANCELLED);
    }
}
