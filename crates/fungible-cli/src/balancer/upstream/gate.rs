//! Holds a request body back until the instance asks for it with `100 Continue` (RFC 9110, 10.1.1): a client that waits for
//! that word sends no body which the instance refuses by its head.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Some servers never ask. After so long the body is sent, as curl does.
const UNASKED: Duration = Duration::from_secs(1);

/// Whether a body may be sent. Clones are handles to the same gate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<Mutex<GateState>>);

#[derive(Debug, Default)]
struct GateState {
    stands: Stands,
    body: Option<Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stands {
    #[default]
    Closed,
    Open,
    /// The instance has answered without the body, which is not asked for any more.
    Answered,
    /// The exchange is over.
    Over,
}

impl Gate {
    /// A gate that opens by itself after a while.
    pub(crate) fn new() -> Gate {
        let gate = Gate::default();
        let later = gate.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(UNASKED).await;
            later.open();
        });
        gate
    }

    /// The instance asks for the body.
    pub(crate) fn open(&self) {
        self.turn(&[Stands::Closed], Stands::Open);
    }

    /// The instance has answered.
    pub(crate) fn answered(&self) {
        self.turn(&[Stands::Closed], Stands::Answered);
    }

    /// Whether the body may be sent: pending until that is known.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<bool> {
        let mut state = self.state();
        match state.stands {
            Stands::Open => Poll::Ready(true),
            Stands::Over => Poll::Ready(false),
            Stands::Closed | Stands::Answered => {
                state.body = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn turn(&self, from: &[Stands], to: Stands) {
        let mut state = self.state();
        if from.contains(&state.stands) {
            state.stands = to;
            if let Some(body) = state.body.take() {
                body.wake();
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, GateState> {
        // No code that holds this lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a body that still waits at its gate, and with it its connection, when the exchange is over.
#[derive(Debug)]
pub(crate) struct GateGuard(pub(crate) Gate);

impl Drop for GateGuard {
    fn drop(&mut self) {
        self.0.turn(&[Stands::Closed, Stands::Answered], Stands::Over);
    }
}
