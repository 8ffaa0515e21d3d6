//! The command-line arguments.

mod admin;
mod balance;
mod balancer;
mod connecting;
mod deploy;
mod fleet;
mod logs;
mod output;
mod prove;
mod run;
mod systemd;
mod values;

#[cfg(feature = "demo")]
use std::net::SocketAddr;
use std::time::Duration;

#[cfg(feature = "demo")]
use clap::Args;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, Subcommand};

#[cfg(feature = "demo")]
pub(super) use self::admin::AdminOptions;
use self::balance::BALANCE_EXAMPLES;
pub(super) use self::balance::BalanceOptions;
pub(super) use self::balancer::BalancerPlan;
pub(super) use self::connecting::ConnectingOptions;
use self::deploy::DEPLOY_EXAMPLES;
pub(super) use self::deploy::DeployOptions;
pub(super) use self::logs::AccessFormat;
pub(super) use self::output::{JudgeOptions, OutputOptions};
use self::prove::PROVE_EXAMPLES;
pub(super) use self::prove::{FEWEST_RUNS, ProveOptions};
use self::run::{DEV_EXAMPLES, RUN_EXAMPLES};
pub(super) use self::run::{RunOptions, RunPlan};
use self::systemd::SYSTEMD_EXAMPLES;
pub(super) use self::systemd::SystemdOptions;
use self::values::FLEET;
#[cfg(feature = "demo")]
use self::values::parse_address;
pub(super) use self::values::{Target, parse_attack, parse_limit, parse_pair, parse_path};
use crate::fleet::KEEPER_STAGES;

const EXIT_CODES: &str = "\
Exit codes: 0 success; 2 wrong usage or a failure of the tool itself.
`fungible prove` has more: 1 NOT FUNGIBLE; 3 NOT SHOWN. `fungible deploy`: 1 rolled back.";

#[derive(Debug, Parser)]
#[command(name = "fungible", version, about = "Runs interchangeable instances of your service", after_help = EXIT_CODES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Adds advice to the error for a command that is typed without the `--` before it.
pub(super) fn with_advice(mut error: clap::Error) -> clap::Error {
    let mut words = std::env::args_os().skip(1);
    let takes_a_command =
        words.next().is_some_and(|word| ["run", "dev", "deploy", "prove"].iter().any(|one| word == *one));
    if let (ErrorKind::UnknownArgument, true, Some(ContextValue::String(word))) =
        (error.kind(), takes_a_command, error.get(ContextKind::InvalidArg))
        && !word.starts_with('-')
    {
        let advice = format!("put the command of the app after --, as in `-- {word}`");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![advice.into()]));
    }
    error
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run N instances of any program behind the balancer
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunOptions),
    /// Like `run -n 2`, but alternates between the instances, so that local state shows immediately
    #[command(after_help = DEV_EXAMPLES)]
    Dev(RunOptions),
    /// Balance requests over instances that something else runs: containers, other machines
    #[command(after_help = BALANCE_EXAMPLES)]
    Balance(BalanceOptions),
    /// The kill test: are the instances of this app interchangeable?
    #[command(after_help = PROVE_EXAMPLES)]
    Prove(Box<ProveOptions>),
    /// Judge the recorded runs of an earlier proof again, without starting anything
    #[command(
        after_help = "Example:\n  fungible prove --record runs --drive ./e2e.sh -- ./app\n  fungible judge runs\n\nExit codes: as of `fungible prove`."
    )]
    Judge(JudgeOptions),
    /// Write a commented fungible.toml
    Init,
    /// Show the instances of running fleets
    #[command(after_help = "Examples:\n  fungible status\n  fungible status --fleet web --json")]
    Status {
        #[arg(long, value_name = "NAME", env = "FUNGIBLE_FLEET", help = FLEET)]
        fleet: Option<String>,
        /// As JSON, with `schema_version`; one line per fleet
        #[arg(long)]
        json: bool,
    },
    /// Kill one instance (SIGKILL), as the kill test does; it is restarted
    #[command(after_help = "Example:\n  fungible kill web-2")]
    Kill {
        #[arg(long, value_name = "NAME", env = "FUNGIBLE_FLEET", help = FLEET_OF_INSTANCE)]
        fleet: Option<String>,
        /// The instance's name, as `fungible status` shows it
        instance: String,
    },
    /// Freeze one instance (SIGSTOP), as an overloaded machine would; to try what its users notice
    #[command(after_help = "Example:\n  fungible freeze web-2")]
    Freeze {
        #[arg(long, value_name = "NAME", env = "FUNGIBLE_FLEET", help = FLEET_OF_INSTANCE)]
        fleet: Option<String>,
        /// The instance's name, as `fungible status` shows it
        instance: String,
    },
    /// Let a frozen instance go on (SIGCONT)
    #[command(after_help = "Example:\n  fungible thaw web-2")]
    Thaw {
        #[arg(long, value_name = "NAME", env = "FUNGIBLE_FLEET", help = FLEET_OF_INSTANCE)]
        fleet: Option<String>,
        /// The instance's name, as `fungible status` shows it
        instance: String,
    },
    /// Drain one instance: it finishes its requests and ends, and another one starts in its place
    #[command(after_help = "Example:\n  fungible drain web-2")]
    Drain {
        #[arg(long, value_name = "NAME", env = "FUNGIBLE_FLEET", help = FLEET_OF_INSTANCE)]
        fleet: Option<String>,
        /// The instance's name, as `fungible status` shows it
        instance: String,
    },
    /// Change the number of instances; those that leave finish their requests first
    #[command(after_help = "Example:\n  fungible scale 5")]
    Scale {
        #[arg(long, value_name = "NAME", env = "FUNGIBLE_FLEET", help = FLEET)]
        fleet: Option<String>,
        /// The new number of instances
        count: usize,
    },
    /// Replace the instances by those of another command, one after the other, without losing a request
    #[command(after_help = DEPLOY_EXAMPLES)]
    Deploy(DeployOptions),
    /// Hold all requests for a moment, while something behind the instances is changed; those in flight go on
    #[command(
        after_help = "Examples:\n  fungible pause --limit 20s && ./switch-database && fungible resume\n\nAt most 1024 requests wait; further ones get 503. Without `resume` they go on after the limit."
    )]
    Pause {
        #[arg(long, value_name = "NAME", env = "FUNGIBLE_FLEET", help = FLEET)]
        fleet: Option<String>,
        /// How long requests wait at most
        #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "30s")]
        limit: Duration,
    },
    /// Let requests go on that `pause` holds
    #[command(after_help = "Example:\n  fungible resume")]
    Resume {
        #[arg(long, value_name = "NAME", env = "FUNGIBLE_FLEET", help = FLEET)]
        fleet: Option<String>,
    },
    /// Print the units with which systemd runs a fleet, and keeps its port open while the fleet is restarted
    #[command(after_help = SYSTEMD_EXAMPLES)]
    SystemdUnit(SystemdOptions),
    /// Drain a fleet and end it
    #[command(after_help = "Example:\n  fungible stop --fleet web")]
    Stop {
        #[arg(long, value_name = "NAME", env = "FUNGIBLE_FLEET", help = FLEET)]
        fleet: Option<String>,
    },
    /// A to-do list on three interchangeable instances: log in, kill any of them, go on
    #[cfg(feature = "demo")]
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(DemoOptions),
    /// Enter control groups and become a program
    #[command(hide = true)]
    Limited {
        #[arg(long)]
        group: Vec<std::path::PathBuf>,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    #[command(hide = true)]
    Keeper {
        #[arg(value_parser = KEEPER_STAGES)]
        stage: String,
    },
    /// Start isolated instances of a command, and print the files they changed
    #[command(hide = true)]
    Cell(super::cell::CellOptions),
    #[cfg(feature = "demo")]
    #[command(hide = true)]
    DemoInstance { app: String },
}

