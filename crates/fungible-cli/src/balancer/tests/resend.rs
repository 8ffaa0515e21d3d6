//! Nothing is sent twice unless it may be. The instances count what they executed.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use test_basics::{LIMIT, Random, eventually_async, seed};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;

use super::world::{Fake, Raw, Step, add_healthy, balancer, config, ok, raw, state_of, until_state};
use crate::balancer::{Config, HealthCheck, Routing, State};

/// An instance that reads a request, executes it and ends the connection without an answer.
async fn breaks_off(reset: bool) -> Fake {
    Fake::new(move |_| vec![if reset { Step::Reset } else { Step::Close }]).await
}

#[tokio::test]
async fn a_request_is_resent_only_if_it_is_idempotent() {
    for (method, body, moves) in [
        ("GET", "", true),
        ("HEAD", "", true),
        ("PUT", "content", true),
        ("DELETE", "content", true),
        ("OPTIONS", "", true),
        ("POST", "content", false),
        ("POST", "", false),
        ("PATCH", "content", false),
        ("MKCOL", "", false),
    ] {
        for reset in [false, true] {
            let (bad, good) = (breaks_off(reset).await, Fake::plain("good").await);
            let balancer = balancer(config(Routing::RoundRobin));
            add_healthy(&balancer, &[&bad, &good]).await;
            let answer = Raw::connect(&balancer).await.ask(method, "/", "", body).await;
            assert_eq!(bad.executed(), 1, "{method}: round robin begins with the first");
            assert_eq!(good.executed(), usize::from(moves), "{method}");
            if moves {
                assert_eq!(answer.status, 200, "{method}");
                assert_eq!(good.seen()[0].body, body.as_bytes(), "{method}: from its beginning");
            } else {
                assert_eq!((answer.status, answer.error()), (502, Some("broke-off")), "{method}");
            }
        }
    }
}

#[tokio::test]
async fn a_keyed_post_is_resent_only_with_resend_keyed() {
    for resend_keyed in [false, true] {
        let (bad, good) = (breaks_off(false).await, Fake::plain("good").await);
        let balancer = balancer(Config { resend_keyed, ..config(Routing::RoundRobin) });
        add_healthy(&balancer, &[&bad, &good]).await;
        let mut client = Raw::connect(&balancer).await;
        let answer = client.ask("POST", "/", "Idempotency-Key: k\r\n", "content").await;
        assert_eq!(answer.status == 200, resend_keyed);
        assert_eq!(good.executed(), usize::from(resend_keyed));
    }
}

#[tokio::test]
async fn a_body_too_large_to_keep_is_not_resent() {
    let (bad, good) = (breaks_off(false).await, Fake::plain("good").await);
    let mut config = config(Routing::RoundRobin);
    config.limits.body.buffer = 200_000;
    let balancer = balancer(config);
    add_healthy(&balancer, &[&bad, &good]).await;
    let answer = Raw::connect(&balancer).await.ask("PUT", "/", "", &"x".repeat(400_000)).await;
    assert_eq!((answer.status, answer.error(), good.executed()), (502, Some("broke-off"), 0));
}

#[tokio::test]
async fn a_refused_connection_takes_the_instance_out_at_once_and_even_a_post_goes_elsewhere() {
    let (dead, good) = (Fake::plain("dead").await, Fake::plain("good").await);
    // Probes so rare that only the request itself can find out.
    let mut slow_checks = config(Routing::RoundRobin);
    slow_checks.health.interval = LIMIT;
    let balancer = balancer(slow_checks);
    let ids = add_healthy(&balancer, &[&dead, &good]).await;
    dead.kill().await;
    let answer = Raw::connect(&balancer).await.post("/", "content").await;
    assert_eq!((answer.status, &*answer.body), (200, "good"));
    assert_eq!(state_of(&balancer, ids[0]), Some(State::Unhealthy));
    assert_eq!(good.seen()[0].body, b"content");
}

#[tokio::test]
async fn a_request_that_brings_down_instances_does_not_meet_all_of_them() {
    let mut bad = Vec::new();
    for _ in 0..5 {
        bad.push(breaks_off(false).await);
    }
    let balancer = balancer(config(Routing::RoundRobin));
    add_healthy(&balancer, &bad.iter().collect::<Vec<_>>()).await;
    let answer = Raw::connect(&balancer).await.get("/").await;
    assert_eq!((answer.status, answer.error()), (502, Some("nobody-answered")));
    assert_eq!(bad.iter().map(Fake::executed).sum::<usize>(), 3);
}

