//! Draining an instance, its end, and the end of the balancer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use test_basics::{LIMIT, eventually_async};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;

use super::world::{Fake, Raw, Step, add_healthy, balancer, config, never, ok, raw, state_of};
use crate::balancer::{Balancer, Routing, State};

/// An instance that answers `/slow` only when the bell rings.
async fn slow_fake(bell: &Arc<Notify>) -> Fake {
    let bell = Arc::clone(bell);
    Fake::new(move |seen| {
        if seen.line.contains("/slow") { vec![Step::Wait(Arc::clone(&bell)), ok("slow")] } else { vec![ok("quick")] }
    })
    .await
}

#[tokio::test]
async fn a_drain_waits_for_what_is_in_flight_and_loses_nothing() {
    let bell = Arc::new(Notify::new());
    let (one, two) = (slow_fake(&bell).await, slow_fake(&bell).await);
    let balancer = balancer(config(Routing::RoundRobin));
    let ids = add_healthy(&balancer, &[&one, &two]).await;
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut client = Raw::connect(&balancer).await;
        client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
        slow.push(client);
    }
    eventually_async("both have a slow request", async || balancer.instances().iter().all(|one| one.in_flight == 1))
        .await;

    let stop = Arc::new(AtomicBool::new(false));
    let hammers: Vec<_> = (0..4)
        .map(|_| {
            let (balancer, stop) = (balancer.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut client = Raw::connect(&balancer).await;
                let mut count = 0;
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.post("/quick", "x").await;
                    assert_eq!((answer.status, &*answer.body), (200, "quick"));
                    count += 1;
                }
                count
            })
        })
        .collect();
    eventually_async("the first one is hammered", async || one.executed() > 20).await;

    let drain = tokio::spawn({
        let (balancer, id) = (balancer.clone(), ids[0]);
        async move { balancer.drain(id, LIMIT).await }
    });
    eventually_async("it drains", async || state_of(&balancer, ids[0]) == Some(State::Draining)).await;
    let before = one.seen().len();
    let others = two.executed();
    eventually_async("the other one has all the work", async || two.executed() > others + 100).await;
    // Requests that were in flight when the drain began may still arrive; at most one per hammer.
    assert!(one.seen().len() <= before + 4);
    assert!(!drain.is_finished(), "the slow request is still in flight");
    assert_eq!(state_of(&balancer, ids[0]), Some(State::Draining), "probes pass, and yet it stays out");
    bell.notify_waiters();
    assert!(drain.await.expect("the drain ends"));
    assert_eq!(state_of(&balancer, ids[0]), None);
    for mut client in slow {
        assert_eq!(client.answer().await.expect("an answer comes").body, "slow");
    }
    eventually_async("no connection to it is left", async || one.open.load(Ordering::SeqCst) == 0).await;
    stop.store(true, Ordering::Relaxed);
    let mut sent = 0;
    for hammer in hammers {
        sent += hammer.await.expect("no request was lost");
    }
    assert_eq!(one.executed() + two.executed(), sent + 2);
}

#[tokio::test]
async fn a_drain_that_exceeds_its_limit_reports_it_and_the_instance_stays_out() {
    let bell = Arc::new(Notify::new());
    let fake = slow_fake(&bell).await;
    let balancer = balancer(config(Routing::RoundRobin));
    let ids = add_healthy(&balancer, &[&fake]).await;
    let mut client = Raw::connect(&balancer).await;
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually_async("it is in flight", async || balancer.instances()[0].in_flight == 1).await;
    assert!(!balancer.drain(ids[0], Duration::from_millis(50)).await);
    assert_eq!(state_of(&balancer, ids[0]), Some(State::Draining));
    balancer.ended(ids[0]);
    assert_eq!(balancer.instances().len(), 0);
    bell.notify_waiters();
    assert_eq!(client.answer().await.expect("what was in flight still ends").body, "slow");
}

#[tokio::test]
async fn an_idle_drain_is_done_at_once_also_for_one_that_never_started() {
    let fake = Fake::plain("a").await;
    let balancer = balancer(config(Routing::RoundRobin));
    let ids = add_healthy(&balancer, &[&fake]).await;
    assert!(balancer.drain(ids[0], Duration::ZERO).await || balancer.drain(ids[0], LIMIT).await);
    let never = balancer.add("b", fake.address, None, None);
    assert!(balancer.drain(never, LIMIT).await);
    assert!(balancer.drain(never, LIMIT).await, "once more is no error");
}

