//! What the balancer is told before it starts: how to route, when to give up, what to trust.
//! It knows nothing of arguments or files; `cli/` fills it in.

use std::time::Duration;

use super::observe::Observer;
use super::pool::{Hold, Routing};
use super::upstream::{BodyLimits, HealthCheck};

/// How the balancer behaves. Begin with [`Config::new`] and change what should differ.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Which instance gets a request.
    pub(crate) routing: Routing,
    /// When an instance counts as ready.
    pub(crate) health: HealthCheck,
    /// How requests wait while no instance is ready.
    pub(crate) hold: Hold,
    /// How long a connection to an instance may take to open.
    pub(crate) connect_timeout: Duration,
    /// How long an instance may take until the head of its answer, after the last of the request was sent; else 504.
    pub(crate) response_timeout: Duration,
    /// Resend a request with an `Idempotency-Key` although its method is not idempotent.
    pub(crate) resend_keyed: bool,
    /// Believe the `X-Forwarded-*` headers of clients, because a proxy of ours stands before us.
    pub(crate) trust_forwarded: bool,
    /// Signs the sticky cookie; the same in all balancers of a fleet.
    pub(crate) secret: [u8; 32],
    /// Threads that serve, each with a runtime of its own.
    pub(crate) threads: usize,
    /// What a client may cost us.
    pub(crate) limits: Limits,
    /// Who chooses the instance of a request.
    pub(crate) dispatch: Dispatch,
}

impl Config {
    /// Round robin over instances that accept connections, one thread per core.
    pub(crate) fn new(secret: [u8; 32]) -> Config {
        Config {
            routing: Routing::RoundRobin,
            health: HealthCheck::default(),
            hold: Hold::default(),
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_mins(1),
            resend_keyed: false,
            trust_forwarded: false,
            secret,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            limits: Limits::default(),
            dispatch: Dispatch::Balanced,
        }
    }
}

/// Who chooses the instance of a request.
#[derive(Clone, Debug)]
pub(crate) enum Dispatch {
    /// The balancer, among those that are ready.
    Balanced,
    /// Somebody who also listens; `routing`, `health` and `hold` are not looked at then.
    Directed(Observer),
}

/// What a client may cost us.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// From a request's first byte (or the connection's opening) to the end of its headers.
    pub(crate) header_time: Duration,
    /// How long a connection may rest between two requests, or take nothing of an answer.
    pub(crate) idle_time: Duration,
    /// How long nothing may pass through a connection that changed to another protocol, a WebSocket for example.
    pub(crate) tunnel_time: Duration,
    /// Bytes of a request's head, else 431. There are also at most 100 headers.
    pub(crate) header_bytes: usize,
    /// What the body of a request may cost.
    pub(crate) body: BodyLimits,
    /// Connections of clients at once, tunnels included; `None`: as many as come. Each may need one to an instance,
    /// too: the limit keeps sockets back for these. When it is reached, the one that rested longest is closed for a new
    /// one, and from half of it on connections may rest less and less long.
    pub(crate) connections: Option<usize>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            header_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(75),
            tunnel_time: Duration::from_hours(1),
            header_bytes: 32 * 1024,
            body: BodyLimits::default(),
            connections: None,
        }
    }
}
