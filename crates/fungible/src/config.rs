//! The settings of an instance, usually from its environment. Opens and binds nothing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::cache::CacheMode;
use crate::client::Proxies;
use crate::cookie::CookieMode;
use crate::secret::Secret;
use crate::setters::setters;
use crate::store::StoreUrl;

/// The settings of an instance. Those of all instances of a fleet are equal, except for the address and the name.
///
/// | variable | field | default |
/// |---|---|---|
/// | `HOST` | the address of `listen` | `127.0.0.1` |
/// | `PORT` | the port of `listen` | none: it must be set |
/// | `FUNGIBLE_STORE` | `store`, as `sqlite:PATH` or `postgres://..` | none: it must be set |
/// | `FUNGIBLE_SECRET` | `secret`, 32 bytes or more in base64 | none: it must be set |
/// | `FUNGIBLE_COOKIES` | `cookies`, `secure` or `plain` | `secure` |
/// | `FUNGIBLE_PROXIES` | `proxies`, as networks with commas between them | this machine |
/// | `FUNGIBLE_CACHE` | `cache`, `on` or `off` | `on` |
/// | `FUNGIBLE_INSTANCE` | `instance` | the process id |
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    /// The address that the instance listens on.
    pub listen: SocketAddr,
    /// The store that all instances share.
    pub store: StoreUrl,
    /// The secret that all instances share. No instance makes one, as the others would not have it.
    pub secret: Secret,
    /// How cookies are protected.
    pub cookies: CookieMode,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub proxies: Proxies,
    /// Whether caches keep values.
    pub cache: CacheMode,
    /// The name of the instance, for people. Nothing depends on it.
    pub instance: String,
}

setters!(
    Config: listen: SocketAddr, cookies: CookieMode, proxies: Proxies, cache: CacheMode, instance: String,
);

/// A variable that is missing or cannot be used. The message says which, why and what to do, and never shows a password or
/// secret.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl Config {
    /// Settings that do not come from the environment: the store and the secret as given, everything else as by default. It
    /// listens on a port of 127.0.0.1 that the system chooses.
    pub fn new(store: StoreUrl, secret: Secret) -> Config {
        Config {
            listen: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0),
            store,
            secret,
            cookies: CookieMode::default(),
            proxies: Proxies::default(),
            cache: CacheMode::default(),
            instance: std::process::id().to_string(),
        }
    }

    /// The settings in the environment of this process. A variable that is not UTF-8 counts as missing.
    ///
    /// # Errors
    /// The first variable that is missing or cannot be used.
    pub fn from_env() -> Result<Config, ConfigError> {
        Config::from_lookup(|name| std::env::var(name).ok())
    }

    /// [`Config::from_env`] with the variables from `lookup`.
    ///
    /// # Errors
    /// As [`Config::from_env`].
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        Ok(Config {
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

/// The message never shows the value, which may hold a password.
fn store(value: Option<String>) -> Result<StoreUrl, ConfigError> {
    let text = value.ok_or_else(|| {
        ConfigError(
            "FUNGIBLE_STORE is not set: set it to sqlite:PATH or postgres://.., the same for all instances".to_owned(),
        )
    })?;
    text.parse().map_err(|error| ConfigError(format!("FUNGIBLE_STORE cannot be used: {error}")))
}

/// The message never shows the value.
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
