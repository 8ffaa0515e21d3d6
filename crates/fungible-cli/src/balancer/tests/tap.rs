//! What the one who listens is told of each exchange: how it ended and on which side, and what was said in it.

use std::time::{Duration, Instant};

use test_basics::{LIMIT, eventually_async};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::messages::frame;
use super::world::{Fake, Raw, Step, balancer, never, ok, raw, streaming};
use crate::balancer::{Balancer, Dispatch, Observer, Question};
use crate::exchange::{Body, Exchange, Outcome};

/// A balancer with somebody who listens; every request goes to the one instance.
struct Tapped {
    balancer: Balancer,
    exchanges: mpsc::UnboundedReceiver<Exchange>,
}

impl Tapped {
    fn new(fake: &Fake) -> Tapped {
        let (ask, mut asked) = mpsc::unbounded_channel::<Question>();
        let (tap, exchanges) = mpsc::unbounded_channel();
        let mut directed = streaming();
        directed.dispatch = Dispatch::Directed(Observer::new(ask, tap, Instant::now()));
        let balancer = balancer(directed);
        let id = balancer.add_ready("i", fake.address, None);
        tokio::spawn(async move {
            while let Some(question) = asked.recv().await {
                let _ = question.answer.send(id);
            }
        });
        Tapped { balancer, exchanges }
    }

    async fn client(&self) -> Raw {
        Raw::connect(&self.balancer).await
    }

