//! What is shown, as one value: the status of the fleet with its traffic. Asked of the fleet, or of the balancer alone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::crowd::{Crowd, CrowdView};
use super::hub::Hub;
use super::traffic::{TrafficHistory, TrafficView};
use crate::balancer::{Balancer, Meter, State};
use crate::fleet::{Asked, ControlReply, ControlRequest, FleetStatus};

/// How long the fleet may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where what is shown comes from.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The name of what is shown.
    pub(crate) name: String,
    pub(crate) balancer: Balancer,
    /// The channel to the fleet; `None`: there are only addresses, and no commands.
    pub(crate) commands: Option<mpsc::Sender<Asked>>,
    /// Simulated customers, if there are any.
    pub(crate) crowd: Option<Arc<Crowd>>,
}

/// Makes snapshots.
#[derive(Debug)]
pub(super) struct Snapshots {
    pub(super) sources: Sources,
    pub(super) meter: Arc<Meter>,
    pub(super) hub: Arc<Hub>,
    history: Mutex<TrafficHistory>,
}

/// The status with the traffic, as JSON gets it: what `fungible status --json` prints, and more.
#[derive(Debug, Serialize)]
pub(super) struct Snapshot {
    #[serde(flatten)]
    pub(super) fleet: FleetStatus,
    pub(super) traffic: TrafficView,
    #[serde(skip_serializing_if = "Option::is_none")]
    crowd: Option<CrowdView>,
    /// Whether there are commands.
    commands: bool,
}

impl Snapshots {
    pub(super) fn new(sources: Sources, meter: Arc<Meter>, hub: Arc<Hub>) -> Snapshots {
        Snapshots { sources, meter, hub, history: Mutex::new(TrafficHistory::begin(Instant::now())) }
    }

    /// Takes a sample of the counters, for rates.
    pub(super) fn sample(&self) {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).sample(&self.meter, Instant::now());
    }

    /// The snapshot of now; `None` if the fleet is ending.
    pub(super) async fn now(&self) -> Option<Snapshot> {
        let fleet = self.status().await?;
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let mut traffic = history.view(&self.meter, Instant::now());
        drop(history);
        traffic.instances.retain(|name, _| fleet.instances.iter().any(|one| one.name == *name));
        traffic.client_connections = self.sources.balancer.connections();
        traffic.held = self.sources.balancer.held();
        let crowd = self.sources.crowd.as_ref().map(|crowd| crowd.view());
        Some(Snapshot { fleet, traffic, crowd, commands: self.sources.commands.is_some() })
    }

    /// Whether an instance is ready.
    pub(super) fn any_ready(&self) -> bool {
        self.sources.balancer.instances().iter().any(|one| one.state == State::Healthy)
    }

    /// The status of the fleet, or of the balancer alone.
    pub(super) async fn status(&self) -> Option<FleetStatus> {
        if self.sources.commands.is_none() {
            return Some(FleetStatus::of_addresses(&self.sources.name, &self.sources.balancer));
        }
        match self.ask(ControlRequest::Status).await? {
            ControlReply::Status(status) => Some(*status),
            ControlReply::Done(_) | ControlReply::Refused(_) => None,
        }
    }

    /// Asks the fleet; `None` if there is none or it does not answer.
    pub(super) async fn ask(&self, request: ControlRequest) -> Option<ControlReply> {
        let (reply, answer) = oneshot::channel();
        let asking = async {
            self.sources.commands.as_ref()?.send(Asked { request, reply }).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(PATIENCE, asking).await.ok()?
    }
}
