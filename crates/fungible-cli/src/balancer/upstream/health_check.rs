//! Probes each instance periodically and reports the results to the pool, which decides.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Uri};
use tokio::time::Instant;

use super::connections;
use super::fields::host_value;
use super::request_body::RequestBody;
use super::round_trip::RoundTrip;
use super::upload::Upload;
use crate::balancer::pool::{CheckResult, Claim, InstanceId, Pool, PortOwner, State, Vouch};

/// When an instance counts as healthy.
///
/// With the defaults and up to 40 instances, a frozen instance becomes unhealthy within 0.6 s (an interval and a timeout), or
/// earlier if requests wait for it. One probe without a
/// response in time is enough, because a false alarm costs little even on a busy machine: the next probe, an interval
/// later, makes the instance healthy again; requests that are not idempotent stay where they are, others move at most
/// once; and instances that are only slow stay in use while no better one is ready.
#[derive(Clone, Debug)]
pub(crate) struct HealthCheck {
    /// The path that must respond with 2xx or 3xx; `None`: a TCP connection is enough. The system also accepts
    /// connections for a frozen process, so only a path detects that.
    pub(crate) path: Option<String>,
    /// The `Host` field of a probe; `None`: the address of the instance. Frameworks that check it refuse unknown names.
    pub(crate) host: Option<HeaderValue>,
    /// The time between the end of a probe and the start of the next.
    pub(crate) interval: Duration,
    /// How long a probe may take.
    pub(crate) timeout: Duration,
    /// The number of failures in a row that make an instance unhealthy. A refused connection does so at once.
    pub(crate) fall: u32,
    /// The number of successes in a row that make it healthy again. After its start one is always enough.
    pub(crate) rise: u32,
}

impl Default for HealthCheck {
    fn default() -> HealthCheck {
        HealthCheck {
            path: None,
            host: None,
            interval: Duration::from_millis(200),
            timeout: Duration::from_millis(400),
            fall: 1,
            rise: 1,
        }
    }
}

/// So many probes are made per second at most: with more than 40 instances the interval grows. What hangs is found by the
/// requests that wait for it, and what ends is reported by the fleet.
const PROBES_PER_SECOND: u32 = 200;

/// The longest pause between the first probes of a starting instance, so that it is used as soon as it is ready.
const QUICK: Duration = Duration::from_millis(20);

