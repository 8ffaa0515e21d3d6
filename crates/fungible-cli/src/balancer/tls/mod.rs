//! TLS towards clients: certificates from files, chosen by the name that a client asks for, and read again when the files
//! change. It knows nothing of connections; whoever shows events to people gets them as values.

mod certificates;
mod names;
mod pair;
mod stamp;
mod watch;

pub(crate) use certificates::Certificates;
pub(crate) use pair::CertificateFiles;
pub(crate) use watch::{CertificateEvent, watch_certificates};
