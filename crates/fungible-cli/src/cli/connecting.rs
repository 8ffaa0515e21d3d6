//! How clients connect, from the arguments: reads the certificates and opens the second listener.

use std::iter::zip;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, ensure};

use super::args::ConnectingOptions;
use crate::balancer::{CertificateEvent, CertificateFiles, Certificates, Connecting, Redirect, watch_certificates};

/// The settings of the balancer. `port`: where it listens for clients.
///
/// # Errors
/// When options do not fit together, a certificate cannot be used, or an address is taken.
pub(super) fn connecting(options: &ConnectingOptions, port: u16) -> anyhow::Result<Connecting> {
    let tls = certificates(&options.tls_cert, &options.tls_key)?;
    let needs_tls = "without --tls-cert and --tls-key there is no https address";
    ensure!(tls.is_some() || options.redirect_http.is_none(), "--redirect-http cannot be used: {needs_tls}");
    ensure!(
        options.redirect_http.is_some() || options.redirect_port.is_none(),
        "--redirect-port cannot be used without --redirect-http: give the address that redirects"
    );
    ensure!(
        tls.is_none() || !options.h2c,
        "--h2c cannot be used with --tls-cert: clients that use TLS choose HTTP/2 by themselves; leave out --h2c"
    );
    let redirect = options.redirect_http.map(|address| {
        let listener = TcpListener::bind(address)
            .with_context(|| format!("cannot listen on {address} (another one with --redirect-http)"))?;
        anyhow::Ok(Redirect { listener: Arc::new(listener), port: options.redirect_port.unwrap_or(port) })
    });
    let redirect = redirect.transpose()?;
    Ok(Connecting { tls, h2c: options.h2c, proxy_protocol: options.proxy_protocol, redirect })
}

fn certificates(certificates: &[PathBuf], keys: &[PathBuf]) -> anyhow::Result<Option<Arc<Certificates>>> {
    ensure!(
        certificates.len() == keys.len(),
        "--tls-cert is given {} and --tls-key {}: give one key for each certificate, in the same order",
        times(certificates.len()),
        times(keys.len())
    );
    let pairs = zip(certificates, keys);
    let mut files =
        pairs.map(|(certificate, key)| CertificateFiles { certificate: certificate.clone(), key: key.clone() });
    let Some(first) = files.next() else { return Ok(None) };
    let certificates = Certificates::read(first, files.collect()).context("cannot serve TLS")?;
    Ok(Some(Arc::new(certificates)))
}

fn times(count: usize) -> String {
    match count {
        0 => "not at all".to_owned(),
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

/// Has the certificates read again when their files change. `tell` gets a sentence for each change.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn watch(connecting: &Connecting, tell: impl Fn(&str) + Send + 'static) -> anyhow::Result<()> {
    let Some(certificates) = &connecting.tls else { return Ok(()) };
    let tell = move |event| match event {
        CertificateEvent::Reloaded => tell("the certificates have changed; new connections get the new ones"),
        CertificateEvent::Kept(error) => {
            tell(&format!("the new certificates are not used, the old ones stay: {error}"));
        }
    };
    watch_certificates(certificates, tell).context("cannot watch the certificates")
}