#[tokio::test]
async fn stop_lets_requests_finish_and_closes_resting_connections() {
    let bell = Arc::new(Notify::new());
    let fake = slow_fake(&bell).await;
    let balancer = balancer(config(Routing::RoundRobin));
    add_healthy(&balancer, &[&fake]).await;
    let address = balancer.local_addr();
    let mut resting = Raw::connect(&balancer).await;
    assert_eq!(resting.get("/quick").await.body, "quick");
    let mut busy = Raw::connect(&balancer).await;
    busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually_async("it is in flight", async || balancer.instances()[0].in_flight == 1).await;
    let mut stop = tokio::spawn(balancer.stop(LIMIT));
    assert!(resting.is_closed().await);
    let early = tokio::time::timeout(Duration::from_millis(200), &mut stop).await;
    assert!(early.is_err(), "it waits for the slow request");
    bell.notify_one();
    let answer = busy.answer().await.expect("an answer comes");
    assert_eq!((&*answer.body, answer.header("connection")), ("slow", Some("close")));
    stop.await.expect("it stops");
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn stop_ends_at_its_limit_whatever_is_in_flight() {
    let fake = slow_fake(&Arc::new(Notify::new())).await;
    let balancer = balancer(config(Routing::RoundRobin));
    add_healthy(&balancer, &[&fake]).await;
    let mut busy = Raw::connect(&balancer).await;
    busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually_async("it is in flight", async || balancer.instances()[0].in_flight == 1).await;
    balancer.stop(Duration::from_millis(50)).await;
    assert!(busy.answer().await.is_none());
}

/// A response of the instance that never ends, after these bytes.
async fn endless(begin: &'static str) -> Fake {
    Fake::new(move |_| vec![raw(begin), never()]).await
}

const EVENTS: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";

const WEBSOCKET: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\u{1}\u{1}a";

async fn opened(balancer: &Balancer) -> Raw {
    let mut client = Raw::connect(balancer).await;
    client.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    assert_eq!(client.head().await.expect("an answer comes").0, 101);
    client.take_until("\u{1}\u{1}a").await;
    client
}

#[tokio::test]
async fn a_silent_stream_of_events_ends_in_an_orderly_way_long_before_the_limit() {
    let fake = endless(EVENTS).await;
    let balancer = balancer(config(Routing::RoundRobin));
    let ids = add_healthy(&balancer, &[&fake]).await;
    let mut client = Raw::connect(&balancer).await;
    client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.until("data: 1").await;
    assert!(balancer.drain(ids[0], Duration::from_mins(10)).await);
    // The last chunk: for the client the response is complete.
    client.until("\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn a_silent_websocket_is_closed_with_going_away_long_before_the_limit() {
    let fake = endless(WEBSOCKET).await;
    for stops in [false, true] {
        let balancer = balancer(config(Routing::RoundRobin));
        let ids = add_healthy(&balancer, &[&fake]).await;
        let mut client = opened(&balancer).await;
        let leaving = tokio::spawn(async move {
            if stops {
                balancer.stop(Duration::from_mins(10)).await;
            } else {
                assert!(balancer.drain(ids[0], Duration::from_mins(10)).await);
            }
        });
        assert_eq!(client.rest().await, [0x88, 2, 3, 0xe9], "stops: {stops}");
        drop(client);
        leaving.await.expect("it ends");
    }
}

#[tokio::test]
async fn a_busy_websocket_gets_the_limit_and_then_a_close_between_two_frames() {
    let fake = Fake::new(|_| vec![raw(WEBSOCKET), Step::Echo]).await;
    let balancer = balancer(config(Routing::RoundRobin));
    let ids = add_healthy(&balancer, &[&fake]).await;
    let mut client = opened(&balancer).await;
    let drained = tokio::spawn(async move { balancer.drain(ids[0], Duration::from_secs(3)).await });
    let begun = Instant::now();
    let mut frames = 0;
    while !drained.is_finished() && begun.elapsed() < Duration::from_millis(2800) {
        client.send([&b"\x02\x05"[..], b"hello"].concat()).await;
        client.take_until("hello").await;
        frames += 1;
    }
    assert!(!drained.is_finished(), "it was closed although frames passed");
    assert_eq!(client.rest().await, [0x88, 2, 3, 0xe9], "after {frames} frames");
    drop(client);
    assert!(drained.await.expect("it ends"));
}

#[tokio::test]
async fn a_websocket_that_never_pauses_is_closed_after_a_frame() {
    let fake = Fake::new(|_| vec![raw(WEBSOCKET), Step::Echo]).await;
    let balancer = balancer(config(Routing::RoundRobin));
    let ids = add_healthy(&balancer, &[&fake]).await;
    let client = opened(&balancer).await;
    let frame = [&[0x82, 0x7e, 0x20, 0][..], &[7; 0x2000]].concat();
    let (mut reads, mut writes) = client.stream.into_split();
    let flood = tokio::spawn({
        let frame = frame.clone();
        async move { while writes.write_all(&frame).await.is_ok() {} }
    });
    let drained = tokio::spawn(async move { balancer.drain(ids[0], Duration::from_millis(500)).await });
    let mut came = client.buffer;
    let reading = async {
        while !came.ends_with(&[0x88, 2, 3, 0xe9]) {
            let more = reads.read_buf(&mut came).await.expect("no reset before the close frame");
            assert!(more > 0, "it ended without a close frame");
            // Only the last frames are of interest.
            let whole = (came.len() / frame.len()).saturating_sub(1) * frame.len();
            came.drain(..whole);
        }
    };
    tokio::time::timeout(LIMIT, reading).await.expect("a close frame comes in time");
    flood.abort();
    assert_eq!((came.len() - 4) % frame.len(), 0, "it stands between two frames");
    drop(reads);
    assert!(drained.await.expect("it ends"));
}

#[tokio::test]
async fn a_websocket_that_pauses_within_a_frame_is_not_cut_there() {
    let fake = Fake::new(|_| vec![raw(WEBSOCKET), Step::Echo]).await;
    let balancer = balancer(config(Routing::RoundRobin));
    let ids = add_healthy(&balancer, &[&fake]).await;
    let mut client = opened(&balancer).await;
    client.send("\u{2}\u{5}he").await;
    client.take_until("he").await;
    let mut drained = tokio::spawn(async move { balancer.drain(ids[0], Duration::from_mins(10)).await });
    // Longer than a stream may be silent.
    let early = tokio::time::timeout(Duration::from_millis(2500), &mut drained).await;
    assert!(early.is_err(), "it was closed within a frame");
    client.send("llo").await;
    client.take_until("llo").await;
    assert_eq!(client.rest().await, [0x88, 2, 3, 0xe9]);
    drop(client);
    assert!(drained.await.expect("it ends"));
}
