//! What is counted of one request, if requests are counted: begun with its head, finished with its response.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method};
use tokio::time::Instant;

use crate::balancer::meter::{Meter, MethodLabel, Sighting};
use crate::balancer::pool::Claim;

/// A request that is counted when its response has ended.
#[derive(Debug)]
pub(super) struct Measure {
    began: Instant,
    method: MethodLabel,
    /// The number of its client, if somebody looks at the page.
    client: Option<u32>,
    pub(super) status: u16,
    pub(super) attempts: u32,
}

impl Measure {
    /// Begins with the head of a request.
    pub(super) fn begin(meter: &Meter, method: &Method, headers: &HeaderMap, client: IpAddr) -> Measure {
        Measure {
            began: Instant::now(),
            method: MethodLabel::of(method),
            client: meter.watching().map(|key| key.number(headers, client)),
            status: 0,
            attempts: 0,
        }
    }

    /// Counts it for the instance that answered, or for none.
    pub(super) fn finish(self, meter: &Meter, claim: Option<&Claim>) {
        let of_instance = claim.and_then(|claim| claim.link.meter.as_deref());
        of_instance.unwrap_or_else(|| meter.unrouted()).count(self.method, self.status, self.began.elapsed());
        if let Some(client) = self.client {
            let instance = claim.map(|claim| Arc::clone(&claim.name));
            meter.show(Sighting { instance, client, status: self.status, attempts: self.attempts });
        }
    }
}
