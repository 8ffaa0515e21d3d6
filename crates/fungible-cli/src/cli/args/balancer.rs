//! The arguments of the balancer, for `run` and `balance`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use http::HeaderValue;

use super::admin::AdminOptions;
use super::connecting::ConnectingOptions;
use super::logs::LogOptions;
use super::values::{parse_address, parse_host, parse_limit, parse_path, parse_patience, parse_size};
use crate::admin::AdminSettings;
use crate::balancer::{BodyLimits, Routing};

#[derive(Debug, Clone, Args)]
pub(in super::super) struct BalancerOptions {
    /// Where clients connect
    #[arg(long, value_name = "ADDRESS", env = "FUNGIBLE_LISTEN", default_value = "127.0.0.1:8080", value_parser = parse_address)]
    listen: SocketAddr,
    /// Health-check path: 2xx and 3xx mean healthy [default: a TCP connection]
    #[arg(long, value_name = "PATH", value_parser = parse_path)]
    health: Option<String>,
    /// The Host of health checks, for apps that refuse hosts they do not know [default: the instance's address]
    #[arg(long, value_name = "NAME", value_parser = parse_host, requires = "health")]
    health_host: Option<HeaderValue>,
    /// How an instance is chosen for each request [default: p2c, for dev never-twice]
    #[arg(long, value_enum)]
    routing: Option<RoutingName>,
    /// How long a new instance takes to get its full share of requests [default: it gets it at once]
    #[arg(long, value_name = "TIME", value_parser = parse_limit)]
    slow_start: Option<Duration>,
    /// Take an instance that answers 5xx far more often than the others out for a while; at most half of them
    #[arg(long)]
    eject: bool,
    /// How long to wait for requests in flight when an instance or the fleet is drained
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "30s")]
    drain_limit: Duration,
    /// How long an instance may take until its response begins; then the client gets 504
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "60s")]
    response_limit: Duration,
    /// How long a client may accept nothing of a response; then its connection is reset. A short time suits short responses:
    /// who pauses a video or a download accepts nothing for a while
    #[arg(long, value_name = "TIME", value_parser = parse_patience, default_value = "75s")]
    read_limit: Duration,
    /// How much of a request body is buffered before an instance is chosen; the rest streams (all bodies together: 256
    /// MiB, beyond that 16 KiB each). 0 for apps that respond while the body still arrives
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "1MiB")]
    body_buffer: u64,
    /// How much of a body a client must send per second, or it gets 408; 0: no minimum
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "1KiB")]
    body_rate: u64,
    /// How long a client may fall behind that rate, pauses included
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "10s")]
    body_grace: Duration,
    /// How long a whole body may take to arrive; then the client gets 408
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "10m")]
    body_limit: Duration,
    /// The largest accepted body; larger ones get 413 [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_body: Option<u64>,
    /// How many client connections may be open at once; beyond it the one that is idle longest is closed for a new one
    /// [default: half of the limit on open files]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: Option<u32>,
    /// How long a WebSocket or another upgraded connection may carry nothing before it is closed
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "1h")]
    tunnel_limit: Duration,
    /// Also resend requests with an Idempotency-Key when an instance ended; only if your app honours that header
    #[arg(long)]
    resend_keyed: bool,
    /// Keep the X-Forwarded-* headers of clients; only behind a proxy that sets them
    #[arg(long)]
    trust_forwarded: bool,
    #[command(flatten)]
    logs: LogOptions,
    #[command(flatten)]
    admin: AdminOptions,
    #[command(flatten)]
    connecting: ConnectingOptions,
}

/// The settings of the balancer, from the arguments and their defaults.
#[derive(Debug)]
pub(in super::super) struct BalancerPlan {
    pub(in super::super) listen: SocketAddr,
    pub(in super::super) health: Option<String>,
    pub(in super::super) health_host: Option<HeaderValue>,
    pub(in super::super) routing: Routing,
    pub(in super::super) slow_start: Option<Duration>,
    pub(in super::super) eject: bool,
    pub(in super::super) drain_limit: Duration,
    pub(in super::super) response_limit: Duration,
    pub(in super::super) read_limit: Duration,
    pub(in super::super) body: BodyLimits,
    pub(in super::super) max_connections: Option<usize>,
    pub(in super::super) tunnel_limit: Duration,
    pub(in super::super) resend_keyed: bool,
    pub(in super::super) trust_forwarded: bool,
    pub(in super::super) logs: LogOptions,
    pub(in super::super) admin: Option<AdminSettings>,
    pub(in super::super) connecting: ConnectingOptions,
}

impl BalancerOptions {
    /// The plan, with this default for the routing.
    pub(super) fn into_plan(self, routing: Routing) -> BalancerPlan {
        BalancerPlan {
            listen: self.listen,
            health: self.health,
            health_host: self.health_host,
            routing: self.routing.map_or(routing, RoutingName::meant),
            slow_start: self.slow_start.filter(|time| !time.is_zero()),
            eject: self.eject,
            drain_limit: self.drain_limit,
            response_limit: self.response_limit,
            read_limit: self.read_limit,
            body: BodyLimits {
                buffer: usize::try_from(self.body_buffer).unwrap_or(usize::MAX),
                rate: (self.body_rate > 0).then_some(self.body_rate),
                grace: self.body_grace,
                time: self.body_limit,
                most_bytes: self.max_body,
                ..BodyLimits::default()
            },
            max_connections: self.max_connections.and_then(|most| usize::try_from(most).ok()),
            tunnel_limit: self.tunnel_limit,
            resend_keyed: self.resend_keyed,
            trust_forwarded: self.trust_forwarded,
            logs: self.logs,
            admin: self.admin.settings(),
            connecting: self.connecting,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoutingName {
    /// The less busy of two that are drawn at random
    P2c,
    /// Each in turn
    RoundRobin,
    /// The one with the fewest requests in flight
    LeastBusy,
    /// A client stays on its instance, by a cookie; for demonstration: it hides trapped state until that instance ends
    Sticky,
    /// A request never goes to the instance that served its client last
    NeverTwice,
}

impl RoutingName {
    fn meant(self) -> Routing {
        match self {
            RoutingName::P2c => Routing::PowerOfTwo,
            RoutingName::RoundRobin => Routing::RoundRobin,
            RoutingName::LeastBusy => Routing::LeastBusy,
            RoutingName::Sticky => Routing::Sticky,
            RoutingName::NeverTwice => Routing::NeverTwice,
        }
    }
}
