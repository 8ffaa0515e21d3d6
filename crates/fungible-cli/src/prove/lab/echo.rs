//! Asks again: after a write, earlier requests that only read are sent once more, as they were, to every live instance. What one of
//! them still answers from a copy, or still accepts, shows although no client asked for it. It judges nothing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue};
use http_body_util::Full;

use super::ask::ask;
use super::substitute::Answer;
use crate::exchange::{Body, Exchange, Outcome, Request};

/// So many of the latest requests are asked again after a write, of each instance.
const REQUESTS: usize = 16;

/// Of requests for the same target with other credentials, so many of the latest.
const CREDENTIALS: usize = 3;

/// So many requests of one run are asked again at most, so that long traffic takes no hours.
pub(super) const AT_MOST: usize = 600;

/// What took longer waits for something, as a long poll does.
const QUICK: Duration = Duration::from_secs(1);

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(5);

/// How often each is asked: as often as there are live instances under attack, so that the baseline has the same requests.
const ROUNDS: usize = 2;

/// What a run has asked again so far.
#[derive(Default)]
pub(super) struct Echo {
    /// Each with the number of requests that had arrived before it.
    asked: Vec<(usize, Exchange)>,
    /// How long that took.
    pub(super) took: Duration,
    /// A write was answered and nothing asked again since.
    pub(super) is_due: bool,
}

impl Echo {
    /// Takes note of an answer to a client.
    pub(super) fn answered(&mut self, exchange: &Exchange) {
        let done = matches!(exchange.outcome, Outcome::Answered { status: ..400, .. });
        self.is_due |= done && !exchange.request.is_safe();
    }

    /// Asks what is worth it of each of these instances, by turns; gives the requests in the order in which they were sent. `arrived`: how
    /// many requests of clients there are so far.
    pub(super) async fn ask(
        &mut self,
        exchanges: &[Exchange],
        (live, arrived): (&[(String, SocketAddr)], usize),
        began: Instant,
    ) -> Vec<Request> {
        self.is_due = false;
        let since = Instant::now();
        let mut sent = Vec::new();
        let again = worth_asking(exchanges);
        for (name, address) in live.iter().cycle().take(if live.is_empty() { 0 } else { ROUNDS }) {
            for one in &again {
                if self.asked.len() >= AT_MOST {
                    break;
                }
                let exchange = once_more(one, (name, *address), began).await;
                sent.push(exchange.request.clone());
                self.asked.push((arrived, exchange));
            }
        }
        self.took += since.elapsed();
        sent
    }

    /// Asks the last request that only reads again and again, of these instances by turns, until it is refused.
    pub(super) async fn burst(&mut self, exchanges: &[Exchange], live: &[(String, SocketAddr)], began: Instant) {
        let last = exchanges.iter().filter(|one| can_be_asked(one)).max_by_key(|one| one.number);
        let Some(last) = last else { return };
        for (name, address) in live.iter().cycle().take(AT_MOST) {
            let exchange = once_more(last, (name, *address), began).await;
            let refused = !matches!(exchange.outcome, Outcome::Answered { status: ..400, .. });
            self.asked.push((usize::MAX, exchange));
            if refused {
                break;
            }
        }
    }

    /// The requests of the clients, sorted by their numbers, with what was asked again in between.
    pub(super) fn merged(self, exchanges: Vec<Exchange>) -> Vec<Exchange> {
        let mut merged = Vec::with_capacity(exchanges.len() + self.asked.len());
        let mut asked = self.asked.into_iter().peekable();
        for exchange in exchanges {
            while let Some((_, before)) = asked.next_if(|(arrived, _)| *arrived < exchange.number) {
                merged.push(before);
            }
            merged.push(exchange);
        }
        merged.extend(asked.map(|(_, exchange)| exchange));
        merged
    }
}

/// The latest requests that only read and that can be sent again, each for something else or with other credentials, in the order in
/// which they were sent.
fn worth_asking(exchanges: &[Exchange]) -> Vec<&Exchange> {
    let mut again: Vec<&Exchange> = Vec::new();
    let mut latest: Vec<&Exchange> = exchanges.iter().filter(|one| can_be_asked(one)).collect();
    latest.sort_by_key(|one| std::cmp::Reverse(one.number));
    for one in latest {
        let same = || again.iter().filter(|other| other.request.asks_the_same(&one.request));
        let known = same().any(|other| credentials(&other.request) == credentials(&one.request));
        if !known && same().count() < CREDENTIALS && again.len() < REQUESTS {
            again.push(one);
        }
    }
    again.reverse();
    again
}

