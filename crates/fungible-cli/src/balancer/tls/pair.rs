//! One certificate with its key, read from PEM files and checked: what a client would refuse is refused here.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The two files of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateFiles {
    /// The certificate of the server, and after it those that lead to the authority that clients know; PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key; PEM.
    pub(crate) key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("cannot read {}: {error}", .path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error(
        "{} has no certificate: it must be in PEM format, -----BEGIN CERTIFICATE-----, that of the server first",
        .0.display()
    )]
    NoCertificate(PathBuf),
    #[error("{} is not valid PEM ({reason}): write the file again", .path.display())]
    NotPem { path: PathBuf, reason: String },
    #[error("the first certificate in {} cannot be parsed ({reason}): write the file again", .path.display())]
    NoX509 { path: PathBuf, reason: String },
    #[error("{} has no private key: it must be in PEM format, such as -----BEGIN PRIVATE KEY-----", .0.display())]
    NoKey(PathBuf),
    #[error("the private key in {} is encrypted: decrypt it with `openssl pkey`", .0.display())]
    EncryptedKey(PathBuf),
    #[error("the private key in {} cannot be used ({reason}): use an RSA key, an ECDSA key on P-256 or P-384, or Ed25519", .path.display())]
    UnusableKey { path: PathBuf, reason: String },
    #[error(
        "the private key in {} does not belong to the first certificate in {}: give both of the same certificate",
        .0.key.display(), .0.certificate.display()
    )]
    NotAPair(CertificateFiles),
    #[error("the certificate in {} expired at {}: renew it", .path.display(), humantime::format_rfc3339_seconds(*.at))]
    Expired { path: PathBuf, at: SystemTime },
    #[error(
        "the certificate in {} is not valid before {}: check the clock of this machine, or use another certificate",
        .path.display(), humantime::format_rfc3339_seconds(*.from)
    )]
    NotYetValid { path: PathBuf, from: SystemTime },
}

/// A certificate that can be used.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    /// The names of hosts that it is for; they may begin with a wildcard.
    pub(super) names: Vec<String>,
}

impl Pair {
    /// Reads and checks the files. `now`: the time at which the certificate must be valid.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub(super) fn read(files: &CertificateFiles, now: SystemTime) -> Result<Pair, TlsError> {
        let chain = read_chain(&files.certificate)?;
        let first = chain.first().ok_or_else(|| TlsError::NoCertificate(files.certificate.clone()))?;
        let names = check_certificate(&files.certificate, first, now)?;
        let key = read_key(&files.key)?;
        let key = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::NotAPair(files.clone()),
            error => TlsError::UnusableKey { path: files.key.clone(), reason: error.to_string() },
        })?;
        Ok(Pair { key: Arc::new(key), names })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Unreadable { path: path.to_owned(), error })
}

fn not_pem(path: &Path, error: &pem::Error) -> TlsError {
    TlsError::NotPem { path: path.to_owned(), reason: error.to_string() }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(|error| not_pem(path, &error))
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound if String::from_utf8_lossy(&text).contains("ENCRYPTED PRIVATE KEY") => {
            TlsError::EncryptedKey(path.to_owned())
        }
        pem::Error::NoItemsFound => TlsError::NoKey(path.to_owned()),
        error => not_pem(path, &error),
    })
}

/// Checks the time, and returns the names.
fn check_certificate(path: &Path, der: &CertificateDer<'_>, now: SystemTime) -> Result<Vec<String>, TlsError> {
    let unparsed = |reason: String| TlsError::NoX509 { path: path.to_owned(), reason };
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| unparsed(error.to_string()))?;
    let (from, at) =
        (time(certificate.validity.not_before.timestamp()), time(certificate.validity.not_after.timestamp()));
    if now < from {
        return Err(TlsError::NotYetValid { path: path.to_owned(), from });
    }
    if now > at {
        return Err(TlsError::Expired { path: path.to_owned(), at });
    }
    let alternatives = certificate.subject_alternative_name().map_err(|error| unparsed(error.to_string()))?;
    let names = alternatives.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    Ok(names.collect())
}

fn time(seconds: i64) -> SystemTime {
    // A certificate may be valid from before 1970, or until a year that cannot be shown.
    const LATEST: u64 = 253_402_300_799;
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0).min(LATEST))
}
