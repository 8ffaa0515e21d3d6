//! The access log: one entry per request, when its response has ended. If the log is off, nothing is collected.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Request};
use tokio::time::Instant;

use super::trace_context::trace_id;
use crate::balancer::access::{AccessEntry, AccessSink};
use crate::balancer::upstream::fields::{Field, REQUEST_ID};

/// The entry of a request, until its response has ended.
#[derive(Debug)]
pub(super) struct AccessLine {
    sink: AccessSink,
    began: Instant,
    pub(super) entry: AccessEntry,
}

impl AccessLine {
    /// Starts the entry of a request; `None` if the log is off.
    pub(super) fn begin<B>(sink: Option<&AccessSink>, request: &Request<B>, client: IpAddr) -> Option<Box<AccessLine>> {
        let sink = sink?.clone();
        let entry = AccessEntry {
            at: SystemTime::now(),
            client,
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            status: 0,
            bytes: None,
            took: Duration::ZERO,
            instance: None,
            request_id: None,
            trace_id: None,
            attempts: 0,
            whole: false,
        };
        Some(Box::new(AccessLine { sink, began: Instant::now(), entry }))
    }

    /// Takes over what the instance can find in its own log, too.
    pub(super) fn names(&mut self, headers: &HeaderMap, added: &[Field]) {
        let ours = added.iter().find(|(name, _)| *name == REQUEST_ID).map(|(_, id)| id);
        let id = ours.or_else(|| headers.get(REQUEST_ID)).and_then(|id| id.to_str().ok());
        self.entry.request_id = id.map(str::to_owned);
        self.entry.trace_id = trace_id(headers).map(str::to_owned);
    }

    /// Hands the entry over. `whole`: the response was passed on completely.
    pub(super) fn write(&mut self, bytes: Option<u64>, whole: bool) {
        self.entry.bytes = bytes;
        self.entry.whole = whole;
        self.entry.took = self.began.elapsed();
        self.sink.take(&self.entry);
    }
}
