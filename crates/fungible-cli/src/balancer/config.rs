//! What the balancer is told before it starts: how to route, when to give up, what to trust.
//! It knows nothing of arguments or files; `cli/` fills it in.

use std::time::Duration;

use super::tap::Plan;

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
    /// Somebody else chooses and listens; `routing`, `health` and `hold` are not looked at then.
    pub(crate) plan: Option<Plan>,
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
            plan: None,
        }
    }
}

/// Which of the ready instances gets a request. It is chosen anew for each request, never per connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Routing {
    /// One after the other.
    RoundRobin,
    /// The one with the fewest requests in flight.
    LeastBusy,
    /// The one that a signed cookie of the client names. For demonstration: it hides trapped state.
    Sticky,
    /// Never the one that served this client last, while there is another.
    NeverTwice,
}

/// When an instance counts as ready.
///
/// The defaults take a frozen instance out within 0.6 s of its last sign of life (an interval and a time-out).
/// One probe that gets no answer in time is enough for that, also on a busy machine, because a false alarm costs
/// little: the next passing probe, an interval later, brings the instance back, requests that are not idempotent
/// stay where they are, the others move at most once, and instances that are only slow stay in use while no better
/// one is there.
#[derive(Clone, Debug)]
pub(crate) struct HealthCheck {
    /// The path that answers 2xx or 3xx when all is well; `None`: a TCP connection is enough. The system accepts one
    /// for a frozen process too, so only a path notices that.
    pub(crate) path: Option<String>,
    /// From the end of one probe to the start of the next.
    pub(crate) interval: Duration,
    /// How long a probe may take.
    pub(crate) timeout: Duration,
    /// Failing probes in a row that take an instance out. A refused connection does so at once.
    pub(crate) fall: u32,
    /// Passing probes in a row that bring it back. The first one after its start is always enough.
    pub(crate) rise: u32,
}

impl Default for HealthCheck {
    fn default() -> HealthCheck {
        HealthCheck {
            path: None,
            interval: Duration::from_millis(200),
            timeout: Duration::from_millis(400),
            fall: 1,
            rise: 1,
        }
    }
}

/// How requests wait while no instance is ready.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    /// Requests that may wait at once.
    pub(crate) most: usize,
    /// How long each of them waits.
    pub(crate) time: Duration,
}

impl Default for Hold {
    fn default() -> Hold {
        Hold { most: 1024, time: Duration::from_secs(10) }
    }
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

/// What the body of a request may cost. An instance that serves one request at a time serves nobody else while a body
/// comes: so no instance gets a request before its body is here, or `buffer` bytes of it.
#[derive(Clone, Debug)]
pub(crate) struct BodyLimits {
    /// Bytes of a body that are gathered before an instance is chosen; what comes after them streams. They are also
    /// what is kept of a request that may be sent again.
    pub(crate) buffer: usize,
    /// Bytes of all bodies that are gathered; while there are more, further ones stream from the beginning.
    pub(crate) buffers: usize,
    /// Bytes per second that a client sends on the average at least, else 408.
    pub(crate) rate: u64,
    /// How long it may fall behind that.
    pub(crate) grace: Duration,
    /// From a request's head to the end of its body, else 408.
    pub(crate) time: Duration,
    /// The longest body, else 413; `None`: any.
    pub(crate) most_bytes: Option<u64>,
}

impl Default for BodyLimits {
    fn default() -> BodyLimits {
        BodyLimits {
            buffer: 1024 * 1024,
            buffers: 256 * 1024 * 1024,
            rate: 1024,
            grace: Duration::from_secs(10),
            time: Duration::from_mins(10),
            most_bytes: None,
        }
    }
}
