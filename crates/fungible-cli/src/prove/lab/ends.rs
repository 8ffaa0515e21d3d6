//! Notices when instances end, and tells those that ended by themselves from those that we killed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::fleet::{Launcher, ProcessEnd, ProcessId, Waited};
use crate::prove::journal::InstanceEnd;

/// SIGKILL, by which we end instances.
const KILL: i32 = nix::sys::signal::Signal::SIGKILL as i32;

/// Waits for the ends of all instances of a run.
#[derive(Default)]
pub(super) struct Ends(JoinSet<Gone>);

/// The end of one, with the place of the instance.
pub(super) struct Gone {
    pub(super) place: usize,
    waited: Waited,
    at: Duration,
}

impl Ends {
    /// Waits for the end of one more instance of the run that began then.
    pub(super) fn watch(&mut self, place: usize, (launcher, id): (Arc<Launcher>, ProcessId), began: Instant) {
        self.0.spawn(async move { Gone { place, waited: launcher.ended(id).await, at: began.elapsed() } });
    }

    /// The next one that has ended by then.
    pub(super) async fn next(&mut self, until: tokio::time::Instant) -> Option<Gone> {
        tokio::time::timeout_at(until, self.0.join_next()).await.ok()??.ok()
    }
}

impl Gone {
    /// How it ended by itself; `None` where it was killed. `dies`: we have killed it, or were about to.
    pub(super) fn by_itself(self, dies: bool) -> Option<InstanceEnd> {
        match self.waited {
            Waited::Ended(ProcessEnd::Killed(KILL)) if dies => None,
            Waited::Ended(end @ (ProcessEnd::Exited(_) | ProcessEnd::Killed(_))) => {
                Some(InstanceEnd { at: self.at, how: end.to_string() })
            }
            _ => None,
        }
    }
}
