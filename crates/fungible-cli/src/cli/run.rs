//! `fungible run` and `fungible dev`: run a fleet of the user's program.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::args::RunPlan;
use super::front::{Opened, front, mark, scheme};
use super::line::Line;
use super::printer::Printing;
use super::{process, screen};
use crate::admin::{Admin, Hub, Sources};
use crate::balancer::{Balancer, Config};
use crate::fleet::{
    Asked, Control, ControlReply, ControlRequest, DeployRequest, FleetEvent, FleetSettings, OutputTo, Release,
    Template, supervise,
};

/// Runs a fleet until it is stopped.
///
/// # Errors
/// When the port is taken, or the instances cannot be run.
pub(super) fn run(plan: &RunPlan) -> anyhow::Result<()> {
    let printing = Printing::start(screen::try_say);
    let printer = printing.printer();
    let colour = screen::colour();
    let settings = FleetSettings {
        name: plan.name.clone(),
        count: plan.instances,
        release: Release::new(
            Template { program: plan.program.clone(), args: plan.arguments.clone(), env: plan.env.clone() },
            plan.version.clone(),
        ),
        executable: process::executable(),
        namespaces: plan.namespaces,
        health_port: plan.health_port,
        foreign_listeners: plan.foreign_listeners,
        output: OutputTo::Ours { colour: screen::coloured(std::io::IsTerminal::is_terminal(&std::io::stdout())) },
        start_limit: plan.start_limit,
        drain_limit: plan.balancer.drain_limit,
        grace: plan.grace,
        replace_after: plan.fleet.replace_after,
        response_limit: plan.balancer.response_limit,
        scaling: plan.fleet.scaling.clone(),
        limits: plan.fleet.limits.clone(),
        recycle: plan.fleet.recycle.clone(),
    };
    let most = plan.fleet.scaling.as_ref().map_or(plan.instances, |rule| rule.max);
    let Opened { listener, config, admin, access_file } = front(&plan.balancer, most, &printing)?;
    let mark = mark();
    let scheme = scheme(&config);
    let command = std::iter::once(&plan.program).chain(&plan.arguments).cloned().collect::<Vec<_>>().join(" ");
    let hub = admin.as_ref().map(Admin::hub);
    let mut tell = |event: FleetEvent| {
        super::systemd::notify(&event);
        tell_page(hub.as_deref(), &event);
        printer.say(screen::line(&mark, &event, colour));
    };
    let outcome = fleet(&settings, listener, config, &mut tell, |balancer, ask| {
        let address = balancer.local_addr();
        let instances = if most == 1 { "instance" } else { "instances" };
        let count =
            plan.fleet.scaling.as_ref().map_or(most.to_string(), |rule| format!("{} to {}", rule.min, rule.max));
        let opened = format!("{scheme}://{address} -> {count} {instances} of `{command}`");
        printer.say(mark.clone().plain(&opened));
        if let Some(admin) = admin {
            printer.say(mark.clone().plain(&format!("the instances at work: {}", admin.page_url())));
            let (name, balancer) = (settings.name.clone(), balancer.clone());
            admin.serve(Sources { name, balancer, commands: Some(ask), crowd: None })?;
        }
        Ok(())
    });
    if let Some(file) = access_file {
        file.finish();
    }
    printing.finish();
    outcome
}

/// Tells the page of an event, in the words of the terminal.
pub(super) fn tell_page(hub: Option<&Hub>, event: &FleetEvent) {
    if let Some(hub) = hub {
        hub.tell(event, &screen::line(&Line::default(), event, false).to_string());
    }
}

/// Runs a fleet behind a balancer until it is stopped. `opened` gets the balancer once it listens, and the channel for
/// requests to the fleet.
pub(super) fn fleet(
    settings: &FleetSettings,
    listener: TcpListener,
    config: Config,
    tell: &mut dyn FnMut(FleetEvent),
    opened: impl FnOnce(&Balancer, mpsc::Sender<Asked>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (ask, asked) = mpsc::channel::<Asked>(16);
    process::runtime()?.block_on(async {
        let address = listener.local_addr()?;
        let name = format!("{}@{}", settings.name, address.port());
        let control = Control::bind(&process::control_folder(), &name)?;
        let balancer = Balancer::start(listener, config).context("cannot start the balancer")?;
        let stops = if has_terminal() {
            stop_signals()?
        } else {
            deploy_on_hangup(ask.clone())?;
            stop_signals_of(&STOPS)?
        };
        tokio::spawn(control.serve(ask.clone()));
        opened(&balancer, ask)?;
        supervise(settings, balancer, asked, stops, tell).await?;
        Ok(())
    })
}

/// Signals within this time count as one: a closing terminal sends several.
const ONE_WORD: Duration = Duration::from_millis(500);

/// Ctrl-C, and what a service manager sends.
const STOPS: [SignalKind; 2] = [SignalKind::interrupt(), SignalKind::terminate()];

/// Whether a terminal controls this process: then SIGHUP says that it was closed. Daemons take it as an order to reload.
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Replaces all instances, one after the other, at each SIGHUP, unless our parent made us ignore it.
fn deploy_on_hangup(ask: mpsc::Sender<Asked>) -> std::io::Result<()> {
    if is_ignored(SignalKind::hangup(), ignored_signals()) {
        return Ok(());
    }
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            let request = ControlRequest::Deploy(DeployRequest::again());
            let (reply, answer) = oneshot::channel();
            if ask.send(Asked { request, reply }).await.is_err() {
                return;
            }
            if let Ok(ControlReply::Refused(reason)) = answer.await {
                screen::warning(&format!("SIGHUP: {reason}"));
            }
        }
    });
    Ok(())
}

/// Sends a message for the first Ctrl-C, SIGTERM or SIGHUP, and another for each later Ctrl-C or SIGTERM. Signals that
/// are ignored (by nohup, or in the background of a shell script) stay ignored.
pub(super) fn stop_signals() -> std::io::Result<mpsc::Receiver<()>> {
    stop_signals_of(&[STOPS[0], STOPS[1], SignalKind::hangup()])
}

fn stop_signals_of(kinds: &[SignalKind]) -> std::io::Result<mpsc::Receiver<()>> {
    let (stop, stops) = mpsc::channel(4);
    let (heard, mut signals_heard) = mpsc::channel(4);
    let ignored = ignored_signals();
    for kind in kinds.iter().copied() {
        if is_ignored(kind, ignored) {
            continue;
        }
        let mut signals = signal(kind)?;
        let heard = heard.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                // If four signals are queued, a fifth adds nothing.
                let _ = heard.try_send(kind);
            }
        });
    }
    tokio::spawn(async move {
        let mut first: Option<Instant> = None;
        while let Some(kind) = signals_heard.recv().await {
            let repeats = first.is_some_and(|first| first.elapsed() < ONE_WORD || kind == SignalKind::hangup());
            if !repeats {
                first.get_or_insert_with(Instant::now);
                let _ = stop.try_send(());
            }
        }
    });
    Ok(stops)
}

fn is_ignored(kind: SignalKind, ignored: u64) -> bool {
    ignored >> (kind.as_raw_value() - 1) & 1 == 1
}

/// The mask of the signals that our parent made us ignore; 0 without /proc.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
