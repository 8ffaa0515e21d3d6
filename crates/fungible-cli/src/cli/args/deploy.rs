//! The arguments of `fungible deploy`.

use std::time::Duration;

use clap::Args;

use super::values::{FLEET, parse_label, parse_limit, parse_pair};

pub(super) const DEPLOY_EXAMPLES: &str = "\
Examples:
  fungible deploy -- node server-v2.js                 # another command
  fungible deploy --env FEATURE=on                     # the same command with another variable
  fungible deploy --before './migrate' --version 1.4.2 -- ./app-1.4.2 --port {port}
  fungible deploy                                      # restart all instances, one after the other

One new instance is started at a time. When it has been ready for the probation, one old instance is drained, gets
SIGTERM, and SIGKILL after the grace of `fungible run`. If a new instance does not become ready, or ends in its
probation, the deploy is rolled back. Ctrl-C rolls it back, too. Paths are relative to where `fungible run` was started.

Exit codes: 0 deployed; 1 it failed, and the old version is in place; 2 wrong usage, or refused: nothing was changed.";

#[derive(Debug, Args)]
pub(in super::super) struct DeployOptions {
    #[arg(long, value_name = "NAME", env = "FUNGIBLE_FLEET", help = FLEET)]
    pub(in super::super) fleet: Option<String>,
    /// Set this variable in addition to those of the fleet, or instead; {port} in the value is replaced with the port
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub(in super::super) env: Vec<(String, String)>,
    /// What `fungible status` calls the new version [default: a hash of its command and variables]
    #[arg(long, value_name = "LABEL", value_parser = parse_label)]
    pub(in super::super) version: Option<String>,
    /// How many more instances than usual may run at once
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(in super::super) surge: u16,
    /// How long a new instance must stay up after it is ready, before an old one leaves
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "10s")]
    pub(in super::super) probation: Duration,
    /// A shell command that must succeed before the first new instance starts, such as a migration
    #[arg(long, value_name = "COMMAND")]
    pub(in super::super) before: Option<String>,
    /// Only say what would be done
    #[arg(long)]
    pub(in super::super) dry_run: bool,
    /// The new program and its arguments, after `--` [default: as they are]
    #[arg(last = true, value_name = "COMMAND")]
    pub(in super::super) command: Vec<String>,
}
