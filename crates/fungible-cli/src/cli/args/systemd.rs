//! The arguments of `fungible systemd-unit`.

use clap::Args;

use super::run::RunOptions;
use super::values::parse_label;

pub(super) const SYSTEMD_EXAMPLES: &str = "\
Example:
  fungible systemd-unit --name web --listen 0.0.0.0:80 -- /srv/web/app --port {port} > units.txt

It takes the options of `fungible run`, and prints a service and a socket. systemd listens and passes the socket on, so
that clients who connect while the service is restarted wait instead of being refused. `systemctl reload` deploys the same
command again. Paths must be absolute, or relative to --working-directory.";

#[derive(Debug, Args)]
pub(in super::super) struct SystemdOptions {
    /// The user that runs the fleet
    #[arg(long, value_name = "USER", default_value = "www-data", value_parser = parse_label, help_heading = "Unit")]
    pub(in super::super) user: String,
    /// The folder where the fleet runs
    #[arg(long, value_name = "FOLDER", default_value = "/", help_heading = "Unit")]
    pub(in super::super) working_directory: std::path::PathBuf,
    #[command(flatten)]
    pub(in super::super) run: RunOptions,
}
