//! The address of a request's client, behind known proxies. Knows nothing of what it is used for.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose `X-Forwarded-For` is believed, as networks such as `10.0.0.0/8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxies(Arc<[IpNet]>);

/// A text that is no list of networks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address nor a network such as 10.0.0.0/8")]
pub struct ProxiesError(String);

impl Default for Proxies {
    /// This machine only, for a balancer beside its instances.
    fn default() -> Proxies {
        let local = [IpNet::from(IpAddr::from(Ipv4Addr::LOCALHOST)), IpNet::from(IpAddr::from(Ipv6Addr::LOCALHOST))];
        Proxies(local.into())
    }
}

impl FromStr for Proxies {
    type Err = ProxiesError;

    /// Addresses and networks, with commas between them. An empty text is no proxy.
    fn from_str(text: &str) -> Result<Proxies, ProxiesError> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let network = |part: &str| {
            let address = || part.parse().map(|address: IpAddr| IpNet::from(address));
            part.parse().or_else(|_| address()).map_err(|_| ProxiesError(part.to_owned()))
        };
        parts.map(network).collect::<Result<Vec<_>, _>>().map(|networks| Proxies(networks.into()))
    }
}

impl Proxies {
    /// The address of a request's client: the peer of the connection or, when that is a known proxy, the last address in
    /// `X-Forwarded-For` that is not. Addresses further left, which a client can write itself, are ignored.
    ///
    /// Without `ConnectInfo` (a router that is called directly) it is the unspecified address, `0.0.0.0`.
    pub fn client(&self, parts: &Parts) -> ClientAddress {
        let peer = parts.extensions.get().map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| peer.ip());
        ClientAddress(self.behind(peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), &parts.headers).to_canonical())
    }

    fn behind(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut known = peer;
        for value in headers.get_all(FORWARDED_FOR).iter().rev() {
            for part in value.to_str().unwrap_or("?").rsplit(',') {
                if !self.has(known) {
                    return known;
                }
                // What cannot be parsed is not believed, nor is anything left of it.
                let Some(address) = address(part.trim()) else { return known };
                known = address;
            }
        }
        known
    }

    fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An address as proxies write it, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}

/// The address of a request's client. As an extractor it believes the [`Proxies`] of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// The subscriber, for rate limits: an IPv4 address, or the first 56 bits of an IPv6 address, as one customer of a provider
    /// has all addresses below them.
    pub fn subscriber(self) -> String {
        match self.0 {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{:x}::/56", d & 0xff00)
            }
        }
    }
}

impl<S> FromRequestParts<S> for ClientAddress
where
    Proxies: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<ClientAddress, Infallible> {
        Ok(Proxies::from_ref(state).client(parts))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn from(proxies: &str, peer: &str, forwarded: &[&'static str]) -> String {
        let mut request = Request::builder().extension(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        for value in forwarded {
            request = request.header(FORWARDED_FOR, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        proxies.parse::<Proxies>().unwrap().client(&parts).0.to_string()
    }

    #[test]
    fn only_known_proxies_are_believed() {
        let near = "127.0.0.1, 10.0.0.0/8";
        assert_eq!(from(near, "127.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(from(near, "203.0.113.9", &["192.0.2.7"]), "203.0.113.9", "a client that speaks for itself");
        assert_eq!(from(near, "127.0.0.1", &["192.0.2.1, 192.0.2.7"]), "192.0.2.7", "what the client wrote");
        assert_eq!(from(near, "127.0.0.1", &["192.0.2.1", "192.0.2.7, 10.1.2.3"]), "192.0.2.7", "two proxies");
        assert_eq!(from(near, "127.0.0.1", &["192.0.2.7, no address"]), "127.0.0.1");
        assert_eq!(from(near, "127.0.0.1", &["192.0.2.7:4711"]), "192.0.2.7");
        assert_eq!(from(near, "127.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(from(near, "::ffff:10.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(from(near, "127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(from("", "127.0.0.1", &["192.0.2.7"]), "127.0.0.1");
    }

    #[test]
    fn one_subscriber_has_many_addresses_of_ipv6() {
        let subscriber = |text: &str| ClientAddress(text.parse().unwrap()).subscriber();
        assert_eq!(subscriber("2001:db8:1:200:3::4"), subscriber("2001:db8:1:2ff:ffff::1"));
        assert_ne!(subscriber("2001:db8:1:200::1"), subscriber("2001:db8:1:300::1"));
        assert_ne!(subscriber("192.0.2.1"), subscriber("192.0.2.2"));
    }

    #[test]
    fn what_is_no_network_is_named() {
        assert_eq!("10.0.0.0/8,home".parse::<Proxies>(), Err(ProxiesError("home".to_owned())));
    }
}
