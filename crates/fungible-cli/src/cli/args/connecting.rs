//! The arguments for how clients connect to the balancer.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::values::parse_address;

/// How clients connect.
#[derive(Clone, Debug, Default, Args)]
pub(in super::super) struct ConnectingOptions {
    /// Serve HTTPS (HTTP/2 and HTTP/1.1) with this certificate and the ones behind it, in PEM format; read again when the
    /// file changes. Repeat it with --tls-key for further names; the first is for clients that name no known host
    #[arg(long, value_name = "FILE", help_heading = HEADING)]
    pub(in super::super) tls_cert: Vec<PathBuf>,
    /// The private key of the certificate, in PEM format; one for each --tls-cert, in the same order
    #[arg(long, value_name = "FILE", help_heading = HEADING)]
    pub(in super::super) tls_key: Vec<PathBuf>,
    /// Also listen here without TLS, and redirect each request to https with status 308
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address, help_heading = HEADING)]
    pub(in super::super) redirect_http: Option<SocketAddr>,
    /// The port of https addresses in redirects [default: the port of --listen]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), help_heading = HEADING)]
    pub(in super::super) redirect_port: Option<u16>,
    /// Without TLS, also serve clients that begin with HTTP/2 (prior knowledge)
    #[arg(long, help_heading = HEADING)]
    pub(in super::super) h2c: bool,
    /// Each connection must begin with a PROXY protocol header (version 1 or 2), which names its client; only where
    /// nobody but a balancer that sends it can reach the port, or clients could claim any address
    #[arg(long, help_heading = HEADING)]
    pub(in super::super) proxy_protocol: bool,
}

const HEADING: &str = "Options for connections";
