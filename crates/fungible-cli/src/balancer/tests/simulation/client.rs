//! A client of a simulation: sends requests, repeats none, and writes down how they end.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use test_basics::Random;
use tokio::io::AsyncWriteExt as _;

use super::ledger::{Kind, Ledger, Outcome};
use super::message::Incoming;
use crate::balancer::client::Transport;
use crate::balancer::front::{self, Front};
use crate::balancer::upstream::simulated::{Network, Stream};

/// Whom the clients ask, and how.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(in crate::balancer) front: Rc<Front>,
    pub(crate) network: Network,
    pub(crate) ledger: Rc<Ledger>,
    /// The longest pause between two requests of a client, in milliseconds.
    pub(crate) pause: usize,
    /// Only requests that may be repeated.
    pub(crate) only_get: bool,
    /// All clients wait for their responses.
    pub(crate) is_patient: bool,
    /// Clients send no more requests.
    pub(crate) is_over: Rc<Cell<bool>>,
}

impl Service {
    /// The same, for clients that end at another time.
    pub(crate) fn for_others(&self) -> Service {
        Service { is_over: Rc::default(), ..self.clone() }
    }

    fn connect(&self, number: u16) -> Incoming {
        let (ours, theirs) = self.network.pair();
        self.front.context.connection_begins();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, number + 1));
        tokio::task::spawn_local(front::serve_plain(Rc::clone(&self.front), theirs, address));
        Incoming::new(ours)
    }

    /// A client that sends so many requests, one after the other.
    pub(crate) async fn client(self, number: u16, requests: usize, mut random: Random) {
        let mut connection = self.connect(number);
        for _ in 0..requests {
            if self.is_over.get() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(random.below(self.pause) as u64)).await;
            let kind = self.kind(&mut random);
            let request = self.ledger.begins(kind);
            // One in twenty does not wait for the response.
            let patience = if !self.is_patient && random.below(20) == 0 { random.below(300) } else { 1_000_000 };
            let asking = ask(&mut connection, request, kind, &mut random);
            let asked = tokio::time::timeout(Duration::from_millis(patience as u64), asking).await;
            let (outcome, is_over) = asked.unwrap_or((Outcome::GaveUp, true));
            self.ledger.ends(request, &outcome);
            if is_over {
                connection = self.connect(number);
            }
        }
    }

    fn kind(&self, random: &mut Random) -> Kind {
        let kind = |method, repeatable| Kind { method, repeatable };
        match random.below(if self.only_get { 1 } else { 8 }) {
            0..3 => kind("GET", true),
            3 => kind("HEAD", true),
            4 => kind("PUT", true),
            _ => kind("POST", false),
        }
    }
}

/// Sends a request. Returns how it ended, and whether the connection has ended with it.
async fn ask(connection: &mut Incoming, request: usize, kind: Kind, random: &mut Random) -> (Outcome, bool) {
    let has_body = ["PUT", "POST"].contains(&kind.method);
    let body = vec![b'x'; if has_body { random.below(3000) } else { 0 }];
    let length = if has_body { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
    let head = format!("{} /request/{request} HTTP/1.1\r\nHost: simulated\r\n{length}\r\n", kind.method);
    let (first, second) = body.split_at(random.below(body.len() + 1));
    // A connection that has ended gives no response, which is noticed below.
    let _ = connection.stream.write_all(&[head.as_bytes(), first].concat()).await;
    if !second.is_empty() {
        tokio::time::sleep(Duration::from_millis(random.below(30) as u64)).await;
        let _ = connection.stream.write_all(second).await;
    }
    let Some(head) = connection.head().await else { return (Outcome::Cut, true) };
    let is_over = head.field("connection") == Some("close");
    let text = if kind.method == "HEAD" { Some(Vec::new()) } else { connection.body(&head).await };
    let Some(text) = text else { return (Outcome::Cut, true) };
    if let Some(word) = head.field("x-fungible-error") {
        return (Outcome::Refused(head.status(), word.to_owned()), is_over);
    }
    let expected = format!("{request} of {} bytes", body.len());
    assert!(kind.method == "HEAD" || text.starts_with(expected.as_bytes()), "another response than that of {expected}");
    (Outcome::Answered, is_over)
}

impl Transport for Stream {
    fn ends_by_reset(&self) {
        self.reset();
    }

    /// It never sleeps: that is for sockets.
    fn poll_readable(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}
