//! Counts events of the fleet for metrics.

use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::{EndCause, FleetEvent};

/// The reasons of restarts.
pub(super) const RESTART_REASONS: [&str; 5] = ["ended", "killed", "late", "port_taken", "oom_killed"];

/// How often instances were restarted, and deploys ended.
#[derive(Clone, Debug, Default)]
pub(super) struct FleetCounters {
    /// By the reason.
    pub(super) restarts: BTreeMap<&'static str, u64>,
    /// By the outcome.
    pub(super) deploys: BTreeMap<&'static str, u64>,
    /// Instances that are killed because they exceeded a time limit.
    late: BTreeSet<String>,
}

impl FleetCounters {
    /// Counts an event.
    pub(super) fn count(&mut self, event: &FleetEvent) {
        match event {
            FleetEvent::Late { name } => {
                self.late.insert(name.clone());
            }
            FleetEvent::Ended { name, cause, again_in, .. } => {
                let was_late = self.late.remove(name);
                let reason = match cause {
                    _ if was_late => "late",
                    EndCause::Killed => "killed",
                    EndCause::PortTaken => "port_taken",
                    EndCause::OutOfMemory => "oom_killed",
                    EndCause::Itself => "ended",
                };
                if again_in.is_some() {
                    *self.restarts.entry(reason).or_default() += 1;
                }
            }
            FleetEvent::Deployed { .. } => *self.deploys.entry("done").or_default() += 1,
            FleetEvent::NotDeployed { .. } => *self.deploys.entry("failed").or_default() += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn restarts_are_counted_by_their_reason_and_ends_are_none() {
        let mut counters = FleetCounters::default();
        let ended = |cause, again_in| FleetEvent::Ended { name: "a".into(), how: "SIGKILL".into(), cause, again_in };
        let again = Some(Duration::ZERO);
        counters.count(&ended(EndCause::Killed, again));
        counters.count(&ended(EndCause::Itself, again));
        counters.count(&ended(EndCause::Itself, None));
        counters.count(&FleetEvent::Late { name: "a".into() });
        counters.count(&ended(EndCause::Itself, again));
        counters.count(&ended(EndCause::Itself, again));
        for cause in [EndCause::PortTaken, EndCause::OutOfMemory] {
            let mut counters = FleetCounters::default();
            counters.count(&ended(cause, again));
            assert!(counters.restarts.keys().all(|reason| RESTART_REASONS.contains(reason)), "{cause:?}");
        }
        assert_eq!(counters.restarts.into_iter().collect::<Vec<_>>(), [("ended", 2), ("killed", 1), ("late", 1)]);
    }
}