#[tokio::test]
async fn a_single_instance_that_closes_an_idle_connection_is_asked_again() {
    // It answers the first request of each connection and closes at the second, without an answer.
    let fake = Fake::new(|seen| if seen.nth == 0 { vec![ok("first")] } else { vec![Step::Close] }).await;
    let balancer = balancer(config(Routing::RoundRobin));
    add_healthy(&balancer, &[&fake]).await;
    let mut client = Raw::connect(&balancer).await;
    for _ in 0..5 {
        assert_eq!(client.get("/").await.body, "first");
    }
}

/// When an instance has ended, another program may listen there.
#[tokio::test]
async fn an_instance_that_gets_no_more_requests_is_not_connected_to_again() {
    for ends in [true, false] {
        let bell = Arc::new(Notify::new());
        let rings = Arc::clone(&bell);
        // It answers the first request of each connection, and takes the second with it.
        let fake = Fake::new(move |seen| match seen.nth {
            0 => vec![ok("first")],
            _ => vec![Step::Wait(Arc::clone(&rings)), Step::Close],
        });
        let (fake, good) = (fake.await, Fake::plain("good").await);
        let balancer = balancer(Config { threads: 1, ..config(Routing::RoundRobin) });
        let id = add_healthy(&balancer, &[&fake]).await[0];
        let mut client = Raw::connect(&balancer).await;
        assert_eq!(client.get("/").await.body, "first");
        let asking = tokio::spawn(async move { client.get("/").await });
        eventually_async("the request has arrived", async || fake.executed() == 2).await;
        if ends {
            balancer.ended(id);
        } else {
            let draining = balancer.clone();
            tokio::spawn(async move { draining.drain(id, LIMIT).await });
            until_state(&balancer, id, State::Draining).await;
        }
        bell.notify_one();
        add_healthy(&balancer, &[&good]).await;
        assert_eq!(asking.await.expect("it is answered").body, "good");
        assert_eq!(fake.executed(), 2);
    }
}

#[tokio::test]
async fn a_request_that_waits_for_its_third_instance_does_not_move_to_a_fourth() {
    let bell = Arc::new(Notify::new());
    let rings = Arc::clone(&bell);
    let (one, two) = (breaks_off(false).await, breaks_off(false).await);
    let hangs = Fake::new(move |_| vec![Step::Wait(Arc::clone(&rings)), Step::Close]).await;
    let good = Fake::plain("good").await;
    let balancer = balancer(config(Routing::RoundRobin));
    let ids = add_healthy(&balancer, &[&one, &two, &hangs, &good]).await;
    let mut client = Raw::connect(&balancer).await;
    let asking = tokio::spawn(async move { client.get("/").await });
    eventually_async("the request has arrived", async || hangs.executed() == 1).await;
    balancer.ended(ids[2]);
    bell.notify_one();
    let answer = asking.await.expect("it is answered");
    assert_eq!((answer.status, answer.error()), (502, Some("nobody-answered")));
    assert_eq!(good.executed(), 0);
}

#[tokio::test]
async fn an_answer_that_has_begun_is_never_replaced() {
    let half = Fake::new(|_| vec![raw("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"), Step::Close]).await;
    let good = Fake::plain("good").await;
    let balancer = balancer(config(Routing::RoundRobin));
    add_healthy(&balancer, &[&half, &good]).await;
    let answer = Raw::connect(&balancer).await.get("/").await;
    assert!(!answer.whole);
    assert_eq!(good.executed(), 0);
}

