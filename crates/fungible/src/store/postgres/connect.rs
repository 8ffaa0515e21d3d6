//! The pool of connections to a server, and TLS. Knows no commands.

use deadpool_postgres::{Hook, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::NoTls;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Server;
use crate::store::error::{Result, StoreError};
use crate::store::options::StoreOptions;

/// A pool of connections to a server, each opened when it is first needed.
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

/// The settings of every connection: it is read-only outside of the transactions that the store begins, a commit is durable
/// before it is answered, and every wait has a limit.
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
        // Some of a system's certificates may be unreadable; the others are enough.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err(refused(
            server,
            "no certificates of authorities were found: name a file with sslrootcert".to_owned(),
        ));
    }
    let provider = rustls::crypto::ring::default_provider().into();
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| refused(server, error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn refused(server: &Server, reason: String) -> StoreError {
    StoreError::Refused { store: server.name.clone(), reason }
}
