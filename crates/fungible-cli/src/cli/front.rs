//! The side of a balancer that clients see, from the arguments: its listener, its settings, its admin address and its access
//! log. For `run` and `balance`.

use std::net::{SocketAddr, TcpListener};

use anyhow::Context as _;
use nix::sys::resource::{Resource, getrlimit};
use sha2::{Digest as _, Sha256};

use super::args::BalancerPlan;
use super::line::Line;
use super::printer::Printing;
use super::{access_log, connecting, screen, systemd};
use crate::admin::Admin;
use crate::balancer::{Config, HealthCheck, Routing};

/// What is opened before a balancer starts.
pub(super) struct Opened {
    pub(super) listener: TcpListener,
    pub(super) config: Config,
    pub(super) admin: Option<Admin>,
    /// What writes the file of the access log, if it has one; to be finished last.
    pub(super) access_file: Option<Printing>,
}

/// Opens all of it. `instances`: how many there are at most.
///
/// # Errors
/// When an address is taken, or a setting cannot be used.
pub(super) fn front(plan: &BalancerPlan, instances: usize, printing: &Printing) -> anyhow::Result<Opened> {
    let access_file = plan.logs.access_log_file().map(access_log::into_file).transpose()?;
    let access_printer = access_file.as_ref().map_or_else(|| printing.printer(), Printing::printer);
    let access = plan.logs.access_log().map(|format| access_log::sink(format, access_printer));
    let listener = systemd::listener()?.map_or_else(|| listen(plan.listen), Ok)?;
    let admin = plan.admin.map(Admin::open).transpose()?;
    let mut config = Config::new(secret(plan.routing)?);
    config.routing = plan.routing;
    config.health = HealthCheck { path: plan.health.clone(), host: plan.health_host.clone(), ..config.health };
    config.slow_start = plan.slow_start;
    config.eject = plan.eject;
    config.response_timeout = plan.response_limit;
    config.limits.body = plan.body.clone();
    let allowed = connections(instances);
    if let Some(most) = plan.max_connections.filter(|most| *most > allowed) {
        screen::warning(&format!(
            "--max-connections {most} is more than the limit on open files allows: {allowed}, as each connection may need \
             one to an instance too (`ulimit -n` raises it)"
        ));
    }
    config.limits.connections = Some(plan.max_connections.unwrap_or(allowed));
    config.limits.tunnel_time = plan.tunnel_limit;
    config.limits.read_time = plan.read_limit;
    config.resend_keyed = plan.resend_keyed;
    config.trust_forwarded = plan.trust_forwarded;
    config.served_by = plan.logs.served_by();
    config.connecting = connecting::connecting(&plan.connecting, listener.local_addr()?.port())?;
    config.access = access;
    config.new_traces = plan.logs.new_traces();
    config.meter = admin.as_ref().map(Admin::meter);
    let (mark, printer) = (mark(), printing.printer());
    connecting::watch(&config.connecting, move |sentence| printer.say(mark.clone().plain(sentence)))?;
    Ok(Opened { listener, config, admin, access_file })
}

/// The scheme of the addresses that clients use.
pub(super) fn scheme(config: &Config) -> &'static str {
    if config.connecting.tls.is_some() { "https" } else { "http" }
}

/// The beginning of each line of the tool itself.
pub(super) fn mark() -> Line {
    Line::default().painted(screen::colour(), 1, "fungible").plain(" | ")
}

/// Listens on `address`. No other program can listen there at the same time.
pub(super) fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address} (another one with --listen)"))
}

/// Open files that are not connections: those of the tool itself, and per instance those of a health check and of its
/// reserved port.
const OWN_FILES: u64 = 64;
const FILES_OF_AN_INSTANCE: u64 = 3;

/// The number of client connections that the limit on open files allows, if each needs one to an instance too.
pub(super) fn connections(instances: usize) -> usize {
    let others = OWN_FILES + FILES_OF_AN_INSTANCE.saturating_mul(instances as u64);
    // The supervisor raises its limit to the hard limit.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    usize::try_from(most.saturating_sub(others) / 2).unwrap_or(usize::MAX).max(FEWEST_CONNECTIONS)
}

/// The minimum: with fewer connections a browser cannot load a page.
const FEWEST_CONNECTIONS: usize = 16;

/// The key for the sticky cookie: from the environment, so that several balancers in front of the same instances route
/// alike.
fn secret(routing: Routing) -> anyhow::Result<[u8; 32]> {
    match std::env::var("FUNGIBLE_SECRET") {
        Ok(text) if routing == Routing::Sticky => {
            anyhow::ensure!(
                text.len() >= 32,
                "FUNGIBLE_SECRET is too short ({} characters, 32 at least); make one with `openssl rand -base64 32`",
                text.len()
            );
            Ok(Sha256::digest(text).into())
        }
        _ => random_secret(),
    }
}

/// A key for cookies that do not outlive this process.
pub(super) fn random_secret() -> anyhow::Result<[u8; 32]> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
    Ok(secret)
}
