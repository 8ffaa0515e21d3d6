//! The arguments of the admin address.

use std::net::SocketAddr;

use clap::Args;

use super::values::parse_address;
use crate::admin::AdminSettings;

#[derive(Clone, Copy, Debug, Args)]
pub(in crate::cli) struct AdminOptions {
    /// Where to serve the page with the instances at work, /metrics for Prometheus, /status, /events and /health, such as
    /// 127.0.0.1:9090; port 0 is any free one. What changes something needs the token of the URL that is printed
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    admin: Option<SocketAddr>,
    /// Allow an address for --admin that other machines can reach; it is plain http
    #[arg(long, requires = "admin")]
    admin_public: bool,
}

impl AdminOptions {
    /// The admin address, if there is to be one.
    pub(in crate::cli) fn settings(self) -> Option<AdminSettings> {
        self.admin.map(|listen| AdminSettings { listen, public: self.admin_public })
    }
}
