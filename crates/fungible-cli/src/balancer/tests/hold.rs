//! While no instance is ready: requests wait, bounded in number and time.

use std::net::Ipv4Addr;
use std::time::Duration;

use test_basics::LIMIT;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::world::{Fake, Raw, add_healthy, balancer, config, until_state};
use crate::balancer::pool::Hold;
use crate::balancer::{Balancer, Config, Routing, State};

#[tokio::test]
async fn a_held_request_is_answered_as_soon_as_an_instance_is_ready() {
    let balancer = balancer(config(Routing::RoundRobin));
    let mut client = Raw::connect(&balancer).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").await;
    let fake = Fake::plain("a").await;
    balancer.add("a", fake.address, None, None);
    assert_eq!(client.answer().await.expect("an answer comes").body, "a");
    assert_eq!(fake.executed(), 1);
}

#[tokio::test]
async fn the_request_that_finds_its_instance_gone_waits_for_it_too() {
    let balancer = balancer(config(Routing::RoundRobin));
    let fake = Fake::plain("a").await;
    let (address, id) = (fake.address, add_healthy(&balancer, &[&fake]).await[0]);
    fake.kill().await;
    let mut client = Raw::connect(&balancer).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").await;
    until_state(&balancer, id, State::Unhealthy).await;
    // As a server that loads itself anew: the same process, the same port.
    let listener = tokio::net::TcpListener::bind(address).await.expect("the port is free again");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_ok_and(|count| count > 0) {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nback").await;
                }
            });
        }
    });
    let answer = client.answer().await.expect("an answer comes");
    assert_eq!((answer.status, &*answer.body), (200, "back"), "{answer:?}");
}

#[tokio::test]
async fn a_starting_instance_gets_nothing_and_the_wait_ends_with_503() {
    let hold = Hold { most: 2, time: Duration::from_millis(300) };
    let balancer = balancer(Config { hold, ..config(Routing::RoundRobin) });
    // Nobody listens there: the port was free a moment ago.
    let nobody =
        std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a port");
    balancer.add("a", nobody, None, None);
    let mut waiting = Vec::new();
    for _ in 0..8 {
        let mut client = Raw::connect(&balancer).await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        waiting.push(client);
    }
    let mut words = Vec::new();
    for mut client in waiting {
        let answer = client.answer().await.expect("an answer comes");
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
        words.push(answer.error().expect("it is ours").to_owned());
    }
    words.sort();
    assert_eq!(
        words,
        [
            "none-ready",
            "none-ready",
            "too-many-wait",
            "too-many-wait",
            "too-many-wait",
            "too-many-wait",
            "too-many-wait",
            "too-many-wait"
        ]
    );
}

#[tokio::test]
async fn a_held_client_that_disconnects_frees_its_place() {
    let hold = Hold { most: 1, time: LIMIT };
    let balancer = balancer(Config { hold, ..config(Routing::RoundRobin) });
    let first = ask_until(&balancer, true).await;
    ask_until(&balancer, false).await;
    drop(first);
    let mut second = ask_until(&balancer, true).await;
    let fake = Fake::plain("a").await;
    balancer.add("a", fake.address, None, None);
    assert_eq!(second.answer().await.expect("an answer comes").body, "a");
    assert_eq!(fake.executed(), 1, "the request of the one that left was never sent");
}

/// Asks again and again until a request is held, or until one is sent away because too many wait.
async fn ask_until(balancer: &Balancer, held: bool) -> Raw {
    for _ in 0..1000 {
        let mut client = Raw::connect(balancer).await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        // Who is sent away hears of it within a moment; a false "held" is found out by the next step of the test.
        match tokio::time::timeout(Duration::from_millis(300), client.answer()).await {
            Err(_) if held => return client,
            Ok(Some(answer)) if !held && answer.error() == Some("too-many-wait") => return client,
            _ => {}
        }
    }
    panic!("no request was {}", if held { "held" } else { "sent away" });
}
