//! A deploy as data: which release replaces which, how far it has come, and what is to be done next. It starts and ends
//! nothing.
//!
//! The rule is that of a Kubernetes Deployment with `maxUnavailable: 0`: an instance leaves only when so many others are
//! available that the fleet stays as large as it was. A new instance is available when it was ready for the probation
//! (`minReadySeconds`). A deploy that fails is rolled back by the same rule, without a probation.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::keeper::ProcessId;
use super::process::Release;
use super::status::{DeployState, DeployStatus};

/// How a release is to be rolled out.
#[derive(Clone, Debug)]
pub(super) struct RolloutPlan {
    /// So many more instances than usual may run at once; at least 1.
    pub(super) surge: usize,
    /// How long a new instance must stay up after it is ready.
    pub(super) probation: Duration,
}

/// A deploy that was begun.
#[derive(Debug)]
pub(super) struct Rollout {
    /// The release that is deployed, and the one that it replaces.
    pub(super) to: Arc<Release>,
    pub(super) from: Arc<Release>,
    plan: RolloutPlan,
    /// How many instances the fleet has.
    wanted: usize,
    stage: Stage,
    began: Instant,
    /// How long it took.
    took: Option<Duration>,
    /// Why it failed, and the last lines of the output of what failed.
    failure: Option<(String, Vec<String>)>,
    /// The last lines of the output of the command before the first new instance, once it has ended.
    said_before: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The command that runs before the first new instance.
    Before(ProcessId),
    Rolling,
    RollingBack,
    Over,
}

/// The instances of a fleet, counted for a rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Of the release that is to stay: those that are available, and those that are not yet.
    pub(super) available: usize,
    pub(super) pending: usize,
    /// Of the release that is to leave: those that serve, and those that do not.
    pub(super) serving: usize,
    pub(super) failing: usize,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NextStep {
    /// So many instances of the release that stays are started.
    pub(super) start: usize,
    /// So many of the other that do not serve, and so many that do, are drained.
    pub(super) drain_failing: usize,
    pub(super) drain_serving: usize,
    /// Nothing is left to be done.
    pub(super) is_over: bool,
}

impl Rollout {
    /// Begins to replace one release by another. `before`: the process that must end well first.
    pub(super) fn new(
        (from, to): (Arc<Release>, Arc<Release>),
        plan: RolloutPlan,
        wanted: usize,
        before: Option<ProcessId>,
    ) -> Rollout {
        let stage = before.map_or(Stage::Rolling, Stage::Before);
        Rollout {
            to,
            from,
            plan,
            wanted,
            stage,
            began: Instant::now(),
            took: None,
            failure: None,
            said_before: Vec::new(),
        }
    }

    /// The process that must end well before the first new instance starts.
    pub(super) fn before(&self) -> Option<ProcessId> {
        if let Stage::Before(process) = self.stage { Some(process) } else { None }
    }

    /// The release that the fleet is to have in the end; `None` while nothing is to be replaced.
    pub(super) fn target(&self) -> Option<&Arc<Release>> {
        match self.stage {
            Stage::Before(_) | Stage::Over => None,
            Stage::Rolling => Some(&self.to),
            Stage::RollingBack => Some(&self.from),
        }
    }

    /// How long an instance of the target must have been ready.
    pub(super) fn probation(&self) -> Duration {
        if self.stage == Stage::Rolling { self.plan.probation } else { Duration::ZERO }
    }

    /// The command before it has ended well.
    pub(super) fn go_on(&mut self) {
        if matches!(self.stage, Stage::Before(_)) {
            self.stage = Stage::Rolling;
        }
    }

    /// It failed, for this reason: what was begun is rolled back. `lines`: of the output of what failed.
    pub(super) fn fail(&mut self, reason: String, lines: Vec<String>) {
        self.stage = match self.stage {
            Stage::Before(_) => Stage::Over,
            Stage::Rolling => Stage::RollingBack,
            // One failure is told, the first.
            Stage::RollingBack | Stage::Over => return,
        };
        let lines = if lines.is_empty() { std::mem::take(&mut self.said_before) } else { lines };
        self.failure = Some((reason, lines));
    }

    /// The last lines of the output of what failed, or of the command before, which may still fail.
    pub(super) fn explain(&mut self, lines: Vec<String>) {
        match &mut self.failure {
            Some((_, known)) if known.is_empty() => *known = lines,
            Some(_) => {}
            None => self.said_before = lines,
        }
    }

    /// Whether instances of this release are new, and may make it fail.
    pub(super) fn is_trying(&self, release: &Arc<Release>) -> bool {
        self.stage == Stage::Rolling && Arc::ptr_eq(release, &self.to)
    }

    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Why it failed.
    pub(super) fn reason(&self) -> Option<&str> {
        self.failure.as_ref().map(|(reason, _)| reason.as_str())
    }

    /// It is over, well or rolled back.
    pub(super) fn end(&mut self) {
        self.stage = Stage::Over;
        self.took = Some(self.began.elapsed());
    }

