//! The state of a fleet while it runs, and the changes that others are made of: an instance is added, or leaves. It waits for
//! nothing.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::cgroup::ControlGroups;
use super::deploys::Deploys;
use super::event::FleetEvent;
use super::family::Family;
use super::instance::{FleetInstance, Phase};
use super::keeper::{Keeper, ProcessId};
use super::process::Release;
use super::recycling;
use super::scaling::{Autoscaler, BETWEEN_SAMPLES};
use super::settings::FleetSettings;
use crate::balancer::{Balancer, InstanceView};

/// A drain that ended, in time or not.
pub(super) enum Drained {
    One(ProcessId),
    All,
}

/// A program that listens on the port of an instance but is not a process of it.
pub(super) struct Stranger {
    pub(super) process: ProcessId,
    pub(super) by: String,
}

/// How far the end of the fleet is.
pub(super) enum Stopping {
    No,
    Draining,
    Ending,
}

/// All that the supervisor knows.
pub(super) struct FleetState<'a> {
    pub(super) settings: &'a FleetSettings,
    pub(super) balancer: Balancer,
    pub(super) keeper: Keeper,
    pub(super) instances: Vec<FleetInstance>,
    /// How many of them are to stay.
    pub(super) wanted: usize,
    /// What instances run that are started now.
    pub(super) release: Arc<Release>,
    pub(super) deploys: Deploys,
    pub(super) autoscaler: Option<Autoscaler>,
    pub(super) groups: Option<ControlGroups>,
    /// When the load and the memory of instances are looked at next.
    pub(super) sample_at: Option<Instant>,
    pub(super) weigh_at: Option<Instant>,
    pub(super) ever_ready: bool,
    pub(super) stopping: Stopping,
    pub(super) drained: mpsc::UnboundedSender<Drained>,
    pub(super) family: Family,
    pub(super) strangers: mpsc::UnboundedSender<Stranger>,
    pub(super) tell: &'a mut dyn FnMut(FleetEvent),
}

impl<'a> FleetState<'a> {
    /// A fleet without instances. `ends`: where the ends of drains go, and the strangers on ports of instances.
    pub(super) fn new(
        settings: &'a FleetSettings,
        balancer: Balancer,
        keeper: Keeper,
        groups: Option<ControlGroups>,
        ends: (mpsc::UnboundedSender<Drained>, mpsc::UnboundedSender<Stranger>),
        tell: &'a mut dyn FnMut(FleetEvent),
    ) -> FleetState<'a> {
        let (drained, strangers) = ends;
        let family = Family::new(keeper.parent_of_instances());
        FleetState {
            settings,
            balancer,
            keeper,
            instances: Vec::new(),
            wanted: settings.count,
            release: Arc::new(settings.release.clone()),
            deploys: Deploys::default(),
            autoscaler: settings.scaling.clone().map(Autoscaler::new),
            groups,
            sample_at: settings.scaling.as_ref().map(|_| Instant::now() + BETWEEN_SAMPLES),
            weigh_at: settings.recycle.max_memory.map(|_| Instant::now() + recycling::BETWEEN_LOOKS),
            ever_ready: false,
            stopping: Stopping::No,
            drained,
            family,
            strangers,
            tell,
        }
    }

    pub(super) fn staying(&self) -> impl Iterator<Item = &FleetInstance> {
        self.instances.iter().filter(|one| one.stays())
    }

    /// Those that stay, without those that are to replace another one.
    pub(super) fn regular(&self) -> impl Iterator<Item = &FleetInstance> {
        self.staying().filter(|one| one.replaces.is_none())
    }

    /// Adds an instance with the lowest free number. `replaces`: the number of the one that leaves when this one serves.
    pub(super) fn add(&mut self, release: Arc<Release>, replaces: Option<usize>) {
        // They are in the order of their numbers.
        let free = self.instances.iter().zip(1..).position(|(instance, number)| instance.number != number);
        let at = free.unwrap_or(self.instances.len());
        let name = format!("{}-{}", self.settings.name, at + 1);
        self.instances.insert(at, FleetInstance::new(at + 1, name, release, replaces));
    }

    /// Drains the instance of this number. One without a process is removed at once.
    pub(super) fn leave(&mut self, number: usize) {
        let Some(at) = self.instances.iter().position(|one| one.number == number && one.stays()) else { return };
        let instance = self.instances.remove(at);
        if let Phase::Running(life) = instance.phase {
            let (balancer, drained) = (self.balancer.clone(), self.drained.clone());
            let (process, id, limit) = (life.process, life.balanced, self.settings.drain_limit);
            tokio::spawn(async move {
                balancer.drain(id, limit).await;
                // If the fleet has ended, this is not waited for.
                let _ = drained.send(Drained::One(process));
            });
            let phase = Phase::Draining(life);
            self.instances.push(FleetInstance { phase, ..instance });
            self.instances.sort_by_key(|instance| instance.number);
        }
    }

    pub(super) fn forget_in_balancer(&self, process: ProcessId) {
        if let Some(life) = self.instances.iter().filter_map(FleetInstance::life).find(|life| life.process == process) {
            self.balancer.ended(life.balanced);
        }
    }

    /// Whether an instance that does not respond can be killed without leaving nobody: a fleet that is overloaded as a
    /// whole would only become slower.
    pub(super) fn has_one_that_serves(&self) -> bool {
        self.staying().any(|one| one.serves_for().is_some())
    }

    /// Nothing is left to be done for the deploy.
    pub(super) fn deploy_is_over(&mut self) {
        let Some((event, release)) = self.deploys.end() else { return };
        self.release = release.unwrap_or_else(|| Arc::clone(&self.release));
        (self.tell)(event);
    }
}

/// The balancer's view of the process of an instance.
pub(super) fn view_of<'v>(views: &'v [InstanceView], instance: &FleetInstance) -> Option<&'v InstanceView> {
    let life = instance.life()?;
    // They are in the order of their ids.
    views.binary_search_by_key(&life.balanced, |view| view.id).ok().map(|at| &views[at])
}