fn can_be_asked(exchange: &Exchange) -> bool {
    let whole = matches!(&exchange.outcome, Outcome::Answered { status: 200..300, complete: true, .. });
    let quick = exchange.ended.saturating_sub(exchange.arrived) < QUICK;
    whole && quick && exchange.request.is_safe() && exchange.frames.is_empty()
}

/// What says who asks.
fn credentials(request: &Request) -> Vec<&[u8]> {
    let names = ["cookie", "authorization", "x-api-key", "mcp-session-id"];
    request.headers.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(_, value)| &value[..]).collect()
}

/// Sends it once more, as it was, and takes down what becomes of it.
async fn once_more(one: &Exchange, (name, address): (&str, SocketAddr), began: Instant) -> Exchange {
    let arrived = began.elapsed();
    let answer = match to_send(&one.request) {
        Some(request) => tokio::time::timeout(LIMIT, ask(address, request)).await.ok().and_then(Result::ok),
        None => None,
    };
    let outcome = answer.map_or(
        Outcome::Failed { status: 502, reason: "no-answer".to_owned() },
        |Answer { status, headers, body }| Outcome::Answered {
            status,
            headers,
            body: Body::Kept(body),
            complete: true,
        },
    );
    Exchange {
        number: one.number,
        connection: one.connection,
        instance: Some(name.to_owned()),
        arrived,
        ended: began.elapsed(),
        request: one.request.clone(),
        outcome,
        left: false,
        frames: Vec::new(),
        again: Some(one.number),
    }
}

/// The request without what belongs to its connection; `None` where its body was not kept.
fn to_send(request: &Request) -> Option<http::Request<Full<bytes::Bytes>>> {
    let Body::Kept(body) = &request.body else { return None };
    let mut again = http::Request::builder().method(request.method.as_str()).uri(request.target.as_str());
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        if ![CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT, UPGRADE].contains(&name) {
            again = again.header(name, HeaderValue::from_bytes(value).ok()?);
        }
    }
    again.body(Full::new(body.clone())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(number: usize, request: &str, cookie: &str) -> Exchange {
        let (method, target) = request.split_once(' ').unwrap();
        let mut request = Request::plain(method, target);
        request.headers.push(("cookie".to_owned(), cookie.as_bytes().to_vec()));
        Exchange {
            number,
            connection: 1,
            instance: Some("one".to_owned()),
            arrived: Duration::ZERO,
            ended: Duration::ZERO,
            request,
            outcome: Outcome::Answered {
                status: 200,
                headers: Vec::new(),
                body: Body::Kept(bytes::Bytes::new()),
                complete: true,
            },
            left: false,
            frames: Vec::new(),
            again: None,
        }
    }

    #[test]
    fn what_only_reads_is_asked_once_for_each_credential() {
        let all = [
            ("GET /", "a"),
            ("GET /account", "a"),
            ("POST /name", "a"),
            ("GET /account", "a"),
            ("GET /account", "b"),
            ("GET /", "a"),
        ];
        let exchanges: Vec<Exchange> =
            (1..).zip(all).map(|(number, (request, cookie))| exchange(number, request, cookie)).collect();
        let numbers: Vec<usize> = worth_asking(&exchanges).iter().map(|one| one.number).collect();
        assert_eq!(numbers, [4, 5, 6]);
    }

    #[test]
    fn what_was_asked_again_stands_after_all_that_had_arrived() {
        let clients: Vec<Exchange> = (1..4).map(|number| exchange(number, "GET /", "a")).collect();
        let again = |number: usize| Exchange { again: Some(1), ..exchange(number, "GET /", "a") };
        let echo = Echo { asked: vec![(2, again(1)), (3, again(1))], ..Echo::default() };
        let order: Vec<Option<usize>> = echo.merged(clients).iter().map(|one| one.again).collect();
        assert_eq!(order, [None, None, Some(1), None, Some(1)]);
    }
}
