//! `fungible balance`: balances requests over instances that something else runs.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::mpsc;

use super::args::{BalanceOptions, Target};
use super::front::{Opened, front, mark, scheme};
use super::printer::{Printer, Printing};
use super::run::stop_signals;
use super::{process, screen};
use crate::admin::Sources;
use crate::balancer::{Balancer, InstanceId, State};
use crate::fleet::{Asked, Control, ControlReply, ControlRequest, FleetEvent, FleetStatus, pause};

/// How many instances are expected behind a name, for the limit on connections.
const EXPECTED: usize = 64;

/// Balances until it is stopped.
///
/// # Errors
/// When the address is taken, or a setting cannot be used.
pub(super) fn run(options: &BalanceOptions) -> anyhow::Result<()> {
    let printing = Printing::start(screen::try_say);
    let plan = options.plan();
    let Opened { listener, config, admin, access_file } = front(&plan, EXPECTED, &printing)?;
    let scheme = scheme(&config);
    let outcome = process::runtime()?.block_on(async {
        let address = listener.local_addr()?;
        let control = Control::bind(&process::control_folder(), &format!("{}@{}", options.name, address.port()))?;
        let balancer = Balancer::start(listener, config).context("cannot start the balancer")?;
        let mut stops = stop_signals()?;
        let (ask, asked) = mpsc::channel::<Asked>(16);
        tokio::spawn(control.serve(ask));
        let printer = printing.printer();
        let to: Vec<String> = options.to.iter().map(|one| format!("{}:{}", one.host, one.port)).collect();
        printer.say(mark().plain(&format!("{scheme}://{address} -> {}", to.join(", "))));
        let hub = admin.as_ref().map(crate::admin::Admin::hub);
        if let Some(admin) = admin {
            printer.say(mark().plain(&format!("the instances at work: {}", admin.page_url())));
            let (name, balancer) = (options.name.clone(), balancer.clone());
            admin.serve(Sources { name, balancer, commands: None, crowd: None })?;
        }
        let tell = move |event: FleetEvent| {
            super::systemd::notify(&event);
            super::run::tell_page(hub.as_deref(), &event);
            printer.say(screen::line(&mark(), &event, screen::colour()));
        };
        let mut members =
            Members { options, drain_limit: plan.drain_limit, known: Vec::new(), printer: printing.printer() };
        members.serve(&balancer, asked, &mut stops, tell).await;
        let stopping = balancer.stop(plan.drain_limit);
        tokio::select! {
            () = stopping => {}
            // The second request to stop.
            _ = stops.recv() => {}
        }
        anyhow::Ok(())
    });
    if let Some(file) = access_file {
        file.finish();
    }
    printing.finish();
    outcome
}

/// The instances as they were found.
struct Members<'a> {
    options: &'a BalanceOptions,
    drain_limit: Duration,
    known: Vec<Member>,
    printer: Printer,
}

struct Member {
    id: InstanceId,
    address: SocketAddr,
    /// As it was last seen; `None` before its first health check.
    healthy: Option<bool>,
}

impl Members<'_> {
    /// Looks names up, answers requests and tells of changes, until the first request to stop.
    async fn serve(
        &mut self,
        balancer: &Balancer,
        mut asked: mpsc::Receiver<Asked>,
        stops: &mut mpsc::Receiver<()>,
        tell: impl Fn(FleetEvent),
    ) {
        let mut changes = balancer.changes();
        let mut lookups = tokio::time::interval(self.options.resolve_every.max(Duration::from_millis(100)));
        lookups.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = lookups.tick() => self.look_up(balancer).await,
                Ok(()) = changes.changed() => self.look(balancer, &tell),
                Some(Asked { request, reply }) = asked.recv() => {
                    let stops = matches!(request, ControlRequest::Stop);
                    // The client may have disconnected.
                    let _ = reply.send(self.answer(balancer, &request));
                    if stops {
                        break;
                    }
                }
                _ = stops.recv() => break,
            }
        }
        tell(FleetEvent::Draining);
    }

    fn answer(&self, balancer: &Balancer, request: &ControlRequest) -> ControlReply {
        match request {
            ControlRequest::Status => {
                ControlReply::Status(Box::new(FleetStatus::of_addresses(&self.options.name, balancer)))
            }
            ControlRequest::Pause { limit } => pause(balancer, *limit),
            ControlRequest::Stop => ControlReply::Done("stopping".to_owned()),
            _ => {
                ControlReply::Refused("`fungible balance` does not run these instances: ask what runs them".to_owned())
            }
        }
    }

    /// Adds the instances that are new behind the names, and drains those that are gone. A name that cannot be looked up
    /// now keeps its instances.
    async fn look_up(&mut self, balancer: &Balancer) {
        let mut found = BTreeSet::new();
        for Target { host, port } in &self.options.to {
            match tokio::net::lookup_host((host.as_str(), *port)).await {
                Ok(addresses) => found.extend(addresses),
                Err(error) => {
                    self.printer.say(mark().plain(&format!("cannot look up {host}: {error}; its instances stay")));
                    found.extend(self.known.iter().map(|member| member.address));
                }
            }
        }
        for address in &found {
            if self.known.iter().all(|member| member.address != *address) {
                let id = balancer.add(&address.to_string(), *address, self.options.health_port, None);
                self.known.push(Member { id, address: *address, healthy: None });
            }
        }
        self.known.retain(|member| {
            let stays = found.contains(&member.address);
            if !stays {
                let (balancer, id, limit) = (balancer.clone(), member.id, self.drain_limit);
                tokio::spawn(async move {
                    balancer.drain(id, limit).await;
                    balancer.ended(id);
                });
            }
            stays
        });
    }

    /// Tells what has changed since the last look.
    fn look(&mut self, balancer: &Balancer, tell: &impl Fn(FleetEvent)) {
        for view in balancer.instances() {
            let Some(member) = self.known.iter_mut().find(|member| member.id == view.id) else { continue };
            let (name, address) = (view.name.to_string(), view.address);
            let now = match view.state {
                State::Healthy => true,
                State::Unhealthy => false,
                State::Starting | State::Draining => continue,
            };
            match member.healthy.replace(now) {
                None if now => tell(FleetEvent::Ready { name, pid: None, address, after: Duration::ZERO }),
                Some(true) if !now => {
                    tell(FleetEvent::Unhealthy { name, why: view.last_problem.unwrap_or_default() });
                }
                Some(false) if now => tell(FleetEvent::Recovered { name }),
                _ => {}
            }
        }
    }
}
