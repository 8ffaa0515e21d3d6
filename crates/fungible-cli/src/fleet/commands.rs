//! What users ask of a running fleet, and the replies.

use std::sync::Arc;

use super::control::{Asked, ControlReply, ControlRequest, DeployRequest, InstanceSignal, pause};
use super::deploys::release_of;
use super::event::{FleetError, FleetEvent};
use super::instance::{FleetInstance, Phase};
use super::keeper::{Isolation, Launch, Signal};
use super::rollout::{Rollout, RolloutPlan};
use super::state::{Drained, FleetState, Stopping, view_of};
use super::status::{FleetStatus, ScalingStatus};

/// A limit against typing errors: each instance takes a port and a process.
const MOST_INSTANCES: usize = 1000;

pub(super) fn answer(fleet: &mut FleetState<'_>, asked: Asked) -> Result<(), FleetError> {
    // Whoever asked was told that the fleet does not answer.
    if asked.reply.is_closed() {
        return Ok(());
    }
    let reply = match asked.request {
        ControlRequest::Status => ControlReply::Status(Box::new(status(fleet))),
        ControlRequest::Signal { instance, signal } => send_signal(fleet, &instance, signal)?,
        ControlRequest::Drain { instance } => drain_one(fleet, &instance),
        ControlRequest::Scale { count } => scale(fleet, count),
        ControlRequest::Deploy(request) => deploy(fleet, request)?,
        ControlRequest::CancelDeploy => cancel_deploy(fleet)?,
        ControlRequest::Pause { limit } => pause(&fleet.balancer, limit),
        ControlRequest::Stop => {
            stop(fleet)?;
            ControlReply::Done("stopping".to_owned())
        }
    };
    // The client may have disconnected.
    let _ = asked.reply.send(reply);
    Ok(())
}

fn send_signal(fleet: &mut FleetState<'_>, name: &str, signal: InstanceSignal) -> Result<ControlReply, FleetError> {
    let Some(instance) = fleet.instances.iter_mut().find(|instance| instance.name == name) else {
        let names: Vec<&str> = fleet.instances.iter().map(|instance| instance.name.as_str()).collect();
        return Ok(ControlReply::Refused(format!("no instance is called {name}; there are {}", names.join(", "))));
    };
    let Some(life) = instance.life_mut() else {
        return Ok(ControlReply::Refused(format!("{name} has already ended and will be restarted")));
    };
    let (signal, done) = match signal {
        InstanceSignal::Kill => {
            life.killed_by_us = true;
            (Signal::Kill, "killed")
        }
        InstanceSignal::Freeze => (Signal::Stop, "froze"),
        InstanceSignal::Thaw => (Signal::Continue, "thawed"),
    };
    fleet.keeper.signal(life.process, signal).map_err(|_| FleetError::KeeperGone)?;
    Ok(ControlReply::Done(format!("{done} {name}")))
}

fn scale(fleet: &mut FleetState<'_>, count: usize) -> ControlReply {
    if count == 0 {
        return ControlReply::Refused("a fleet has at least one instance; `fungible stop` ends it".to_owned());
    }
    if count > MOST_INSTANCES {
        return ControlReply::Refused(format!("a fleet has at most {MOST_INSTANCES} instances"));
    }
    if !matches!(fleet.stopping, Stopping::No) {
        return ControlReply::Refused("the fleet is ending".to_owned());
    }
    if let Some(rollout) = fleet.deploys.running() {
        return ControlReply::Refused(format!(
            "version {} is being deployed: scale when that has ended",
            rollout.to.version
        ));
    }
    if let Some(scaler) = &fleet.autoscaler {
        let rule = scaler.rule();
        return ControlReply::Refused(format!(
            "the fleet scales by load, from {} to {} instances (--min and --max)",
            rule.min, rule.max
        ));
    }
    let before = std::mem::replace(&mut fleet.wanted, count);
    ControlReply::Done(format!("from {before} to {count} instances"))
}

/// Drains one instance; another one starts in its place.
fn drain_one(fleet: &mut FleetState<'_>, name: &str) -> ControlReply {
    if !matches!(fleet.stopping, Stopping::No) {
        return ControlReply::Refused("the fleet is ending".to_owned());
    }
    if let Some(rollout) = fleet.deploys.running() {
        let version = &rollout.to.version;
        return ControlReply::Refused(format!("version {version} is being deployed: wait until that has ended"));
    }
    let Some(instance) = fleet.staying().find(|instance| instance.name == name) else {
        let names: Vec<&str> = fleet.staying().map(|instance| instance.name.as_str()).collect();
        return ControlReply::Refused(format!("no instance is called {name}; there are {}", names.join(", ")));
    };
    fleet.leave(instance.number);
    ControlReply::Done(format!("draining {name}; another instance starts in its place"))
}

