//! What the programs of all apps have in common: the log on standard error, and the last line of a program that cannot go on.
//! Neither fails when standard error cannot be written, as on a full disk or into a closed pipe: then a request is answered
//! without its log line.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

/// Logs to standard error from now on, as much as `RUST_LOG` says; without it `info`, which has one line per request.
///
/// # Errors
/// When its value is malformed. The error says what to do.
pub fn log(rust_log: Option<&str>) -> Result<(), String> {
    let words = rust_log.unwrap_or("info");
    // At `trace` the CSRF check logs whole paths, which may hold the secret of a link.
    let filter = EnvFilter::builder().parse(format!("{words},tower_http::csrf=info"));
    let filter = filter.map_err(|error| format!("RUST_LOG is {words:?}: {error}; set it to info, for example"))?;
    // Otherwise a line that cannot be written is reported with `eprintln!`, whose panic would end the request.
    let mut log = tracing_subscriber::fmt().log_internal_errors(false).with_writer(io::stderr);
    if !io::stderr().is_terminal() {
        log = log.with_ansi(false);
    }
    log.with_env_filter(filter).init();
    Ok(())
}

/// Prints in one line why `program` cannot go on. The exit code is 2, for wrong usage.
pub fn refuse(program: &str, error: impl Display) -> ExitCode {
    // If the line cannot be written there is still the exit code.
    let _ = writeln!(io::stderr(), "{program}: {error}");
    ExitCode::from(2)
}