/// Only whoever closes a connection knows when; some instances do so a few milliseconds after an answer.
#[tokio::test]
async fn a_post_takes_no_connection_that_rested_for_longer_than_it_is_known_to_survive() {
    let fake = Fake::plain("a").await;
    let balancer = balancer(Config { threads: 1, ..config(Routing::RoundRobin) });
    add_healthy(&balancer, &[&fake]).await;
    let mut client = Raw::connect(&balancer).await;
    let connection = |back: usize| fake.seen()[fake.seen().len() - back].connection;
    // Here time is what is tested. On a busy machine a pause may be so long that the next is half of it.
    let rested = Duration::from_millis(4);
    client.get("/").await;
    eventually_async("a POST gets a connection of its own", async || {
        tokio::time::sleep(rested).await;
        client.post("/", "x").await;
        connection(1) != connection(2)
    })
    .await;
    tokio::time::sleep(rested).await;
    client.get("/").await;
    assert_eq!(connection(1), connection(2), "a GET may");
    eventually_async("those that were too old are closed", async || fake.open.load(Ordering::SeqCst) == 1).await;
    eventually_async("one that has just been used is used again", async || {
        client.post("/", "x").await;
        connection(1) == connection(2)
    })
    .await;
}

#[tokio::test]
async fn a_post_takes_a_connection_that_rested_for_half_as_long_as_others_survived() {
    let fake = Fake::plain("a").await;
    let balancer = balancer(Config { threads: 1, ..config(Routing::RoundRobin) });
    add_healthy(&balancer, &[&fake]).await;
    let mut client = Raw::connect(&balancer).await;
    // Here time is what is tested. A busy machine may make each pause longer than it should be.
    eventually_async("the same connection", async || {
        client.get("/").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        client.get("/").await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        client.post("/", "x").await;
        let seen = fake.seen();
        seen[seen.len() - 2].connection == seen[seen.len() - 1].connection
    })
    .await;
}

/// As one does under a burst of connections: the system drops what its queue has no room for, and our end tries again only after
/// a second.
#[tokio::test]
async fn the_only_instance_is_tried_again_if_it_does_not_accept_a_connection_in_time() {
    let fake = Fake::plain("a").await;
    let socket = TcpSocket::new_v4().expect("a socket can be made");
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("loopback has free ports");
    let address = socket.local_addr().expect("a socket has an address");
    let (full, behind) = (socket.listen(1).expect("a socket listens"), fake.address);
    // However often it does not accept in time, it stays healthy.
    let health = HealthCheck { interval: Duration::from_hours(1), fall: 1000, ..HealthCheck::default() };
    let balancer = balancer(Config { health, threads: 1, ..config(Routing::RoundRobin) });
    let id = balancer.add("full", address, None, None);
    until_state(&balancer, id, State::Healthy).await;
    let mut waiting = Vec::new();
    let in_time = Duration::from_millis(300);
    while let Ok(connected) = tokio::time::timeout(in_time, TcpStream::connect(address)).await {
        waiting.push(connected.expect("it is accepted by the system"));
    }
    let mut client = Raw::connect(&balancer).await;
    let asking = tokio::spawn(async move { client.post("/", "x").await });
    // The first attempt fails after a second. Here time is what is tested.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    waiting.clear();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = full.accept().await {
            let mut to = TcpStream::connect(behind).await.expect("it accepts");
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut from, &mut to).await });
        }
    });
    assert_eq!(asking.await.expect("it is answered").body, "a");
}

/// The fleet says that the process has ended, but a child of it still holds the socket.
#[tokio::test]
async fn requests_that_wait_at_an_ended_instance_are_resent_if_idempotent() {
    let bell = Arc::new(Notify::new());
    let rings = Arc::clone(&bell);
    let ended = Fake::new(move |_| vec![Step::Wait(Arc::clone(&rings)), ok("ended")]).await;
    let good = Fake::plain("good").await;
    let balancer = balancer(config(Routing::RoundRobin));
    let ids = add_healthy(&balancer, &[&ended]).await;
    let (mut getting, mut posting) = (Raw::connect(&balancer).await, Raw::connect(&balancer).await);
    getting.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    posting.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").await;
    eventually_async("both wait there", async || ended.executed() == 2).await;
    let other = balancer.add("good", good.address, None, None);
    until_state(&balancer, other, State::Healthy).await;
    balancer.ended(ids[0]);
    assert_eq!(getting.answer().await.expect("an answer comes").body, "good");
    assert_eq!(good.executed(), 1);
    // The POST may have been executed: it stays.
    bell.notify_one();
    assert_eq!(posting.answer().await.expect("an answer comes").body, "ended");
    assert_eq!(good.executed(), 1);
}

