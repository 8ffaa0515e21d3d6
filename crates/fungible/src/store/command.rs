//! A caller's closure on its way to a thread of the store and back. Knows no engine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{StoreError, Tx};

/// Who has the command. The caller may take it back as long as no thread has begun it.
#[derive(Debug, Default)]
struct Claim(AtomicU8);

const QUEUED: u8 = 0;
const TAKEN: u8 = 1;
const CANCELLED: u8 = 2;

impl Claim {
    /// Moves a queued command on; true when it now is what was asked for, also when it already was.
    fn change(&self, to: u8) -> bool {
        match self.0.compare_exchange(QUEUED, to, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(now) => now == to,
        }
    }
}

/// A closure at work. It stays on its thread.
pub(super) type Run<'a> = Pin<Box<dyn Future<Output = bool> + 'a>>;

/// A closure of any type as the threads see it.
pub(super) trait Command: Send {
    /// Makes the command the thread's; false when its caller no longer waits.
    fn take(&self) -> bool;

    /// Whether nobody has begun it and its caller still waits.
    fn is_queued(&self) -> bool;

    /// Runs the closure, possibly again, and keeps its result. False when it must be rolled back.
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> Run<'a>;

    /// Sends the kept result; or `transaction`'s error, when the closure itself succeeded and its transaction did
    /// not, or when what the closure saw may not be so.
    fn answer(self: Box<Self>, transaction: Result<(), StoreError>);
}

/// What the caller holds while its command is on the way. Dropping it takes back a command that nobody has begun.
pub(super) struct Waiting<T, E> {
    claim: Arc<Claim>,
    answer: oneshot::Receiver<Result<T, E>>,
}

struct Call<F, T, E> {
    closure: F,
    result: Option<Result<T, E>>,
    claim: Arc<Claim>,
    answer: oneshot::Sender<Result<T, E>>,
}

/// A closure as a command, and its caller's end.
pub(super) fn command<F, T, E>(closure: F) -> (Box<dyn Command>, Waiting<T, E>)
where
    F: AsyncFn(&mut Tx) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let claim = Arc::new(Claim::default());
    let (sender, receiver) = oneshot::channel();
    let call = Call { closure, result: None, claim: claim.clone(), answer: sender };
    (Box::new(call), Waiting { claim, answer: receiver })
}

impl<F, T, E> Command for Call<F, T, E>
where
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

    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> Run<'a> {
        Box::pin(async move {
            tx.failed = None;
            let waits = tx.waits();
            let result = {
                let mut running = pin!((self.closure)(tx));
                let watched = std::future::poll_fn(|context| {
                    match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context))) {
                        Ok(Poll::Ready(result)) => Poll::Ready(result),
                        Ok(Poll::Pending) if waits() => Poll::Pending,
                        // It waits for something that is none of the store's business.
                        Ok(Poll::Pending) => Poll::Ready(Err(E::from(StoreError::Waited))),
                        Err(_panic) => Poll::Ready(Err(E::from(StoreError::Panicked))),
                    }
                });
                watched.await
            };
            let result = match &tx.failed {
                Some(error) => result.and(Err(E::from(error.clone()))),
                None => result,
            };
            self.result.insert(result).is_ok()
        })
    }

    fn answer(self: Box<Self>, transaction: Result<(), StoreError>) {
        let Call { closure, result, answer, .. } = *self;
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
    /// The answer. After `limit` without a thread having begun the command it is taken back and the answer is Busy;
    /// one that has been begun is waited for.
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
