//! The settings of the balancer: routing, health checks, time limits, trust. It knows nothing of arguments or files;
//! `cli` fills it in.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use super::access::AccessSink;
use super::meter::Meter;
use super::observe::Observer;
use super::pool::{Hold, Routing};
use super::tls::Certificates;
use super::upstream::{BodyLimits, HealthCheck};

/// The settings of a balancer. [`Config::new`] gives the defaults.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// How an instance is chosen for a request.
    pub(crate) routing: Routing,
    /// When an instance counts as healthy.
    pub(crate) health: HealthCheck,
    /// How requests wait while no instance is ready.
    pub(crate) hold: Hold,
    /// How long a new instance takes to get its full share of requests; `None`: it gets it at once.
    pub(crate) slow_start: Option<Duration>,
    /// Whether an instance that answers 5xx far more often than the others is taken out for a while.
    pub(crate) eject: bool,
    /// How long a connection to an instance may take to open.
    pub(crate) connect_timeout: Duration,
    /// How long an instance may take to send the head of its response, counted from the end of the request; else 504.
    pub(crate) response_timeout: Duration,
    /// Whether a request with an `Idempotency-Key` is sent again although its method is not idempotent.
    pub(crate) resend_keyed: bool,
    /// Whether the `X-Forwarded-*` headers of clients are trusted, because a proxy in front of us sets them.
    pub(crate) trust_forwarded: bool,
    /// Whether responses name the instance that they come from, and its version.
    pub(crate) served_by: ServedBy,
    /// The key that signs the sticky cookie; the same in all balancers of a fleet.
    pub(crate) secret: [u8; 32],
    /// The number of workers, each a thread with its own runtime.
    pub(crate) threads: usize,
    /// How much time and memory a client may use.
    pub(crate) limits: Limits,
    /// How clients connect.
    pub(crate) connecting: Connecting,
    /// Who chooses the instance for a request.
    pub(crate) dispatch: Dispatch,
    /// What happens to requests without a valid trace.
    pub(crate) new_traces: NewTraces,
    /// Gets the entries of the access log; `None`: there is none.
    pub(crate) access: Option<AccessSink>,
    /// Counts requests; `None`: nothing is counted.
    pub(crate) meter: Option<Arc<Meter>>,
}

impl Config {
    /// The defaults: power of two choices over instances that accept connections, one worker per core.
    pub(crate) fn new(secret: [u8; 32]) -> Config {
        Config {
            routing: Routing::PowerOfTwo,
            health: HealthCheck::default(),
            hold: Hold::default(),
            slow_start: None,
            eject: false,
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_mins(1),
            resend_keyed: false,
            trust_forwarded: false,
            served_by: ServedBy::Hidden,
            secret,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            limits: Limits::default(),
            connecting: Connecting::default(),
            dispatch: Dispatch::Balanced,
            new_traces: NewTraces::None,
            access: None,
            meter: None,
        }
    }
}

/// How clients connect. The default: by HTTP/1 without TLS.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connecting {
    /// Clients connect by TLS, with these certificates.
    pub(crate) tls: Option<Arc<Certificates>>,
    /// Without TLS: a connection that begins with the preface of HTTP/2 is served as HTTP/2.
    pub(crate) h2c: bool,
    /// Each connection begins with a header of the PROXY protocol, whose source is taken for the client.
    pub(crate) proxy_protocol: bool,
    /// A second listener, whose requests are redirected to https.
    pub(crate) redirect: Option<Redirect>,
}

/// Where requests without TLS are redirected to https.
#[derive(Clone, Debug)]
pub(crate) struct Redirect {
    pub(crate) listener: Arc<TcpListener>,
    /// The port of the https address.
    pub(crate) port: u16,
}

/// Who chooses the instance for a request.
#[derive(Clone, Debug)]
pub(crate) enum Dispatch {
    /// The balancer, among the instances that are ready.
    Balanced,
    /// The observer, which also records every exchange. `routing`, `health` and `hold` are then ignored.
    Directed(Observer),
}

/// Whether a trace begins with a request that belongs to none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewTraces {
    /// No: the app decides.
    None,
    /// Yes, and programs are told that it is recorded.
    Sampled,
    /// Yes, and programs are told that it is not recorded.
    Unsampled,
}

/// Whether clients are told which instance a response comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServedBy {
    /// The balancer adds nothing; the app may.
    Hidden,
    /// By `X-Served-By`, with the version in `X-Served-Version`.
    Named,
}

/// How much time and memory a client may use.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// From the first byte of a request (or the opening of the connection) to the end of its headers.
    pub(crate) header_time: Duration,
    /// How long a connection may be idle between two requests.
    pub(crate) idle_time: Duration,
    /// How long a client may accept nothing of a response.
    pub(crate) read_time: Duration,
    /// How long a connection that switched to another protocol, such as WebSocket, may carry nothing.
    pub(crate) tunnel_time: Duration,
    /// The largest head of a request, in bytes; else 431. There are also at most 100 headers.
    pub(crate) header_bytes: usize,
    /// The limits on the body of a request.
    pub(crate) body: BodyLimits,
    /// The number of client connections at once, including upgraded ones; `None`: no limit. Each may need a connection
    /// to an instance too: the limit reserves sockets for these. When it is reached, the connection that is idle
    /// longest is closed for a new one. Above half of it, idle connections are closed earlier the more there are.
    pub(crate) connections: Option<usize>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            header_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(75),
            read_time: Duration::from_secs(75),
            tunnel_time: Duration::from_hours(1),
            header_bytes: 32 * 1024,
            body: BodyLimits::default(),
            connections: None,
        }
    }
}
