//! The payment service as a program: reads the environment, listens, serves until SIGTERM or Ctrl-C.

use std::env;
use std::fmt::Display;
use std::process::ExitCode;

use fungible::{Config, shutdown_signal};
use fungible_web::program;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    if let Err(error) = program::log(env::var("RUST_LOG").ok().as_deref()) {
        return refuse(error);
    }
    let config = match Config::from_env() {
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

fn refuse(error: impl Display) -> ExitCode {
    program::refuse("fungible-payments", error)
}
