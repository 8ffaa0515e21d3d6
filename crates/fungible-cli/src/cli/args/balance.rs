//! The arguments of `fungible balance`.

use std::time::Duration;

use clap::Args;

use super::balancer::{BalancerOptions, BalancerPlan};
use super::values::{Target, parse_limit, parse_name, parse_target};
use crate::balancer::Routing;

pub(super) const BALANCE_EXAMPLES: &str = "\
Examples:
  fungible balance --to 10.0.0.5:3000 --to 10.0.0.6:3000 --health /healthz
  fungible balance --to app.internal:3000 --listen 0.0.0.0:80     # all addresses of the name, looked up again and again
  FUNGIBLE_SECRET=.. fungible balance --routing sticky --to 10.0.0.5:3000 --to 10.0.0.6:3000

Several balancers in front of the same instances need not know of each other. With --routing sticky they need the same
FUNGIBLE_SECRET. `fungible status`, `pause`, `resume` and `stop` work as with `fungible run`.

Exit codes: 0 ended as requested; 2 wrong usage, or the address is taken.";

#[derive(Debug, Args)]
pub(in super::super) struct BalanceOptions {
    /// Where an instance is: an IP address or a name, with a port. Each address of a name is an instance
    #[arg(long, value_name = "HOST:PORT", required = true, value_parser = parse_target)]
    pub(in super::super) to: Vec<Target>,
    /// The port of health checks, if it is not that of the instance
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), requires = "health")]
    pub(in super::super) health_port: Option<u16>,
    /// How often names are looked up again
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "5s")]
    pub(in super::super) resolve_every: Duration,
    /// What `fungible status` calls it
    #[arg(long, value_parser = parse_name, default_value = "balance")]
    pub(in super::super) name: String,
    #[command(flatten)]
    balancer: BalancerOptions,
}

impl BalanceOptions {
    /// The settings of the balancer.
    pub(in super::super) fn plan(&self) -> BalancerPlan {
        self.balancer.clone().into_plan(Routing::PowerOfTwo)
    }
}
