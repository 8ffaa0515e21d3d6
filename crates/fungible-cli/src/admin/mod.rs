//! The admin address: metrics for Prometheus, health, status, a stream of events, and the page that shows the instances at
//! work and has buttons for what `fungible kill`, `scale` and the others do. It asks a fleet by the same control requests
//! as these commands; without a fleet it shows the balancer alone.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use tokio::sync::mpsc;

mod command;
mod crowd;
mod fleet_counters;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod guard;
mod hub;
mod limited;
mod metrics;
mod page;
mod pulse;
mod routes;
mod snapshot;
mod traffic;

#[cfg(feature = "demo")]
pub(crate) use crowd::{Crowd, CrowdCounts};
pub(crate) use hub::Hub;
pub(crate) use snapshot::Sources;

use crate::balancer::{Meter, Sighting};
use crate::encoding;
use guard::Guard;
use snapshot::Snapshots;

/// Where the admin address is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdminSettings {
    pub(crate) listen: SocketAddr,
    /// Other machines may reach it.
    pub(crate) public: bool,
}

/// Why there is no admin address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error(
        "other machines can reach {0}, and read there how this fleet does: use a loopback address such as \
         127.0.0.1:9090, or allow it with --admin-public"
    )]
    Public(SocketAddr),
    #[error("cannot listen on {address} (another one with --admin): {reason}")]
    Listen { address: SocketAddr, reason: io::Error },
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// The admin address, before it is served.
#[derive(Debug)]
pub(crate) struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    guard: Guard,
    hub: Arc<Hub>,
    meter: Arc<Meter>,
    sightings: mpsc::Receiver<Sighting>,
}

impl Admin {
    /// Listens on the admin address, and makes the token that commands need.
    ///
    /// # Errors
    /// When other machines could reach the address and that is not allowed, or it cannot be listened on.
    pub(crate) fn open(settings: AdminSettings) -> Result<Admin, AdminError> {
        let AdminSettings { listen, public } = settings;
        if !public && !listen.ip().is_loopback() {
            return Err(AdminError::Public(listen));
        }
        let failed = |reason| AdminError::Listen { address: listen, reason };
        let listener = TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mut token = [0; 16];
        getrandom::fill(&mut token).map_err(AdminError::Random)?;
        let (meter, sightings) = Meter::new();
        let guard = Guard::new(encoding::hex(&token), public);
        Ok(Admin { listener, address, guard, hub: Arc::default(), meter: Arc::new(meter), sightings })
    }

    /// The counters that the balancer must count with.
    pub(crate) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// Where events of the fleet are told.
    pub(crate) fn hub(&self) -> Arc<Hub> {
        Arc::clone(&self.hub)
    }

    /// The URL of the page, with the token in its fragment, which browsers do not send.
    pub(crate) fn page_url(&self) -> String {
        format!("http://{}/#token={}", self.address, self.guard.token())
    }

    /// Serves the address until the runtime ends. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub(crate) fn serve(self, sources: Sources) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let snapshots = Arc::new(Snapshots::new(sources, self.meter, self.hub));
        tokio::spawn(pulse::run(Arc::clone(&snapshots), self.sightings));
        let router = routes::router(snapshots, Arc::new(self.guard));
        tokio::spawn(limited::serve(listener, router));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_others_reach_must_be_allowed() {
        let settings = |listen: &str, public| AdminSettings { listen: listen.parse().expect(listen), public };
        for listen in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"] {
            let error = Admin::open(settings(listen, false)).expect_err(listen).to_string();
            assert!(error.contains("--admin-public") && !error.contains('\n'), "{error}");
        }
        assert!(Admin::open(settings("0.0.0.0:0", true)).is_ok());
        let admin = Admin::open(settings("127.0.0.1:0", false)).expect("loopback has free ports");
        assert!(!admin.page_url().contains(":0/"), "{}", admin.page_url());
    }
}
