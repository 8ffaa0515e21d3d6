//! The broken to-do list as a program: `PORT` and `HOST` say where it listens, `FUNGIBLE_INSTANCE` what it is called.

use std::env;
use std::error::Error;

use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").ok().and_then(|port| port.parse().ok());
    let port: u16 = port.ok_or("set PORT to the number of the port to listen on")?;
    let host = env::var("HOST").unwrap_or_else(|_| "127.0.0.1".to_owned());
    let instance = env::var("FUNGIBLE_INSTANCE").unwrap_or_else(|_| std::process::id().to_string());
    fungible_todo_broken::run(TcpListener::bind((host, port)).await?, &instance).await?;
    Ok(())
}