/// Starts a probe loop for each instance that is added, until the pool is dropped.
pub(crate) async fn watch_all(pool: Arc<Pool>, check: HealthCheck) {
    let mut changes = pool.changes();
    let mut newest = None;
    loop {
        for instance in pool.instances() {
            if Some(instance.id) > newest {
                newest = Some(instance.id);
                let watching = watch_one(Arc::clone(&pool), check.clone(), instance.id, instance.address);
                tokio::task::spawn_local(watching);
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn watch_one(pool: Arc<Pool>, check: HealthCheck, id: InstanceId, address: SocketAddr) {
    let added = Instant::now();
    while let Some((fallen, state)) = pool.standing_of(id) {
        // The system accepts connections for a frozen process, so that alone does not bring one back.
        let kind = if state == State::Unhealthy { Kind::Alive } else { Kind::Healthy };
        let Some(check_at) = pool.check_at(id, check.path.is_some()) else { return };
        let mut finding = probe(&check, check_at, kind).await;
        // One that accepts a connection and says nothing may be another program, too.
        if let Some(found @ (CheckResult::Passed | CheckResult::Late(_))) = &finding
            && let Some(vouch) = pool.vouch_of(id)
        {
            finding = vouched(vouch, address, state, found.clone()).await;
        }
        if let Some(finding) = finding {
            pool.probed(id, fallen, finding);
        }
        let pause = match state {
            // Pauses grow with the time since the start, so that readiness is detected at most 5 % late.
            State::Starting => (added.elapsed() / 20).max(QUICK).min(check.interval),
            State::Healthy => {
                let count = u32::try_from(pool.len()).unwrap_or(u32::MAX);
                check.interval.max(Duration::from_secs(1).saturating_mul(count) / PROBES_PER_SECOND)
            }
            State::Unhealthy | State::Draining => check.interval,
        };
        tokio::time::sleep(pause).await;
    }
}

/// Checks whether it was the instance itself that was probed, and not another program on its port.
async fn vouched(vouch: Vouch, address: SocketAddr, state: State, found: CheckResult) -> Option<CheckResult> {
    // Usually nothing has changed, and to wake a thread for that would cost more than all the rest of a health check.
    if vouch.is_unchanged() {
        return Some(found);
    }
    // On a separate thread, because the runtime of this worker serves requests.
    let owner = tokio::task::spawn_blocking(move || vouch.port_owner()).await.ok()?;
    match owner {
        PortOwner::Foreign(who) => Some(CheckResult::Refused(format!("{who} listens on {address}"))),
        PortOwner::Own => Some(found),
        PortOwner::Unclear if found != CheckResult::Passed => Some(found),
        // Its listener may just be opening or closing.
        PortOwner::Unclear if state == State::Healthy => None,
        PortOwner::Unclear => {
            Some(CheckResult::Failed(format!("{address} answers, but none of the instance's processes listens there")))
        }
    }
}

/// How long an instance that has been silent may take to answer the probe whether it is frozen.
const PROOF_OF_LIFE: Duration = Duration::from_millis(250);

/// Probes an instance from which nothing has come for a while although a request waits: if it is frozen, it becomes
/// unhealthy. One probe at a time.
pub(crate) fn suspect(pool: &Arc<Pool>, check: &HealthCheck, claim: &Claim) {
    if !claim.link.suspect() {
        return;
    }
    let (pool, check) = (Arc::clone(pool), check.clone());
    let Some(address) = pool.check_at(claim.id, check.path.is_some()) else { return };
    let (id, link, fallen) = (claim.id, Arc::clone(&claim.link), claim.link.fallen());
    tokio::task::spawn_local(async move {
        let answers = link.answers();
        let finding = probe(&check, address, Kind::Alive).await;
        // A response has come meanwhile, or it is unhealthy by now.
        let is_moot = link.answers() != answers || link.fallen() != fallen;
        if let Some(finding @ (CheckResult::Late(_) | CheckResult::Refused(_))) = finding
            && !is_moot
        {
            pool.observe(id, finding);
        }
        link.unsuspect();
    });
}

/// What a probe asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// That the instance is healthy, as the user defined it.
    Healthy,
    /// That its process answers anything: the system accepts connections for a frozen process too.
    Alive,
}

/// The result of one probe; `None` if it says nothing about the instance.
async fn probe(check: &HealthCheck, address: SocketAddr, kind: Kind) -> Option<CheckResult> {
    let limit = if kind == Kind::Alive && check.path.is_none() { PROOF_OF_LIFE } else { check.timeout };
    let asked = async {
        match (&check.path, kind) {
            (Some(path), _) => ask(&Method::GET, path, check.host.as_ref(), address, limit).await,
            // RFC 9110, 9.3.7: "only useful as a "ping" or "no-op" type of method".
            (None, Kind::Alive) => {
                let asked = ask(&Method::OPTIONS, "*", check.host.as_ref(), address, limit).await;
                asked.map(|result| if let CheckResult::Failed(_) = result { CheckResult::Passed } else { result })
            }
            (None, Kind::Healthy) => match connections::knock(address).await {
                Ok(()) => Some(CheckResult::Passed),
                Err(error) => not_connected(address, &error),
            },
        }
    };
    let late = || CheckResult::Late(format!("{address} did not answer the health check within {limit:?}"));
    tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| Some(late()))
}

async fn ask(
    method: &Method,
    path: &str,
    host: Option<&HeaderValue>,
    address: SocketAddr,
    limit: Duration,
) -> Option<CheckResult> {
    let target: Uri = match path.parse() {
        Ok(target) => target,
        Err(error) => return Some(CheckResult::Failed(format!("the health check path {path} is not valid: {error}"))),
    };
    let connection = match connections::open(address, limit).await {
        Ok(connection) => connection,
        Err(error) => return not_connected(address, &error),
    };
    let mut headers = HeaderMap::new();
    headers.insert(HOST, host.cloned().unwrap_or_else(|| host_value(address)));
    headers.insert(USER_AGENT, HeaderValue::from_static("fungible-health-check"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let upload = Upload::new(method, &target, &headers, &[], RequestBody::Empty);
    Some(match RoundTrip::new(connection, upload, false, None).head().await {
        Ok(head) if head.status.is_success() || head.status.is_redirection() => CheckResult::Passed,
        Ok(head) => CheckResult::Failed(format!("{method} {path} on {address} answered {}", head.status)),
        Err(error) => CheckResult::Failed(format!("{address} {error}: {method} {path}")),
    })
}

/// The check result for a failed attempt to connect; `None` if the cause is on our side (no sockets or ports left),
/// because then making instances unhealthy would make things worse.
pub(crate) fn not_connected(address: SocketAddr, error: &io::Error) -> Option<CheckResult> {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => Some(CheckResult::Refused(format!("{address} refused the connection"))),
        Kind::TimedOut => Some(CheckResult::Late(format!("{address} did not accept a connection in time"))),
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::HostUnreachable | Kind::NetworkUnreachable => {
            Some(CheckResult::Failed(format!("no connection to {address}: {error}")))
        }
        _ => {
            tracing::warn!("cannot connect to {address}: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn errors_on_our_side_are_not_counted_against_an_instance() {
        let says = |error: io::Error| not_connected((Ipv4Addr::LOCALHOST, 1).into(), &error);
        // Too many open files, or no free port.
        for ours in [24, 99] {
            assert_eq!(says(io::Error::from_raw_os_error(ours)), None);
        }
        assert!(matches!(says(io::ErrorKind::ConnectionRefused.into()), Some(CheckResult::Refused(_))));
        assert!(matches!(says(io::ErrorKind::TimedOut.into()), Some(CheckResult::Late(_))));
    }
}
