//! One run as it is compared: its journal, with each request and each response read at most once.

use std::sync::OnceLock;

use super::request::{self, ParsedRequest};
use super::response::Response;
use crate::exchange::Exchange;
use crate::prove::journal::Journal;

/// A journal and what was read in it. Places in it count from 0, numbers of exchanges from 1.
#[derive(Debug)]
pub(crate) struct ParsedRun {
    pub(crate) journal: Journal,
    pub(crate) requests: Vec<ParsedRequest>,
    /// Read when somebody looks: most responses of an attack are byte for byte those of the baseline.
    responses: Vec<OnceLock<Option<Response>>>,
}

impl ParsedRun {
    /// Reads the requests of a journal.
    pub(crate) fn new(journal: Journal) -> ParsedRun {
        let requests = journal.exchanges.iter().map(request::read).collect();
        let responses = journal.exchanges.iter().map(|_| OnceLock::new()).collect();
        ParsedRun { journal, requests, responses }
    }

    /// The exchanges in the order of arrival.
    pub(crate) fn exchanges(&self) -> &[Exchange] {
        &self.journal.exchanges
    }

    /// The response at this place; `None` where the app did not answer.
    pub(crate) fn response(&self, at: usize) -> Option<&Response> {
        let exchange = self.journal.exchanges.get(at)?;
        self.responses.get(at)?.get_or_init(|| Response::of(exchange)).as_ref()
    }
}
