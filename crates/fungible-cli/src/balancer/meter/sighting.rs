//! A request as the page shows it: a moving dot. Clients are told apart by numbers that say nothing about them.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::COOKIE;

/// One request whose response has ended.
#[derive(Clone, Debug)]
pub(crate) struct Sighting {
    /// The instance that answered it; `None`: the balancer did.
    pub(crate) instance: Option<Arc<str>>,
    /// The number of its client.
    pub(crate) client: u32,
    /// The status of the response.
    pub(crate) status: u16,
    /// How many instances it was sent to.
    pub(crate) attempts: u32,
}

/// Tells clients apart. The key is random and stays in this process, so that the number of a client cannot be turned
/// into its cookie by trying.
#[derive(Debug, Default)]
pub(crate) struct ClientKey(RandomState);

impl ClientKey {
    /// The number of a client: of the first cookie that looks like that of a session, else of its address.
    pub(crate) fn number(&self, headers: &HeaderMap, address: IpAddr) -> u32 {
        let hash = match session(headers) {
            Some(value) => self.0.hash_one(value),
            None => self.0.hash_one(address),
        };
        // Half of the bits are more than enough for colours, and even less to start from.
        u32::try_from(hash >> 32).unwrap_or_default()
    }
}

/// The value of the first cookie whose name contains `sess` or `sid`.
fn session(headers: &HeaderMap) -> Option<&[u8]> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    pairs.map(<[u8]>::trim_ascii).find_map(|pair| {
        let (name, value) = pair.split_at(pair.iter().position(|byte| *byte == b'=')?);
        let looks_so = |word: &[u8]| name.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
        (looks_so(b"sess") || looks_so(b"sid")).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_client_is_its_session_and_without_one_its_address() {
        let key = ClientKey::default();
        let number = |cookies: &[&'static str], last: u8| {
            let values = cookies.iter().map(|text| (COOKIE, text.parse().expect("a value")));
            key.number(&values.collect(), Ipv4Addr::new(192, 0, 2, last).into())
        };
        assert_eq!(number(&["a=1; connect.sid=x"], 1), number(&["b=2", "connect.sid=x"], 2));
        assert_eq!(number(&["a=1; __Host-session=x"], 1), number(&["__Host-session=x"], 2));
        assert_ne!(number(&["session=x"], 1), number(&["session=y"], 1));
        assert_eq!(number(&["theme=dark"], 1), number(&[], 1));
        assert_ne!(number(&[], 1), number(&[], 2));
        assert_eq!(number(&["session"], 1), number(&[], 1));
    }
}
