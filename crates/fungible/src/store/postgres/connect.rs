//! Addresses of servers, TLS, and the pool of connections. Knows no commands.

use std::path::PathBuf;
use std::time::Duration;

use deadpool_postgres::{Hook, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::url::Server;
use super::super::{Result, StoreError, StoreOptions};

const DEFAULT_PORT: u16 = 5432;

/// How long one attempt to connect may take where the address does not say.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// Reads `postgres://..`; in words what is wrong with it.
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
            "sslmode=prefer would speak in the clear to whoever asks for it; write disable or require".to_owned()
        );
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_LIMIT);
    }
    if config.get_application_name().is_none() {
        config.application_name("fungible");
    }
    // Of several servers the one that writes.
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    let name = name(&config);
    Ok(Server { config, authorities, name })
}

/// An error with what is behind it.
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

/// Connections to a server, opened as they are wanted.
pub(super) fn pool(server: &Server, options: &StoreOptions) -> Result<Pool> {
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = if server.config.get_ssl_mode() == SslMode::Disable {
        Manager::from_config(server.config.clone(), NoTls, recycling)
    } else {
        Manager::from_config(server.config.clone(), MakeRustlsConnect::new(tls(server)?), recycling)
    };
    let settings = settings(options);
    let settle = Hook::async_fn(move |client, _| {
        let settings = settings.clone();
        Box::pin(async move { client.batch_execute(&settings).await.map_err(deadpool_postgres::HookError::Backend) })
    });
    let pool = Pool::builder(manager).max_size(options.connections.max(1)).post_create(settle).runtime(Runtime::Tokio1);
    pool.build().map_err(|error| refused(server, error.to_string()))
}

/// What holds for every connection: nothing writes but what we begin, what is answered is durable, and nothing waits for
/// ever.
fn settings(options: &StoreOptions) -> String {
    let (lock, statement) = (options.wait_limit.as_millis().max(1), options.statement_limit.as_millis().max(1));
    format!(
        "SET default_transaction_read_only = on; SET lock_timeout = {lock}; SET statement_timeout = {statement}; \
         SET idle_in_transaction_session_timeout = {}; \
         SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')",
        statement * 2
    )
}

fn tls(server: &Server) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &server.authorities {
        let wrong = |reason: String| refused(server, format!("sslrootcert {}: {reason}", path.display()));
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
    } else {
        // Some of a system's certificates may be unreadable; the others do.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err(refused(server, "there are no certificates of authorities: name a file by sslrootcert".to_owned()));
    }
    let provider = rustls::crypto::ring::default_provider().into();
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| refused(server, error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn refused(server: &Server, reason: String) -> StoreError {
    StoreError::Refused { store: server.name.clone(), reason }
}
