//! The arguments of `fungible prove`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::output::OutputOptions;
use super::values::{parse_attack, parse_limit, parse_pair, parse_path};
use crate::prove::Attack;

/// The end of the help text.
pub(super) const PROVE_EXAMPLES: &str = "\
Examples:
  fungible prove --drive 'npx playwright test' --share ./data -- node server.js
  fungible prove --drive ./e2e.sh --reset './fresh-db.sh {run}' \\
      --env DATABASE_URL=postgres://localhost/app_{run} -- ./app --port {port}

Placeholders in the app's command, --env and --file:
  {port}       the instance's port, which is also in PORT
  {port:NAME}  another port of the instance
  {dir}        a private folder of the instance
Placeholders in these and in --drive, --reset and --beside:
  {run}        a word that differs from run to run
  {url}        the address that clients see, which is also in BASE_URL, and in
               FUNGIBLE_URL for test runners that set BASE_URL themselves

Exit codes:
  0  FUNGIBLE
  1  NOT FUNGIBLE
  2  wrong usage, the app or the driver cannot be run, or the tool itself
     failed
  3  NOT SHOWN: no verdict is possible, for example because the driver also
     fails on a single instance; 0 with --not-shown=warn";

/// Two baselines and an attack.
pub(in crate::cli) const FEWEST_RUNS: i64 = 3;

#[derive(Debug, Args)]
pub(in crate::cli) struct ProveOptions {
    /// The traffic: any end-to-end suite or script; it finds the address in `BASE_URL`
    #[arg(long, value_name = "COMMAND")]
    pub(in crate::cli) drive: Option<String>,
    /// The traffic as Hurl files, run one after the other by your `hurl` (5 or newer) with the variable `base_url`
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(in crate::cli) hurl: Vec<PathBuf>,
    /// A file or folder that all instances share; each run starts with a copy of its current content; the driver sees
    /// the original
    #[arg(long, value_name = "PATH")]
    pub(in crate::cli) share: Vec<PathBuf>,
    /// A folder that is real, not private, for all instances
    #[arg(long, value_name = "PATH")]
    pub(in crate::cli) real: Vec<PathBuf>,
    /// Set this variable for each instance
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub(in crate::cli) env: Vec<(String, String)>,
    /// A template of a configuration file, and the path where each instance gets the filled-in copy
    #[arg(long, value_name = "TEMPLATE=DEST")]
    pub(in crate::cli) file: Vec<String>,
    /// Runs before each run, while no instance is up
    #[arg(long, value_name = "COMMAND")]
    pub(in crate::cli) reset: Option<String>,
    /// Runs next to the instances, for example a worker or a fake mail server
    #[arg(long, value_name = "COMMAND")]
    pub(in crate::cli) beside: Vec<String>,
    /// The port that clients use, for suites that hard-code it [default: a free one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) listen: Option<u16>,
    /// Health-check path: 2xx and 3xx mean ready [default: a TCP connection]
    #[arg(long, value_name = "PATH", value_parser = parse_path)]
    pub(in crate::cli) health: Option<String>,
    /// NOT SHOWN instead of FUNGIBLE where the loss of a write would go unnoticed
    #[arg(long)]
    pub(in crate::cli) strict: bool,
    /// Try only these attacks, separated by commas: amnesia, rotate, roll, cold, echo, sticky, mid-kill, burst, crowd, skew [default: all but the last three; skew where --with is given]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = parse_attack)]
    pub(in crate::cli) attacks: Vec<Attack>,
    /// The command of the old version, for the shell: it is tried beside the new one, as during a deploy (the attack skew)
    #[arg(long, value_name = "COMMAND")]
    pub(in crate::cli) with: Option<String>,
    /// Accept an old copy on another live instance for so long after a write; the verdict says so [default: 0s]
    #[arg(long, value_name = "TIME", value_parser = parse_limit)]
    pub(in crate::cli) stale_bound: Option<Duration>,
    /// How many runs of the traffic are allowed in total [default: 300]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(FEWEST_RUNS..))]
    pub(in crate::cli) runs: Option<u16>,
    /// How long the whole proof may take [default: 10m]
    #[arg(long, value_name = "TIME", value_parser = parse_limit)]
    pub(in crate::cli) budget: Option<Duration>,
    /// How long an instance may take to become ready [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = parse_limit)]
    pub(in crate::cli) start_limit: Option<Duration>,
    /// How long the driver may take for one run on one undisturbed instance [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = parse_limit)]
    pub(in crate::cli) drive_limit: Option<Duration>,
    #[command(flatten)]
    pub(in crate::cli) output: OutputOptions,
    /// Also keep the journal of each run in this folder, for `fungible judge`; journals hold what the traffic holds,
    /// passwords and tokens too, and only you can read the files (see --redact)
    #[arg(long, value_name = "FOLDER")]
    pub(in crate::cli) record: Option<PathBuf>,
    /// Replace passwords, tokens and cookies in the recorded journals, each by another one that looks alike
    #[arg(long, requires = "record")]
    pub(in crate::cli) redact: bool,
    /// Do not use Linux namespaces even if they are available
    #[arg(long)]
    pub(in crate::cli) no_namespaces: bool,
    /// The app: the program and its arguments, after `--`
    #[arg(last = true, value_name = "COMMAND")]
    pub(in crate::cli) command: Vec<String>,
}
