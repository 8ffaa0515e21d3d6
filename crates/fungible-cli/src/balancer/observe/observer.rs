//! Whoever listens to every exchange and chooses every instance: the prover. It judges nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use http::request::Parts;
use tokio::sync::{mpsc, oneshot};

use super::record::{Record, Sink};
use crate::balancer::pool::InstanceId;
use crate::exchange::Exchange;

/// Who chooses the instances and who listens. With it nothing is ever resent, each request gets a fresh connection to
/// its instance, and nobody probes.
#[derive(Clone, Debug)]
pub(crate) struct Observer {
    /// Asked for each request, in the order of arrival.
    ask: mpsc::UnboundedSender<Question>,
    /// Gets each exchange when its answer has come from the instance to the last byte, or when it was given up.
    sink: Sink,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicUsize,
    connections: AtomicUsize,
}

/// Which instance shall get this request?
#[derive(Debug)]
pub(crate) struct Question {
    /// As in its exchange.
    pub(crate) number: usize,
    pub(crate) method: String,
    pub(crate) target: String,
    /// Dropped without an answer: the client gets 503.
    pub(crate) answer: oneshot::Sender<InstanceId>,
}

impl Observer {
    /// `ask` is asked for each request, in the order of arrival. `tap` gets each exchange when its answer has come from
    /// the instance to the last byte, or when it was given up; the times in it count from `began`.
    pub(crate) fn new(
        ask: mpsc::UnboundedSender<Question>,
        tap: mpsc::UnboundedSender<Exchange>,
        began: Instant,
    ) -> Observer {
        Observer { ask, sink: Sink { tap, began, kept: Arc::default() }, counts: Arc::default() }
    }

    /// The place of a new connection in the order of opening.
    pub(crate) fn new_connection(&self) -> usize {
        self.counts.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Begins the record of a request whose head has just arrived on this connection.
    pub(crate) fn record(&self, head: &Parts, connection: usize) -> Record {
        let number = self.counts.requests.fetch_add(1, Ordering::Relaxed) + 1;
        Record::begin(self.sink.clone(), head, number, connection)
    }

    /// Asks who shall have the request.
    pub(crate) async fn choose(&self, record: &Record) -> Option<InstanceId> {
        let (answer, told) = oneshot::channel();
        let (number, method, target) = record.asked()?;
        self.ask.send(Question { number, method, target, answer }).ok()?;
        told.await.ok()
    }
}
