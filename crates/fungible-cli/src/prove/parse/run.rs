//! One run as it is compared: its journal, with each request read once and each response kept in its normal form while
//! others of the run are compared.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::read_only_tools::read_only_tools;
use super::request::ParsedRequest;
use super::response::Response;
use crate::exchange::Exchange;
use crate::prove::journal::Journal;

/// So many bytes of normal forms are kept of one run. A longer run is read again where it is looked at again: its trees
/// would take several times the memory of its journal.
const MOST_KEPT: usize = 8 << 20;

/// A journal and what was read in it. Places in it count from 0, numbers of exchanges from 1.
#[derive(Debug)]
pub(crate) struct ParsedRun {
    pub(crate) journal: Journal,
    pub(crate) requests: Vec<ParsedRequest>,
    /// Which of them may have changed something.
    writes: Vec<bool>,
    responses: Mutex<Kept>,
}

/// The normal forms read last, up to a number of bytes.
#[derive(Debug, Default)]
struct Kept {
    by_place: HashMap<usize, Arc<Response>>,
    /// The order in which they were read, with their sizes.
    order: VecDeque<(usize, usize)>,
    bytes: usize,
}

impl ParsedRun {
    /// Reads the requests of a journal.
    pub(crate) fn new(journal: Journal) -> ParsedRun {
        let requests = journal.exchanges.iter().map(ParsedRequest::of).collect();
        let tools = read_only_tools(&journal.exchanges);
        let writes = journal.exchanges.iter().map(|one| one.writes(|tool| tools.contains(tool))).collect();
        ParsedRun { journal, requests, writes, responses: Mutex::default() }
    }

    /// Whether the request at this place may have changed something.
    pub(crate) fn writes(&self, at: usize) -> bool {
        self.writes.get(at).is_some_and(|writes| *writes)
    }

    /// The exchanges in the order of arrival.
    pub(crate) fn exchanges(&self) -> &[Exchange] {
        &self.journal.exchanges
    }

    /// The response at this place; `None` where the app did not answer. It is read when somebody looks: most responses of
    /// an attack are byte for byte those of the baseline.
    pub(crate) fn response(&self, at: usize) -> Option<Arc<Response>> {
        let exchange = self.journal.exchanges.get(at)?;
        let mut kept = self.responses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(response) = kept.by_place.get(&at) {
            return Some(response.clone());
        }
        let response = Arc::new(Response::of(exchange)?);
        kept.keep(at, response.clone());
        Some(response)
    }
}

impl Kept {
    fn keep(&mut self, at: usize, response: Arc<Response>) {
        let size = response.bytes();
        self.bytes += size;
        self.order.push_back((at, size));
        self.by_place.insert(at, response);
        while self.bytes > MOST_KEPT
            && let Some((oldest, size)) = self.order.pop_front()
        {
            self.bytes -= size;
            self.by_place.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::exchange::{Body, Outcome, Request};

    fn page(number: usize, length: usize) -> Exchange {
        let headers = vec![("content-type".to_owned(), b"text/plain".to_vec())];
        Exchange {
            number,
            connection: 1,
            instance: None,
            arrived: Duration::ZERO,
            ended: Duration::ZERO,
            request: Request {
                method: "GET".to_owned(),
                target: format!("/{number}"),
                headers: Vec::new(),
                body: Body::Kept(Bytes::new()),
            },
            outcome: Outcome::Answered {
                status: 200,
                headers,
                body: Body::Kept(vec![b'x'; length].into()),
                complete: true,
            },
            left: false,
            frames: Vec::new(),
            again: None,
        }
    }

    #[test]
    fn keeps_no_more_than_it_may_and_reads_the_rest_again() {
        let pages = 40;
        let length = MOST_KEPT / 10;
        let exchanges = (1..=pages).map(|number| page(number, length)).collect();
        let run = ParsedRun::new(Journal { exchanges, ..Journal::empty() });
        for _ in 0..2 {
            for at in 0..pages {
                assert_eq!(run.response(at).map(|response| response.status), Some(Some(200)), "{at}");
            }
        }
        let kept = run.responses.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(kept.bytes <= MOST_KEPT, "{}", kept.bytes);
        assert!((5..10).contains(&kept.by_place.len()), "{}", kept.by_place.len());
        assert_eq!(kept.order.len(), kept.by_place.len());
    }
}
