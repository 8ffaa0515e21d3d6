//! How a verdict is shown, whoever comes to it.

use std::path::PathBuf;

use clap::Args;

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct OutputOptions {
    /// How NOT SHOWN ends: `fail` with exit code 3, `warn` with 0
    #[arg(long, value_name = "fail|warn", value_parser = ["fail", "warn"], default_value = "fail", hide_possible_values = true)]
    pub(in crate::cli) not_shown: String,
    /// Print the verdict as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
    /// Also write verdict.json and report.md into this folder; old ones are removed first
    #[arg(long, value_name = "FOLDER")]
    pub(in crate::cli) report: Option<PathBuf>,
    /// Also show values that were renamed, masked or only listed
    #[arg(short, long)]
    pub(in crate::cli) verbose: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct JudgeOptions {
    /// A folder that `fungible prove --record` wrote
    #[arg(value_name = "FOLDER")]
    pub(in crate::cli) folder: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) output: OutputOptions,
}