const FLEET_OF_INSTANCE: &str =
    "Which fleet: its name, its port, or NAME@PORT; may be left out when only one has an instance of this name";

#[cfg(feature = "demo")]
const DEMO_EXAMPLES: &str = "\
Examples:
  fungible demo              # stateless: kill any instance
  fungible demo --app shop   # a cart, and a checkout that charges once, whatever you kill
  fungible demo --broken     # sessions in memory: \"please log in again\"
  fungible demo --broken --sticky   # hidden by sticky sessions, until an instance is killed

Exit codes: 0 ended as requested; 2 wrong usage, or it could not be run.";

#[cfg(feature = "demo")]
#[derive(Debug, Args)]
pub(super) struct DemoOptions {
    /// Which app
    #[arg(long, value_enum, default_value = "todo")]
    pub(super) app: DemoApp,
    /// The to-do list that keeps its sessions and tasks in the memory of each instance
    #[arg(long)]
    pub(super) broken: bool,
    /// Keep each client on one instance
    #[arg(long)]
    pub(super) sticky: bool,
    /// How many instances
    #[arg(short = 'n', long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(super) instances: u16,
    /// Where the browser connects
    #[arg(long, value_name = "ADDRESS", env = "FUNGIBLE_LISTEN", default_value = "127.0.0.1:8080", value_parser = parse_address)]
    pub(super) listen: SocketAddr,
    /// The shared store, `sqlite:PATH` or `postgres://..` [default: a SQLite file in the data folder]
    #[arg(long, value_name = "URL", env = "FUNGIBLE_STORE", hide_env_values = true, conflicts_with = "broken")]
    pub(super) store: Option<String>,
    /// The folder for the secret, the logs and the SQLite store; only its owner may open it. A log that exceeds 8 MiB
    /// is emptied, and its last 8 MiB are kept as NAME.log.1
    #[arg(long, value_name = "FOLDER", default_value = "fungible-demo")]
    pub(super) data: std::path::PathBuf,
    #[command(flatten)]
    pub(super) admin: AdminOptions,
    /// Do not use Linux namespaces even if they are available
    #[arg(long, hide = true)]
    pub(super) no_namespaces: bool,
}

/// The apps that are built in.
#[cfg(feature = "demo")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum DemoApp {
    /// A to-do list
    Todo,
    /// An online store, with a payment service beside it
    Shop,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
    }
}