    /// What is to be done now.
    pub(super) fn next(&self, counts: Counts) -> NextStep {
        next_step(counts, self.wanted, self.plan.surge.max(1), self.stage == Stage::RollingBack)
    }

    /// For `fungible status` and `deploy`.
    pub(super) fn status(&self, counts: Counts) -> DeployStatus {
        let state = match self.stage {
            Stage::Before(_) => DeployState::Before,
            Stage::Rolling => DeployState::Rolling,
            Stage::RollingBack => DeployState::RollingBack,
            Stage::Over if self.failure.is_some() => DeployState::Failed,
            Stage::Over => DeployState::Done,
        };
        let (reason, last_lines) = self.failure.clone().unzip();
        DeployStatus {
            state,
            version: self.to.version.clone(),
            replaces: self.from.version.clone(),
            available: counts.available,
            wanted: self.wanted,
            took_ms: u64::try_from(self.took.unwrap_or_else(|| self.began.elapsed()).as_millis()).unwrap_or(u64::MAX),
            reason,
            last_lines: last_lines.unwrap_or_default(),
        }
    }
}

/// What is to be done with these instances to have `wanted` of the release that stays.
fn next_step(counts: Counts, wanted: usize, surge: usize, back: bool) -> NextStep {
    let Counts { available, pending, serving, failing } = counts;
    if serving + failing == 0 && pending == 0 && available >= wanted {
        return NextStep { is_over: true, ..NextStep::default() };
    }
    let start = wanted.saturating_sub(available + pending).min(surge.saturating_sub(pending));
    // Those of a release that failed serve nobody, and must not go on failing.
    let drain_failing =
        if back { failing } else { failing.min((available + serving + failing).saturating_sub(wanted)) };
    let drain_serving = serving.min((available + serving).saturating_sub(wanted));
    NextStep { start, drain_failing, drain_serving, is_over: false }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One instance of a simulated fleet.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum One {
        Old { serves: bool },
        New { available: bool },
    }

    fn counts(fleet: &[One]) -> Counts {
        let count = |wanted: One| fleet.iter().filter(|one| **one == wanted).count();
        Counts {
            available: count(One::New { available: true }),
            pending: count(One::New { available: false }),
            serving: count(One::Old { serves: true }),
            failing: count(One::Old { serves: false }),
        }
    }

    fn remove(fleet: &mut Vec<One>, which: One, times: usize) {
        for _ in 0..times {
            let at = fleet.iter().position(|one| *one == which).expect("there are so many");
            fleet.remove(at);
        }
    }

    proptest! {
        /// Whatever becomes ready when, and whatever old instance fails: never fewer serve than before, never more than
        /// the surge allows are pending, and it ends with all replaced.
        #[test]
        fn a_rollout_keeps_the_fleet_as_large_as_it_was(
            wanted in 1_usize..12, surge in 1_usize..5, back: bool, events in prop::collection::vec(0_usize..3, 0..60),
        ) {
            let mut fleet = vec![One::Old { serves: true }; wanted];
            let mut lost = 0;
            let mut events = events.into_iter();
            for _ in 0..500 {
                let next = next_step(counts(&fleet), wanted, surge, back);
                if next.is_over {
                    break;
                }
                remove(&mut fleet, One::Old { serves: false }, next.drain_failing);
                remove(&mut fleet, One::Old { serves: true }, next.drain_serving);
                fleet.extend(std::iter::repeat_n(One::New { available: false }, next.start));
                let now = counts(&fleet);
                prop_assert!(now.pending <= surge, "{now:?}");
                prop_assert!(now.available + now.serving + lost >= wanted, "{now:?}, {lost} lost");
                match events.next() {
                    // An old instance stops serving by itself.
                    Some(0) => if let Some(one) = fleet.iter_mut().find(|one| **one == One::Old { serves: true }) {
                        *one = One::Old { serves: false };
                        lost += 1;
                    },
                    // Nothing happens for a while.
                    Some(1) => {}
                    _ => if let Some(one) = fleet.iter_mut().find(|one| **one == One::New { available: false }) {
                        *one = One::New { available: true };
                    },
                }
            }
            prop_assert_eq!(counts(&fleet), Counts { available: wanted, ..Counts::default() });
        }
    }

    #[test]
    fn an_old_instance_stays_until_a_new_one_is_available() {
        let step = |counts| next_step(counts, 3, 1, false);
        let old = Counts { serving: 3, ..Counts::default() };
        assert_eq!(step(old), NextStep { start: 1, ..NextStep::default() });
        assert_eq!(step(Counts { pending: 1, ..old }), NextStep::default());
        assert_eq!(
            step(Counts { available: 1, ..old }),
            NextStep { start: 1, drain_serving: 1, ..NextStep::default() }
        );
        assert_eq!(
            step(Counts { available: 3, ..Counts::default() }),
            NextStep { is_over: true, ..NextStep::default() }
        );
    }
}
