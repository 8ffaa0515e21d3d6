//! The payment service as a program: reads the environment, listens, serves until SIGTERM or Ctrl-C.

use std::env;
use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use fungible::{Config, shutdown_signal};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let config = match Config::from_env(|name| env::var(name).ok()) {
        Ok(config) => config,
        Err(error) => return refuse(error),
    };
    let listener = match TcpListener::bind(config.listen).await {
        Ok(listener) => listener,
        Err(error) => return refuse(format_args!("cannot listen on {}: {error}", config.listen)),
    };
    match fungible_payments::run(listener, &config.store, shutdown_signal()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(error),
    }
}

/// Says what is wrong in one line; 2 is the exit code for wrong usage.
#[expect(clippy::print_stderr, reason = "a program's last word")]
fn refuse(error: impl Display) -> ExitCode {
    eprintln!("fungible-payments: {error}");
    ExitCode::from(2)
}
