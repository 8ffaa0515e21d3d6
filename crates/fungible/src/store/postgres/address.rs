//! The address of a PostgreSQL server, read from text. Connects to nothing.

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

const DEFAULT_PORT: u16 = 5432;

/// The time for one attempt to connect, unless the address sets it.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// A PostgreSQL server, or several of which one takes writes.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::store) struct Server {
    pub(super) config: Config,
    /// A file with the certificates of the authorities to trust; without it those of the system.
    pub(super) authorities: Option<PathBuf>,
    /// Its name in messages: the address without password and options.
    pub(in crate::store) name: String,
}

/// Reads `postgres://..`. The error says what is wrong with it.
pub(in crate::store) fn parse(text: &str) -> Result<Server, String> {
    let (address, query) = text.split_once('?').unwrap_or((text, ""));
    let mut authorities = None;
    let mut mode_given = false;
    let mut options = Vec::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("sslrootcert", path)) => {
                let path = percent_decode_str(path).decode_utf8().map_err(|_| "sslrootcert is not UTF-8")?;
                authorities = Some(PathBuf::from(path.as_ref()));
            }
            Some(("sslmode", mode)) => {
                mode_given = true;
                // Certificates are verified in any case.
                let strict = matches!(mode, "verify-ca" | "verify-full");
                options.push(if strict { "sslmode=require".to_owned() } else { option.to_owned() });
            }
            _ => options.push(option.to_owned()),
        }
    }
    let mut config: Config = format!("{address}?{}", options.join("&")).parse().map_err(|error| said(&error))?;
    if config.get_hosts().is_empty() {
        config.host("localhost");
    }
    if !mode_given {
        let here = config.get_hosts().iter().all(is_here) && authorities.is_none();
        config.ssl_mode(if here { SslMode::Disable } else { SslMode::Require });
    }
    if config.get_ssl_mode() == SslMode::Prefer {
        return Err(
            "sslmode=prefer falls back to clear text when the server asks for it; write disable or require".to_owned()
        );
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_LIMIT);
    }
    if config.get_application_name().is_none() {
        config.application_name("fungible");
    }
    // Of several servers, the one that takes writes.
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    let name = name(&config);
    Ok(Server { config, authorities, name })
}

/// An error with its source.
fn said(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => matches!(name.as_str(), "localhost" | "::1") || name.starts_with("127."),
        Host::Unix(_) => true,
    }
}

fn name(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
    let host = |host: &Host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    };
    let hosts = config.get_hosts().iter().enumerate().map(|(at, one)| format!("{}:{}", host(one), port(at)));
    let hosts = hosts.collect::<Vec<_>>().join(",");
    let user = config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
    format!("postgres://{user}{hosts}/{}", config.get_dbname().unwrap_or_default())
}
