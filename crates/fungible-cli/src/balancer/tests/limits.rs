//! What a client may cost: slow and large heads, connections that rest.

use std::time::{Duration, Instant};

use super::world::{Fake, Raw, add_healthy, balancer, config, eventually};
use crate::balancer::config::Limits;
use crate::balancer::{Balancer, Config, Routing};

async fn with(limits: Limits, fake: &Fake) -> Balancer {
    let balancer = balancer(Config { limits, ..config(Routing::RoundRobin) });
    add_healthy(&balancer, &[fake]).await;
    balancer
}

#[tokio::test]
async fn a_slow_head_is_cut_while_resting_connections_live_on() {
    let fake = Fake::plain("a").await;
    let limits = Limits { header_time: Duration::from_millis(300), ..Limits::default() };
    let balancer = with(limits, &fake).await;
    let mut resting = Raw::connect(&balancer).await;
    assert_eq!(resting.get("/").await.body, "a");
    // A byte now and then does not help.
    let mut slow = Raw::connect(&balancer).await;
    let mut second = Raw::connect(&balancer).await;
    second.get("/").await;
    let mut silent = Raw::connect(&balancer).await;
    let trickle = async {
        slow.send("GET / HTTP/1.1\r\n").await;
        second.send("GET / HTTP/1.1\r\n").await;
        let mut sent = 0;
        loop {
            let bytes = tokio::io::AsyncWriteExt::write_all(&mut slow.stream, b"A: b\r\n").await;
            let more = tokio::io::AsyncWriteExt::write_all(&mut second.stream, b"A: b\r\n").await;
            if bytes.is_err() && more.is_err() {
                return sent;
            }
            sent += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let sent = tokio::time::timeout(Duration::from_secs(20), trickle).await.expect("it is cut");
    assert!(sent >= 5, "not before its time: {sent}");
    assert!(silent.is_closed().await, "a connection that never says anything is one that is slow");
    assert_eq!(resting.get("/").await.body, "a", "one that rested all the time is still there");
}

#[tokio::test]
async fn a_resting_connection_is_closed_after_its_time() {
    let fake = Fake::plain("a").await;
    let limits = Limits { idle_time: Duration::from_millis(300), ..Limits::default() };
    let balancer = with(limits, &fake).await;
    let mut client = Raw::connect(&balancer).await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.body, "a");
    }
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_cut() {
    let large = "x".repeat(30_000_000);
    let fake = Fake::new(move |_| vec![super::world::ok(&large)]).await;
    let limits = Limits { idle_time: Duration::from_millis(300), ..Limits::default() };
    let balancer = with(limits, &fake).await;
    let mut client = Raw::connect(&balancer).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("it is in flight", || balancer.instances()[0].served == 1).await;
    eventually("it is cut", || balancer.instances()[0].in_flight == 0).await;
    assert!(client.answer().await.is_none_or(|answer| !answer.whole));
    // Whoever reads gets it all.
    assert_eq!(Raw::connect(&balancer).await.get("/").await.body.len(), 30_000_000);
}

#[tokio::test]
async fn a_long_upload_is_no_late_answer_and_one_that_stops_is_cut() {
    let fake = Fake::plain("a").await;
    let balancer = balancer(Config { response_timeout: Duration::from_millis(500), ..config(Routing::RoundRobin) });
    add_healthy(&balancer, &[&fake]).await;
    let mut client = Raw::connect(&balancer).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1500) {
        client.send("1\r\nx\r\n").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.answer().await.expect("an answer comes").status, 200);

    let mut client = Raw::connect(&balancer).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx").await;
    let answer = client.answer().await.expect("an answer comes");
    assert_eq!((answer.status, answer.error()), (408, Some("bad-request")));
    assert_eq!(fake.executed(), 1);
}

#[tokio::test]
async fn large_heads_are_refused_with_431() {
    let fake = Fake::plain("a").await;
    let balancer = with(Limits::default(), &fake).await;
    let large = format!("X-Large: {}\r\n", "x".repeat(40_000));
    let many = "X-Many: 1\r\n".repeat(101);
    for lines in [large, many] {
        let mut client = Raw::connect(&balancer).await;
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).await;
        assert_eq!(client.answer().await.expect("an answer comes").status, 431);
        assert!(client.is_closed().await);
    }
    let fits = format!("X-Large: {}\r\n", "x".repeat(20_000));
    assert_eq!(Raw::connect(&balancer).await.ask("GET", "/", &fits, "").await.status, 200);
    assert_eq!(fake.executed(), 1);
}
