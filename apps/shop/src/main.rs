//! One instance of the shop as a program: reads the environment, listens, serves until SIGTERM or Ctrl-C.

use std::env;
use std::fmt::Display;
use std::process::ExitCode;

use fungible::{Config, shutdown_signal};
use fungible_shop::Payments;
use fungible_web::program;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    if let Err(error) = program::log(env::var("RUST_LOG").ok().as_deref()) {
        return refuse(error);
    }
    #[cfg(feature = "failpoints")]
    if let Ok(name) = env::var("FUNGIBLE_FAILPOINT") {
        fungible::failpoint::arm(&name);
    }
    let payments = match Payments::from_lookup(|name| env::var(name).ok()) {
        Ok(payments) => payments,
        Err(error) => return refuse(error),
    };
    let config = match Config::from_env() {
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
    match fungible_shop::run(listener, config, payments, shutdown_signal()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(error),
    }
}

fn refuse(error: impl Display) -> ExitCode {
    program::refuse("fungible-shop", error)
}
