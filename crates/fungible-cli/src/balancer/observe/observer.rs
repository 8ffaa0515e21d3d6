//! The observer: the prover, which records every exchange and chooses the instance for every request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use http::request::Parts;
use tokio::sync::{mpsc, oneshot};

use super::record::{Record, Sink};
use crate::balancer::pool::InstanceId;
use crate::exchange::{Exchange, Request};

/// Chooses the instance for each request and receives the exchanges. With an observer no request is sent again, each
/// request gets a new connection to its instance, and there are no health checks.
#[derive(Clone, Debug)]
pub(crate) struct Observer {
    /// Gets a question for each request, in the order of arrival.
    ask: mpsc::UnboundedSender<Question>,
    /// Gets each exchange when the last byte of its response has come from the instance, or when it was given up.
    sink: Sink,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicUsize,
    connections: AtomicUsize,
}

/// Asks which instance gets this request.
#[derive(Debug)]
pub(crate) struct Question {
    /// The number of its exchange.
    pub(crate) number: usize,
    /// Its body is here if it is short and may say what the request asks for; others stream.
    pub(crate) request: Request,
    /// If it is dropped without an answer, the client gets 503.
    pub(crate) answer: oneshot::Sender<InstanceId>,
}

impl Observer {
    /// `ask` gets a question for each request, in the order of arrival. `tap` gets each exchange when the last byte of
    /// its response has come from the instance, or when it was given up. The times in exchanges count from `began`.
    pub(crate) fn new(
        ask: mpsc::UnboundedSender<Question>,
        tap: mpsc::UnboundedSender<Exchange>,
        began: Instant,
    ) -> Observer {
        Observer { ask, sink: Sink { tap, began, kept: Arc::default() }, counts: Arc::default() }
    }

    /// The number of a new connection, in the order of opening.
    pub(crate) fn new_connection(&self) -> usize {
        self.counts.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Starts the record of a request whose head has arrived on this connection.
    pub(crate) fn record(&self, head: &Parts, connection: usize) -> Record {
        let number = self.counts.requests.fetch_add(1, Ordering::Relaxed) + 1;
        Record::begin(self.sink.clone(), head, number, connection)
    }

    /// Asks for the instance for a request; `None` if the observer gives none.
    pub(crate) async fn choose(&self, record: &Record) -> Option<InstanceId> {
        let (answer, told) = oneshot::channel();
        let (number, request) = record.asked()?;
        self.ask.send(Question { number, request, answer }).ok()?;
        told.await.ok()
    }
}