    async fn next(&mut self) -> Exchange {
        tokio::time::timeout(LIMIT, self.exchanges.recv()).await.expect("in time").expect("the balancer runs")
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Whole,
    ClientLeft,
    InstanceBrokeOff,
    NoAnswer,
}

fn end(exchange: &Exchange) -> End {
    match (&exchange.outcome, exchange.left) {
        (Outcome::Answered { complete: true, .. }, false) => End::Whole,
        (Outcome::Answered { complete: false, .. }, true) => End::ClientLeft,
        (Outcome::Answered { complete: false, .. } | Outcome::Failed { .. }, false) => End::InstanceBrokeOff,
        (Outcome::Abandoned, true) => End::NoAnswer,
        other => panic!("no end is like this: {other:?}"),
    }
}

fn text(body: &Body) -> String {
    match body {
        Body::Kept(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Body::Hashed { .. } => "too large".to_owned(),
    }
}

fn body(exchange: &Exchange) -> String {
    match &exchange.outcome {
        Outcome::Answered { body, .. } => text(body),
        other => panic!("no answer: {other:?}"),
    }
}

/// What was said, `>` by the client and `<` by the instance.
fn said(exchange: &Exchange) -> Vec<String> {
    let line = |from_client| if from_client { '>' } else { '<' };
    exchange.frames.iter().map(|frame| format!("{} {}", line(frame.from_client), text(&frame.data))).collect()
}

const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
const CHUNK: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";
const TO_THE_END: &str = "HTTP/1.1 200 OK\r\n\r\nhalf";

#[tokio::test]
async fn closing_in_the_middle_of_an_answer_is_recorded_as_the_client_leaving() {
    let heads =
        ["HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"];
    for sent in [heads[0], heads[1], HALF, CHUNK, TO_THE_END] {
        let fake = Fake::new(move |_| vec![raw(sent), never()]).await;
        let mut tapped = Tapped::new(&fake);
        for closes in [true, false] {
            let mut client = tapped.client().await;
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            client.head().await.expect("a head comes");
            let came = if sent.ends_with("\r\n\r\n") { "" } else { "half" };
            if !came.is_empty() {
                client.until(came).await;
            }
            if closes {
                drop(client);
            } else {
                // No client shuts one direction down to go on reading: who does it has left.
                client.stream.shutdown().await.expect("a socket shuts down");
            }
            let exchange = tapped.next().await;
            assert_eq!((end(&exchange), body(&exchange).as_str()), (End::ClientLeft, came), "{sent:?}, {closes}");
        }
    }
}

#[tokio::test]
async fn closing_before_the_answer_is_recorded_as_no_answer() {
    let fake = Fake::new(|_| vec![never()]).await;
    let mut tapped = Tapped::new(&fake);
    for closes in [true, false] {
        let before = fake.executed();
        let mut client = tapped.client().await;
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").await;
        eventually_async("the instance has it", async || fake.executed() > before).await;
        if closes {
            drop(client);
        } else {
            client.stream.shutdown().await.expect("a socket shuts down");
        }
        assert_eq!(end(&tapped.next().await), End::NoAnswer);
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_its_request_is_not_the_instances_fault() {
    let fake = Fake::plain("a").await;
    let mut tapped = Tapped::new(&fake);
    for head in ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let before = fake.seen().len();
        let mut client = tapped.client().await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{head}")).await;
        eventually_async("the instance has the head", async || fake.seen().len() > before).await;
        drop(client);
        let exchange = tapped.next().await;
        let is_ours = matches!(exchange.outcome, Outcome::Ours { status: 400, .. });
        assert!(is_ours || end(&exchange) == End::NoAnswer, "{exchange:?}");
    }
}

#[tokio::test]
async fn closing_after_a_whole_answer_is_not_recorded_as_leaving() {
    let fake = Fake::new(|seen| match seen.line.as_str() {
        line if line.contains("length") => vec![ok("whole")],
        line if line.contains("chunks") => {
            vec![raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n")]
        }
        line if line.contains("end") => vec![raw("HTTP/1.1 200 OK\r\n\r\nwhole"), Step::Close],
        _ => vec![raw("HTTP/1.1 204 No Content\r\n\r\n")],
    })
    .await;
    let mut tapped = Tapped::new(&fake);
    for target in ["/length", "/chunks", "/end", "/nothing"] {
        let mut client = tapped.client().await;
        assert!(client.get(target).await.whole);
        drop(client);
        let exchange = tapped.next().await;
        assert_eq!(end(&exchange), End::Whole, "{target}");
        assert_eq!(body(&exchange), if target == "/nothing" { "" } else { "whole" });
    }
}

#[tokio::test]
async fn a_connection_that_the_instance_breaks_is_not_recorded_as_the_client_leaving() {
    for (sent, how) in [
        ("", Step::Close),
        ("", Step::Reset),
        (HALF, Step::Close),
        (HALF, Step::Reset),
        (CHUNK, Step::Close),
        (TO_THE_END, Step::Reset),
    ] {
        let last = how.clone();
        let fake = Fake::new(move |_| vec![raw(sent), last.clone()]).await;
        let mut tapped = Tapped::new(&fake);
        let mut client = tapped.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let exchange = tapped.next().await;
        assert_eq!(end(&exchange), End::InstanceBrokeOff, "{sent:?}");
    }
}

#[tokio::test]
async fn stopping_the_balancer_is_recorded_as_the_client_leaving() {
    let fake = Fake::new(|seen| {
        let head = if seen.line.contains("socket") { SWITCH } else { HALF };
        vec![raw(head), never()]
    })
    .await;
    for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), upgrade("websocket")] {
        let mut tapped = Tapped::new(&fake);
        let mut client = tapped.client().await;
        client.send(request).await;
        client.head().await.expect("a head comes");
        tapped.balancer.clone().stop(Duration::ZERO).await;
        assert_eq!(end(&tapped.next().await), End::ClientLeft);
    }
}

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n";

fn upgrade(protocol: &str) -> String {
    format!(
        "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\nSec-WebSocket-Key: k\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    )
}

/// A client whose WebSocket is open.
async fn open(tapped: &Tapped) -> Raw {
    let mut client = tapped.client().await;
    client.send(upgrade("websocket")).await;
    client.head().await.expect("a head comes");
    client
}

const MASK: Option<[u8; 4]> = Some([9, 8, 7, 6]);

#[tokio::test]
async fn a_websocket_is_recorded_message_by_message_and_never_compressed() {
    let fake = Fake::new(|seen| {
        assert_eq!(seen.header("sec-websocket-extensions"), None);
        vec![raw(SWITCH), Step::Send(frame(1, true, None, b"{\"hello\":1}")), Step::Echo]
    })
    .await;
    let mut tapped = Tapped::new(&fake);
    let mut client = open(&tapped).await;
    client.until("hello").await;
    // Echoed with its mask, which is as good as none.
    client.send(frame(1, false, MASK, b"two ")).await;
    client.send(frame(9, true, MASK, b"ping")).await;
    client.send(frame(0, true, MASK, b"parts")).await;
    client.until(std::str::from_utf8(&frame(0, true, MASK, b"parts")[6..]).expect("still text")).await;
    client.send(frame(8, true, MASK, b"\x03\xe8")).await;
    client.stream.shutdown().await.expect("a socket shuts down");
    let exchange = tapped.next().await;
    assert_eq!(said(&exchange), ["< {\"hello\":1}", "> two parts", "< two parts"]);
    assert_eq!(end(&exchange), End::Whole);
    assert!(exchange.writes(|_| false));
}

#[tokio::test]
async fn the_first_end_of_a_websocket_counts() {
    let close = || Step::Send(frame(8, true, None, b"\x03\xe8"));
    let hi = || Step::Send(frame(1, true, None, b"hi"));
    let cases: [(&str, Vec<Step>, &[u8], End); 5] = [
        ("the client closes", vec![hi(), never()], &frame(8, true, MASK, b"\x03\xe8"), End::Whole),
        ("the client leaves", vec![hi(), never()], b"", End::ClientLeft),
        ("the instance closes", vec![hi(), close(), Step::Close], b"", End::Whole),
        ("the instance leaves", vec![hi(), Step::Close], b"", End::InstanceBrokeOff),
        ("half a message", vec![hi(), raw("\u{1}\u{5}ha"), Step::Close], b"", End::InstanceBrokeOff),
    ];
    for (what, steps, last, expected) in cases {
        let steps: Vec<Step> = [raw(SWITCH)].into_iter().chain(steps).collect();
        let fake = Fake::new(move |_| steps.clone()).await;
        let mut tapped = Tapped::new(&fake);
        let mut client = open(&tapped).await;
        client.until("hi").await;
        if what.starts_with("the client") {
            client.send(last).await;
        } else {
            assert!(client.read_to_end().await, "{what}");
        }
        drop(client);
        let exchange = tapped.next().await;
        assert_eq!((end(&exchange), said(&exchange)), (expected, vec!["< hi".to_owned()]), "{what}");
        assert!(!exchange.writes(|_| false), "{what}");
    }
}

#[tokio::test]
async fn what_an_instance_sends_after_the_client_closed_is_not_recorded() {
    let fake = Fake::new(|_| vec![raw(SWITCH), Step::Echo]).await;
    let mut tapped = Tapped::new(&fake);
    let mut client = open(&tapped).await;
    // In one piece: whatever comes back comes after both were read.
    client.send([frame(1, true, None, b"bye"), frame(8, true, None, b"")].concat()).await;
    client.until("bye").await;
    drop(client);
    let exchange = tapped.next().await;
    assert_eq!((end(&exchange), said(&exchange)), (End::Whole, vec!["> bye".to_owned()]));
}

#[tokio::test]
async fn bytes_that_are_no_websocket_frames_are_recorded_as_they_came() {
    let fake = Fake::new(|_| vec![raw(SWITCH), raw("\u{3}garbage"), Step::Close]).await;
    let mut tapped = Tapped::new(&fake);
    let mut client = open(&tapped).await;
    client.until("garbage").await;
    drop(client);
    assert_eq!(said(&tapped.next().await), ["< \u{3}garbage"]);
}

#[tokio::test]
async fn another_protocol_is_recorded_as_it_comes() {
    let switch = SWITCH.replace("WebSocket", "tcp");
    let fake = Fake::new(move |_| vec![raw(&switch), Step::Echo]).await;
    let mut tapped = Tapped::new(&fake);
    let mut client = tapped.client().await;
    client.send(upgrade("tcp")).await;
    client.head().await.expect("a head comes");
    client.send("anything").await;
    client.until("anything").await;
    client.stream.shutdown().await.expect("a socket shuts down");
    let exchange = tapped.next().await;
    assert_eq!((end(&exchange), said(&exchange)), (End::Whole, vec!["> anything".to_owned(), "< anything".to_owned()]));
}

const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n";

#[tokio::test]
async fn an_event_stream_is_recorded_event_by_event() {
    let fake = Fake::new(|seen| {
        let last = if seen.line.contains("endless") { never() } else { Step::Close };
        vec![raw(EVENTS), raw("data: one\n\n: still here\n\ndata: t"), raw("wo\n\ndata: half"), last]
    })
    .await;
    let mut tapped = Tapped::new(&fake);
    let mut client = tapped.client().await;
    client.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.until("half").await;
    drop(client);
    let exchange = tapped.next().await;
    assert_eq!(
        (end(&exchange), said(&exchange)),
        (End::ClientLeft, vec!["< data: one\n".into(), "< data: two\n".into()])
    );
    assert_eq!(body(&exchange), "", "events are kept once");
    assert!(!exchange.writes(|_| false));

    tapped.client().await.get("/ends").await;
    let exchange = tapped.next().await;
    assert_eq!((end(&exchange), said(&exchange).last().map(String::as_str)), (End::Whole, Some("< data: half")));
}

#[tokio::test]
async fn a_compressed_event_stream_is_recorded_as_a_body() {
    let packed = EVENTS.replace("\r\n\r\n", "\r\ncontent-encoding: gzip\r\n\r\npacked\n\n");
    let fake = Fake::new(move |_| vec![raw(&packed), Step::Close]).await;
    let mut tapped = Tapped::new(&fake);
    tapped.client().await.get("/").await;
    let exchange = tapped.next().await;
    assert_eq!((said(&exchange).len(), body(&exchange).as_str()), (0, "packed\n\n"));
}
