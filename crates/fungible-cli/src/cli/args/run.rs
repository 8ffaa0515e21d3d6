//! The arguments of `fungible run` and `fungible dev`.

use std::time::Duration;

use clap::Args;

use super::balancer::{BalancerOptions, BalancerPlan};
use super::fleet::{FleetOptions, FleetPlan};
use super::values::{name_of, parse_label, parse_limit, parse_name, parse_pair};
use crate::balancer::Routing;

pub(super) const RUN_EXAMPLES: &str = "\
Examples:
  fungible run -- node server.js                        # the app listens on the port in PORT
  fungible run -n 5 --health /healthz -- ./app --port {port}
  fungible run --min 2 --max 10 --memory 256M -- ./app   # as many as the load takes
  fungible run --admin 127.0.0.1:9090 -- ./app          # a page, and metrics
  fungible run --listen 0.0.0.0:80 --env DATABASE_URL=postgres://localhost/app -- gunicorn -b 127.0.0.1:{port} app:app
  fungible run --listen 0.0.0.0:443 --redirect-http 0.0.0.0:80 --tls-cert cert.pem --tls-key key.pem -- ./app

Exit codes: 0 ended as requested; 2 wrong usage, or the instances could not be run.";

pub(super) const DEV_EXAMPLES: &str = "\
Example:
  fungible dev -- npm start

Exit codes: 0 ended as requested; 2 wrong usage, or the instances could not be run.";

#[derive(Debug, Clone, Args)]
pub(in super::super) struct RunOptions {
    /// How many instances [default: 3, for dev 2]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    instances: Option<u16>,
    #[command(flatten)]
    fleet: FleetOptions,
    #[command(flatten)]
    balancer: BalancerOptions,
    /// The prefix of the instance names: NAME-1, NAME-2 .. [default: the program's name]
    #[arg(long, value_parser = parse_name)]
    name: Option<String>,
    /// What `fungible status` calls this version of the app [default: a hash of its command and variables]
    #[arg(long, value_name = "LABEL", value_parser = parse_label)]
    version: Option<String>,
    /// Give each instance a second port, in `HEALTH_PORT` and {health-port}, and send health checks there
    #[arg(long, requires = "health")]
    health_port: bool,
    /// Set this variable for each instance; {port} in the value is replaced with its port
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    env: Vec<(String, String)>,
    /// How long an instance may take to become ready
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "60s")]
    start_limit: Duration,
    /// How long an instance may take to end after SIGTERM, before SIGKILL
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "10s")]
    grace: Duration,
    /// Accept that a program other than the instance listens on its port, as Docker's proxy does; without it such an
    /// instance is restarted on another port
    #[arg(long)]
    allow_foreign_listener: bool,
    /// Do not use Linux namespaces even if they are available
    #[arg(long)]
    no_namespaces: bool,
    /// The program and its arguments, after `--`; {port} is replaced with the instance's port
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// The settings of `run` and `dev`, from the arguments and their defaults.
#[derive(Debug)]
pub(in super::super) struct RunPlan {
    pub(in super::super) instances: usize,
    pub(in super::super) fleet: FleetPlan,
    pub(in super::super) balancer: BalancerPlan,
    pub(in super::super) name: String,
    pub(in super::super) version: Option<String>,
    pub(in super::super) health_port: bool,
    pub(in super::super) program: String,
    pub(in super::super) arguments: Vec<String>,
    pub(in super::super) env: Vec<(String, String)>,
    pub(in super::super) start_limit: Duration,
    pub(in super::super) grace: Duration,
    pub(in super::super) foreign_listeners: bool,
    pub(in super::super) namespaces: bool,
}

impl RunOptions {
    /// The plan, with these defaults for the number of instances and the routing.
    ///
    /// # Errors
    /// When the options contradict each other.
    pub(in super::super) fn into_plan(self, instances: u16, routing: Routing) -> anyhow::Result<RunPlan> {
        let mut command = self.command.into_iter();
        let program = command.next().unwrap_or_default();
        let fleet = self.fleet.into_plan().map_err(anyhow::Error::msg)?;
        let fewest = fleet.scaling.as_ref().map(|rule| rule.min);
        Ok(RunPlan {
            instances: fewest.unwrap_or_else(|| self.instances.unwrap_or(instances).into()),
            fleet,
            balancer: self.balancer.into_plan(routing),
            name: self.name.unwrap_or_else(|| name_of(&program)),
            version: self.version,
            health_port: self.health_port,
            program,
            arguments: command.collect(),
            env: self.env,
            start_limit: self.start_limit,
            grace: self.grace,
            foreign_listeners: self.allow_foreign_listener,
            namespaces: !self.no_namespaces,
        })
    }
}
