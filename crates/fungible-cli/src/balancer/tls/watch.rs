//! Reads certificates again when their files change. Kubernetes replaces a symbolic link above the files, certbot the
//! links themselves, others rename or write files: all of it changes what is found at the end of the path.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::certificates::Certificates;
use super::pair::TlsError;
use super::stamp::{Stamp, stamps};

/// The time from one look at the files to the next.
const LOOKS: Duration = Duration::from_secs(2);

/// What happened to the certificates.
#[derive(Debug)]
pub(crate) enum CertificateEvent {
    /// The files have changed, and new connections get the new certificates.
    Reloaded,
    /// The files have changed and cannot be used; the certificates stay as they were.
    Kept(TlsError),
}

/// The files as they were at one look.
#[derive(Debug)]
struct Watched {
    /// When the certificates in use were read.
    in_use: Vec<Stamp>,
    /// When they were last read in vain, and whether that was reported.
    in_vain: Option<(Vec<Stamp>, bool)>,
}

/// Watches the files of certificates on a thread of its own, until the certificates are dropped.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn watch_certificates(
    certificates: &Arc<Certificates>,
    tell: impl Fn(CertificateEvent) + Send + 'static,
) -> std::io::Result<()> {
    let mut watched = Watched { in_use: certificates.at_start.clone(), in_vain: None };
    let certificates = Arc::downgrade(certificates);
    let look = move || {
        while let Some(certificates) = Weak::upgrade(&certificates) {
            watched.look(&certificates).map(&tell);
            drop(certificates);
            std::thread::park_timeout(LOOKS);
        }
    };
    std::thread::Builder::new().name("certificates".to_owned()).spawn(look).map(drop)
}

impl Watched {
    fn look(&mut self, certificates: &Certificates) -> Option<CertificateEvent> {
        // Taken before the files are read, so that a change in between is noticed at the next look.
        let now = stamps(certificates.files());
        if now == self.in_use {
            self.in_vain = None;
            return None;
        }
        let is_reported = match &self.in_vain {
            Some((stamps, is_reported)) if *stamps == now => Some(*is_reported),
            _ => None,
        };
        // Also after it was reported: one that is not valid yet will be.
        match certificates.read_again() {
            Ok(()) => {
                *self = Watched { in_use: now, in_vain: None };
                Some(CertificateEvent::Reloaded)
            }
            Err(error) => {
                // Certificate and key are two files: at the first look one of them may still be the old one.
                self.in_vain = Some((now, is_reported.is_some()));
                (is_reported == Some(false)).then_some(CertificateEvent::Kept(error))
            }
        }
    }
}
