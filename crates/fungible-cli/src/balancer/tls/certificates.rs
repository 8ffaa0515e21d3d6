//! The certificates of the balancer, for all connections. They can be replaced while connections are opened.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::names::ByName;
use super::pair::{CertificateFiles, Pair, TlsError};
use super::stamp::{Stamp, stamps};

/// The protocols inside TLS, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Certificates with their keys.
#[derive(Debug)]
pub(crate) struct Certificates {
    first: CertificateFiles,
    others: Vec<CertificateFiles>,
    /// The files as they were before they were first read.
    pub(super) at_start: Vec<Stamp>,
    in_use: Mutex<Arc<ByName<Arc<CertifiedKey>>>>,
}

impl Certificates {
    /// Reads the certificates. The first one is for clients that ask for no name, or for one that is unknown.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub(crate) fn read(first: CertificateFiles, others: Vec<CertificateFiles>) -> Result<Certificates, TlsError> {
        let at_start = stamps(std::iter::once(&first).chain(&others));
        let in_use = Mutex::new(Arc::new(read_all(&first, &others, SystemTime::now())?));
        Ok(Certificates { first, others, at_start, in_use })
    }

    /// All files.
    pub(super) fn files(&self) -> impl Iterator<Item = &CertificateFiles> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Reads the files again. If one of them is not valid, the certificates stay as they are.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub(super) fn read_again(&self) -> Result<(), TlsError> {
        let new = Arc::new(read_all(&self.first, &self.others, SystemTime::now())?);
        *self.in_use.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// The settings of rustls: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, and sessions that can be resumed. Early data are
    /// not accepted, because an attacker could send them again.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        // Sessions are kept by clients, encrypted, so that any number of them can be resumed without memory of ours.
        config.ticketer = ring::Ticketer::new()?;
        Ok(config)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(in_use.of(hello.server_name())))
    }
}

fn read_all(
    first: &CertificateFiles,
    others: &[CertificateFiles],
    now: SystemTime,
) -> Result<ByName<Arc<CertifiedKey>>, TlsError> {
    let Pair { key, names } = Pair::read(first, now)?;
    let others = others.iter().map(|files| Pair::read(files, now).map(|pair| (pair.key, pair.names)));
    Ok(ByName::new(key, names, others.collect::<Result<_, _>>()?))
}
