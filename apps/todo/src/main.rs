//! One instance of the to-do list as a program: reads the environment, listens, serves until SIGTERM or Ctrl-C.

use std::env;
use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use fungible::{Config, shutdown_signal};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    // RUST_LOG says how much is logged; `info` has one line per request.
    let words = env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
    // At `trace` the CSRF check writes whole paths, and in a path may be a link that is a secret.
    let filter = EnvFilter::new(format!("{words},tower_http::csrf=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    #[cfg(feature = "failpoints")]
    if let Ok(name) = env::var("FUNGIBLE_FAILPOINT") {
        fungible::failpoint::arm(&name);
    }
    let config = match Config::from_env(|name| env::var(name).ok()) {
        Ok(config) => config,
        Err(error) => return refuse(error),
    };
    let address = config.listen;
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            return refuse(format_args!("cannot listen on {address}: {error}; set PORT to a free port"));
        }
    };
    match fungible_todo::run(listener, config, shutdown_signal()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(error),
    }
}

/// Says what is wrong in one line; 2 is the exit code for wrong usage.
#[expect(clippy::print_stderr, reason = "a program's last word")]
fn refuse(error: impl Display) -> ExitCode {
    eprintln!("fungible-todo: {error}");
    ExitCode::from(2)
}