fn deploy(fleet: &mut FleetState<'_>, request: DeployRequest) -> Result<ControlReply, FleetError> {
    let refusal = if !matches!(fleet.stopping, Stopping::No) {
        Some("the fleet is ending".to_owned())
    } else if let Some(rollout) = fleet.deploys.running() {
        Some(format!("version {} is being deployed: wait until that has ended", rollout.to.version))
    } else if !fleet.ever_ready {
        Some("no instance has become ready yet: deploy when the fleet runs".to_owned())
    } else {
        None
    };
    if let Some(reason) = refusal {
        return Ok(ControlReply::Refused(reason));
    }
    let release = Arc::new(release_of(&request, &fleet.release));
    let what = format!(
        "{} instances of `{}` (version {}) by `{}` (version {})",
        fleet.wanted,
        fleet.release.command(),
        fleet.release.version,
        release.command(),
        release.version
    );
    if request.dry_run {
        let before = request.before.map_or_else(String::new, |command| format!(", after `{command}`"));
        return Ok(ControlReply::Done(format!("would replace {what}{before}; nothing was changed")));
    }
    let before = request.before.map(|command| {
        let (args, env) = (vec!["-c".to_owned(), command], release.template.env.clone());
        let output = fleet.settings.output.of("before", 1);
        fleet.keeper.launch(Launch { program: "/bin/sh".to_owned(), args, env, output, cell: None, groups: Vec::new() })
    });
    let before = before.transpose().map_err(|_| FleetError::KeeperGone)?;
    let plan = RolloutPlan { surge: request.surge, probation: request.probation };
    (fleet.tell)(FleetEvent::Deploying { version: release.version.clone() });
    for instance in &mut fleet.instances {
        instance.replaces = None;
    }
    fleet.deploys.begin(Rollout::new((Arc::clone(&fleet.release), release), plan, fleet.wanted, before));
    Ok(ControlReply::Done(format!("replacing {what}")))
}

fn cancel_deploy(fleet: &mut FleetState<'_>) -> Result<ControlReply, FleetError> {
    let Some(rollout) = fleet.deploys.running() else {
        return Ok(ControlReply::Refused("nothing is being deployed".to_owned()));
    };
    let (before, version) = (rollout.before(), rollout.to.version.clone());
    fleet.deploys.fail("it was cancelled".to_owned(), None, Vec::new());
    if let Some(process) = before {
        fleet.keeper.signal(process, Signal::Kill).map_err(|_| FleetError::KeeperGone)?;
        fleet.deploy_is_over();
    }
    Ok(ControlReply::Done(format!("rolling version {version} back")))
}

pub(super) fn stop(fleet: &mut FleetState<'_>) -> Result<(), FleetError> {
    if matches!(fleet.stopping, Stopping::No) {
        fleet.stopping = Stopping::Draining;
        (fleet.tell)(FleetEvent::Draining);
        // A deploy that is not over ends with the fleet.
        fleet.deploys.forget();
        fleet.instances.retain(|instance| !matches!(instance.phase, Phase::Paused { .. }));
        let (balancer, drained, limit) = (fleet.balancer.clone(), fleet.drained.clone(), fleet.settings.drain_limit);
        tokio::spawn(async move {
            balancer.stop(limit).await;
            let _ = drained.send(Drained::All);
        });
        return Ok(());
    }
    // The second request to stop: kill at once.
    fleet.stopping = Stopping::Ending;
    fleet.instances.retain(|instance| instance.life().is_some());
    for life in fleet.instances.iter().filter_map(FleetInstance::life) {
        fleet.keeper.signal(life.process, Signal::Kill).map_err(|_| FleetError::KeeperGone)?;
    }
    Ok(())
}

fn status(fleet: &FleetState<'_>) -> FleetStatus {
    let views = fleet.balancer.instances();
    let instances = fleet.instances.iter().map(|instance| instance.status(view_of(&views, instance)));
    FleetStatus {
        schema_version: 1,
        name: fleet.settings.name.clone(),
        listen: fleet.balancer.local_addr(),
        tls: fleet.balancer.is_tls(),
        wanted: fleet.wanted,
        pid: std::process::id(),
        isolation: match fleet.keeper.isolation() {
            Isolation::Namespaces => "namespaces".to_owned(),
            Isolation::Subreaper => "subreaper".to_owned(),
        },
        version: fleet.release.version.clone(),
        deploy: fleet.deploys.status(&fleet.instances, &fleet.release),
        paused_ms: fleet.balancer.paused_ms(),
        scaling: fleet.autoscaler.as_ref().map(|scaler| ScalingStatus {
            min: scaler.rule().min,
            max: scaler.rule().max,
            target_in_flight: scaler.rule().target,
            wanted: fleet.wanted,
        }),
        instances: instances.collect(),
    }
}