/// Instances end their connections at random moments: at rest, at once, after reading, in the middle of the answer,
/// in order or with a reset. However it comes, no POST is executed twice, and whoever got a 200 was executed.
#[tokio::test]
async fn a_post_is_never_executed_twice() {
    let seed = seed();
    let mut fakes = Vec::new();
    for number in 0..3 {
        let counter = AtomicUsize::new(0);
        fakes.push(
            Fake::new(move |_| {
                let turn = counter.fetch_add(1, Ordering::SeqCst) as u64;
                let mut dice = Random::from_seed(seed ^ (number << 40) ^ turn.wrapping_mul(0x9E37_79B9_7F4A_7C15));
                match dice.below(12) {
                    0 => vec![Step::Close],
                    1 => vec![Step::Reset],
                    2 => vec![ok("done"), Step::Close],
                    3 => vec![ok("done"), Step::Reset],
                    4 => {
                        vec![raw("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\ndone"), Step::Close]
                    }
                    5 => vec![raw("HTTP/1.1 200 OK\r\ncontent-le"), Step::Close],
                    6 => vec![raw("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndo"), Step::Close],
                    _ => vec![ok("done")],
                }
            })
            .await,
        );
    }
    let balancer = balancer(config(Routing::RoundRobin));
    add_healthy(&balancer, &fakes.iter().collect::<Vec<_>>()).await;
    let acknowledged = Arc::new(std::sync::Mutex::new(Vec::new()));
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let (balancer, acknowledged) = (balancer.clone(), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                let mut connection = Raw::connect(&balancer).await;
                for number in 0..150 {
                    let body = format!("{client}-{number}");
                    let answer = connection.post("/", &body).await;
                    if answer.status == 200 && answer.whole {
                        acknowledged.lock().expect("no panic with this lock").push(body);
                    }
                    if !answer.whole {
                        connection = Raw::connect(&balancer).await;
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("a client ends");
    }
    let mut executed: HashMap<String, usize> = HashMap::new();
    for fake in &fakes {
        for seen in fake.seen().iter().filter(|seen| seen.whole) {
            *executed.entry(String::from_utf8_lossy(&seen.body).into_owned()).or_default() += 1;
        }
    }
    let twice: Vec<_> = executed.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "executed more than once: {twice:?}");
    for body in acknowledged.lock().expect("no panic with this lock").iter() {
        assert!(executed.contains_key(body), "{body} was acknowledged and never executed");
    }
    let acknowledged = acknowledged.lock().expect("no panic with this lock").len();
    assert!(acknowledged > 600, "most requests are answered: {acknowledged}");
}

/// The same for an instance that is killed and comes back elsewhere, again and again.
#[tokio::test]
async fn no_get_fails_while_instances_come_and_go() {
    let mut dice = Random::new();
    let balancer = balancer(config(Routing::RoundRobin));
    let mut fakes = vec![Fake::plain("a").await, Fake::plain("a").await, Fake::plain("a").await];
    let mut ids = add_healthy(&balancer, &fakes.iter().collect::<Vec<_>>()).await;
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (balancer, stop) = (balancer.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut connection = Raw::connect(&balancer).await;
                let mut count = 0;
                while !stop.load(Ordering::Relaxed) {
                    let answer = connection.get("/").await;
                    assert_eq!((answer.status, answer.whole), (200, true), "{answer:?}");
                    count += 1;
                }
                count
            })
        })
        .collect();
    for _ in 0..30 {
        let at = dice.below(3);
        fakes.remove(at).kill().await;
        // Sometimes the word of the end comes late.
        if dice.below(2) == 0 {
            tokio::time::sleep(Duration::from_millis(dice.below(20) as u64)).await;
        }
        balancer.ended(ids.remove(at));
        let fresh = Fake::plain("a").await;
        ids.push(balancer.add("again", fresh.address, None, None));
        fakes.push(fresh);
        until_state(&balancer, *ids.last().expect("just added"), State::Healthy).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(client.await.expect("no GET failed") > 0);
    }
    // Nobody listens on a port of the past.
    let nobody =
        std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a port");
    balancer.add("never", nobody, None, None);
    assert_eq!(Raw::connect(&balancer).await.get("/").await.status, 200);
}
