//! What the programs of all apps have in common: the log on standard error, and what is said when they cannot go on.
//! Neither fails where standard error cannot be written, on a full disk or into a pipe that nobody reads any more: a
//! request is answered without its line in the log.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

/// Logs to standard error from now on, as much as `RUST_LOG` says; without it `info`, which has one line per request.
///
/// # Errors
/// When its value cannot be understood: the error says what to do.
pub fn log(rust_log: Option<&str>) -> Result<(), String> {
    let words = rust_log.unwrap_or("info");
    // At `trace` the CSRF check writes whole paths, and in a path may be a link that is a secret.
    let filter = EnvFilter::builder().parse(format!("{words},tower_http::csrf=info"));
    let filter = filter.map_err(|error| format!("RUST_LOG is {words:?}: {error}; set it to info, for example"))?;
    // Else a line that cannot be written is reported with `eprintln!`, whose panic would end the request.
    let mut log = tracing_subscriber::fmt().log_internal_errors(false).with_writer(io::stderr);
    if !io::stderr().is_terminal() {
        log = log.with_ansi(false);
    }
    log.with_env_filter(filter).init();
    Ok(())
}

/// Says in one line why `program` cannot go on; 2 is the exit code for wrong usage.
pub fn refuse(program: &str, error: impl Display) -> ExitCode {
    // Whoever does not read the line has the exit code.
    let _ = writeln!(io::stderr(), "{program}: {error}");
    ExitCode::from(2)
}
