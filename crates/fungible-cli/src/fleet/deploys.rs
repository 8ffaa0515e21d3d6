//! The deploys of a fleet: what its instances mean for the [`Rollout`] that runs, and what the last one came to. It starts
//! and ends no process.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::control::DeployRequest;
use super::event::FleetEvent;
use super::instance::FleetInstance;
use super::keeper::ProcessId;
use super::process::Release;
use super::rollout::{Counts, NextStep, Rollout};
use super::status::DeployStatus;

/// The last deploy of a fleet, if there was one.
#[derive(Default)]
pub(super) struct Deploys {
    last: Option<Rollout>,
    /// The process whose last lines say why it failed.
    blamed: Option<ProcessId>,
}

/// The release that a request asks for, where `current` runs.
pub(super) fn release_of(request: &DeployRequest, current: &Release) -> Release {
    let mut template = current.template.clone();
    if let Some((program, args)) = request.command.split_first() {
        (template.program, template.args) = (program.clone(), args.to_vec());
    }
    template.env.retain(|(key, _)| !request.env.iter().any(|(new, _)| new == key));
    template.env.extend(request.env.iter().cloned());
    Release::new(template, request.version.clone())
}

impl Deploys {
    /// The deploy that is not over.
    pub(super) fn running(&self) -> Option<&Rollout> {
        self.last.as_ref().filter(|rollout| !rollout.is_over())
    }

    pub(super) fn begin(&mut self, rollout: Rollout) {
        (self.last, self.blamed) = (Some(rollout), None);
    }

    /// The fleet ends, and the deploy with it.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// Whether this is the command before the first new instance.
    pub(super) fn runs_before(&self, process: ProcessId) -> bool {
        self.last.as_ref().and_then(Rollout::before) == Some(process)
    }

    /// The command before the first new instance has ended well.
    pub(super) fn go_on(&mut self) {
        if let Some(rollout) = &mut self.last {
            rollout.go_on();
        }
    }

    /// The deploy fails because of this process, if one runs. `lines`: the last ones of its output, as far as they are
    /// known.
    pub(super) fn fail(&mut self, reason: String, process: Option<ProcessId>, lines: Vec<String>) {
        if let Some(rollout) = &mut self.last {
            rollout.fail(reason, lines);
            self.blamed = process;
        }
    }

    /// Whether an instance of this release that was ready for so long may still make the deploy fail.
    pub(super) fn is_trying(&self, release: &Arc<Release>, ready_for: Option<Duration>) -> bool {
        self.last.as_ref().is_some_and(|rollout| {
            rollout.is_trying(release) && ready_for.is_none_or(|time| time < rollout.probation())
        })
    }

    /// Takes the last lines of a process that may have to say why the deploy failed; others are given back.
    pub(super) fn take_lines(&mut self, process: ProcessId, lines: Vec<String>) -> Option<Vec<String>> {
        let blamed = self.blamed == Some(process) || self.runs_before(process);
        match self.last.as_mut().filter(|_| blamed) {
            Some(rollout) => {
                rollout.explain(lines);
                None
            }
            None => Some(lines),
        }
    }

    /// What is to be done next, and the release that is to stay; `None` while nothing is to be replaced.
    pub(super) fn next(&self, instances: &[FleetInstance]) -> Option<(Arc<Release>, NextStep)> {
        let rollout = self.last.as_ref()?;
        let target = Arc::clone(rollout.target()?);
        let next = rollout.next(counts(instances, &target, rollout.probation()));
        Some((target, next))
    }

    /// Nothing is left to be done. Gives the event to tell and, if the deploy went well, the release that runs now.
    pub(super) fn end(&mut self) -> Option<(FleetEvent, Option<Arc<Release>>)> {
        let rollout = self.last.as_mut()?;
        rollout.end();
        let version = rollout.to.version.clone();
        Some(match rollout.reason() {
            Some(reason) => (FleetEvent::NotDeployed { version, reason: reason.to_owned() }, None),
            None => (FleetEvent::Deployed { version }, Some(Arc::clone(&rollout.to))),
        })
    }

    /// When the probation of a new instance ends.
    pub(super) fn next_deadline(&self, instances: &[FleetInstance]) -> Option<Instant> {
        let probation = self.running()?.probation();
        let left = instances.iter().filter_map(|one| probation.checked_sub(one.serves_for()?));
        left.filter(|left| !left.is_zero()).min().map(|left| Instant::now() + left)
    }

    /// For `fungible status`; `current`: the release that the fleet runs.
    pub(super) fn status(&self, instances: &[FleetInstance], current: &Arc<Release>) -> Option<DeployStatus> {
        let rollout = self.last.as_ref()?;
        let target = rollout.target().unwrap_or(current);
        Some(rollout.status(counts(instances, target, rollout.probation())))
    }
}

fn counts(instances: &[FleetInstance], target: &Arc<Release>, probation: Duration) -> Counts {
    let mut counts = Counts::default();
    for one in instances.iter().filter(|one| one.stays()) {
        let of_target = Arc::ptr_eq(&one.release, target);
        let count = match one.serves_for() {
            Some(time) if of_target && time >= probation => &mut counts.available,
            _ if of_target => &mut counts.pending,
            Some(_) => &mut counts.serving,
            None => &mut counts.failing,
        };
        *count += 1;
    }
    counts
}
