//! What an instance is told by its environment, read once and checked. It opens and binds nothing. A service that is
//! told otherwise does without.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::cache::CacheMode;
use crate::client::Proxies;
use crate::cookie::CookieMode;
use crate::secret::Secret;
use crate::store::StoreUrl;

/// What every instance of the fleet is told alike, and the two things that differ: address and name.
#[derive(Debug)]
pub struct Config {
    /// Where the program listens (`HOST`, `PORT`).
    pub listen: SocketAddr,
    /// The store that all instances share (`FUNGIBLE_STORE=sqlite:PATH` or `postgres://..`).
    pub store: StoreUrl,
    /// The secret that all instances share (`FUNGIBLE_SECRET`). No instance makes one: it would be its own.
    pub secret: Secret,
    /// Whether the session cookie insists on https (`FUNGIBLE_COOKIES`).
    pub cookies: CookieMode,
    /// Whose word on where a request came from is taken (`FUNGIBLE_PROXIES`, such as `10.0.0.0/8`): this machine's unless
    /// it says otherwise.
    pub proxies: Proxies,
    /// Whether caches keep anything (`FUNGIBLE_CACHE`).
    pub cache: CacheMode,
    /// The name in small print and in the header `X-Served-By` (`FUNGIBLE_INSTANCE`). Nothing depends on it.
    pub instance: String,
}

/// A value of the environment that cannot be used: one line that says which, why and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl Config {
    /// Reads the environment through `lookup`, which gives the value of a variable.
    ///
    /// # Errors
    /// The first variable that is missing or wrong.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Ok(Self {
            listen: SocketAddr::new(host(lookup("HOST"))?, port(lookup("PORT"))?),
            store: store(lookup("FUNGIBLE_STORE"))?,
            secret: secret(lookup("FUNGIBLE_SECRET"))?,
            cookies: cookies(lookup("FUNGIBLE_COOKIES").as_deref())?,
            proxies: proxies(lookup("FUNGIBLE_PROXIES").as_deref())?,
            cache: cache(lookup("FUNGIBLE_CACHE").as_deref())?,
            instance: instance(lookup("FUNGIBLE_INSTANCE"))?,
        })
    }
}

fn host(value: Option<String>) -> Result<IpAddr, ConfigError> {
    let Some(host) = value else {
        return Ok(Ipv4Addr::LOCALHOST.into());
    };
    host.parse().map_err(|_| ConfigError(format!("HOST is {host:?}: set it to an IP address such as 127.0.0.1")))
}

fn port(value: Option<String>) -> Result<u16, ConfigError> {
    let port = value
        .ok_or_else(|| ConfigError("PORT is not set: set it to the port to listen on, such as 8080".to_owned()))?;
    port.parse().map_err(|_| ConfigError(format!("PORT is {port:?}: set it to a number from 0 to 65535")))
}

/// The value itself is never repeated: a password may stand in it.
fn store(value: Option<String>) -> Result<StoreUrl, ConfigError> {
    let text = value.ok_or_else(|| {
        ConfigError(
            "FUNGIBLE_STORE is not set: set it to sqlite:PATH or postgres://.., the same for all instances".to_owned(),
        )
    })?;
    text.parse().map_err(|error| ConfigError(format!("FUNGIBLE_STORE cannot be used: {error}")))
}

/// The value itself is never repeated.
fn secret(value: Option<String>) -> Result<Secret, ConfigError> {
    let text = value.ok_or_else(|| {
        ConfigError(
            "FUNGIBLE_SECRET is not set: make one with `openssl rand -base64 32` and give it to all instances"
                .to_owned(),
        )
    })?;
    Secret::parse(&text).map_err(|error| ConfigError(format!("FUNGIBLE_SECRET cannot be used: {error}")))
}

fn cookies(value: Option<&str>) -> Result<CookieMode, ConfigError> {
    match value {
        None | Some("secure") => Ok(CookieMode::Secure),
        Some("plain") => Ok(CookieMode::Plain),
        Some(other) => Err(ConfigError(format!(
            "FUNGIBLE_COOKIES is {other:?}: set it to secure (https) or plain (http on this machine)"
        ))),
    }
}

fn proxies(value: Option<&str>) -> Result<Proxies, ConfigError> {
    let Some(text) = value else { return Ok(Proxies::default()) };
    text.parse().map_err(|error| {
        ConfigError(format!("FUNGIBLE_PROXIES: {error}: set it to the addresses of the proxies in front, with commas"))
    })
}

fn cache(value: Option<&str>) -> Result<CacheMode, ConfigError> {
    match value {
        None | Some("on") => Ok(CacheMode::On),
        Some("off") => Ok(CacheMode::Off),
        Some(other) => Err(ConfigError(format!("FUNGIBLE_CACHE is {other:?}: set it to on or off"))),
    }
}

fn instance(value: Option<String>) -> Result<String, ConfigError> {
    let name = value.unwrap_or_else(|| std::process::id().to_string());
    if (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(name);
    }
    Err(ConfigError(format!(
        "FUNGIBLE_INSTANCE is {name:?}: set it to a name of 1 to 64 ASCII letters, digits or signs"
    )))
}
