//! Probes each instance again and again and tells the pool what it found. It decides nothing; the pool does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request};
use tokio::net::TcpStream;

use super::config::HealthCheck;
use super::connections;
use super::headers::host_value;
use super::instance::{Finding, InstanceId, State};
use super::pool::Pool;
use super::request_body::RequestBody;

/// A starting instance is asked at least so often, so that it is used as soon as it is ready.
const QUICK: Duration = Duration::from_millis(20);

/// Starts a probe loop for each instance that is added, until the pool is gone.
pub(super) async fn watch_all(pool: Arc<Pool>, check: HealthCheck) {
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
        let finding = probe(&check, address).await;
        pool.probed(id, fallen, finding);
        let pause = match state {
            // It is noticed late by a twentieth of the time that it takes to start.
            State::Starting => (added.elapsed() / 20).max(QUICK).min(check.interval),
            State::Healthy | State::Unhealthy | State::Draining => check.interval,
        };
        tokio::time::sleep(pause).await;
    }
}

async fn probe(check: &HealthCheck, address: SocketAddr) -> Finding {
    let late = || {
        Finding::Late(format!(
            "{address} did not answer the health check within {:?}",
            check.timeout
        ))
    };
    let asked = async {
        match &check.path {
            None => TcpStream::connect(address)
                .await
                .map(drop)
                .map_or_else(|e| not_connected(address, &e), |()| Finding::Passed),
            Some(path) => ask(path, address, check.timeout).await,
        }
    };
    tokio::time::timeout(check.timeout, asked)
        .await
        .unwrap_or_else(|_| late())
}

async fn ask(path: &str, address: SocketAddr, limit: Duration) -> Finding {
    let mut sender = match connections::open(address, limit).await {
        Ok(sender) => sender,
        Err(error) => return not_connected(address, &error),
    };
    let request = Request::get(path)
        .header(HOST, host_value(address))
        .header(USER_AGENT, HeaderValue::from_static("fungible-health-check"))
        .header(CONNECTION, HeaderValue::from_static("close"))
        .body(RequestBody::Empty);
    let request = match request {
        Ok(request) => request,
        Err(error) => return Finding::Failed(format!("the health check path {path} is not valid: {error}")),
    };
    match sender.send_request(request).await {
        Ok(answer) if answer.status().is_success() || answer.status().is_redirection() => Finding::Passed,
        Ok(answer) => Finding::Failed(format!("GET {path} on {address} answered {}", answer.status())),
        Err(error) => Finding::Failed(format!("GET {path} on {address} broke off: {error}")),
    }
}

/// What a failed attempt to connect says about an instance.
pub(super) fn not_connected(address: SocketAddr, error: &io::Error) -> Finding {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Finding::Refused(format!("{address} refused the connection")),
        io::ErrorKind::TimedOut => Finding::Late(format!("{address} did not accept a connection in time")),
        _ => Finding::Failed(format!("no connection to {address}: {error}")),
    }
}
