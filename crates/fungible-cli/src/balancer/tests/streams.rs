//! Bodies of any length in both directions, tunnels, and ends that come too early.

use std::sync::Arc;
use std::time::{Duration, Instant};

use test_basics::eventually_async;
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

use super::world::{Fake, Raw, Step, add_healthy, balancer, config, never, ok, raw, streaming};
use crate::balancer::{Balancer, Config, Routing};

async fn behind(fake: &Fake) -> Balancer {
    behind_one_with(config(Routing::RoundRobin), fake).await
}

async fn behind_one_with(config: Config, fake: &Fake) -> Balancer {
    let balancer = balancer(config);
    add_healthy(&balancer, &[fake]).await;
    balancer
}

#[tokio::test]
async fn the_first_byte_of_an_answer_arrives_before_the_last_is_sent() {
    let bell = Arc::new(Notify::new());
    let rings = Arc::clone(&bell);
    let fake = Fake::new(move |_| {
        vec![
            raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n"),
            Step::Wait(Arc::clone(&rings)),
            raw("4\r\nlast\r\n0\r\n\r\n"),
        ]
    })
    .await;
    let balancer = behind(&fake).await;
    let mut client = Raw::connect(&balancer).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.until("first").await;
    bell.notify_one();
    assert_eq!(client.answer().await.expect("an answer comes").body, "firstlast");
}

#[tokio::test]
async fn beyond_what_is_gathered_the_first_byte_of_a_request_arrives_before_the_last_is_sent() {
    // The instance answers at the head, before there is a body, and reads it after that.
    let fake = Fake::hasty(|_| vec![ok("early")]).await;
    let mut config = streaming();
    config.limits.body.buffer = 3;
    let balancer = behind_one_with(config.clone(), &fake).await;
    let mut client = Raw::connect(&balancer).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    assert_eq!(client.answer().await.expect("an answer comes").body, "early");
    // The rest is for the instance, although the client has its response.
    client.send("3\r\ndef\r\n0\r\n\r\n").await;
    eventually_async("the whole body arrives", async || fake.executed() == 1).await;
    assert_eq!(fake.seen()[0].body, b"abcdef");
    assert_eq!(client.get("/").await.body, "early", "the connection goes on");

    let whole = Fake::plain("whole").await;
    let balancer = behind_one_with(config, &whole).await;
    let mut client = Raw::connect(&balancer).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    eventually_async("the head is there before the body has ended", async || whole.seen().len() == 1).await;
    client.send("3\r\ndef\r\n0\r\n\r\n").await;
    assert_eq!(client.answer().await.expect("an answer comes").body, "whole");
    assert_eq!(whole.seen()[0].body, b"abcdef");
}

#[tokio::test]
async fn large_bodies_pass_whole_in_both_directions() {
    let body: String = (0..300_000).map(|n| char::from(b'a' + u8::try_from(n % 26).expect("small"))).collect();
    let sent = body.clone();
    let fake = Fake::new(move |seen| {
        assert_eq!(seen.body.len(), 300_000);
        vec![ok(&sent)]
    })
    .await;
    let balancer = behind(&fake).await;
    let mut client = Raw::connect(&balancer).await;
    for method in ["POST", "PUT"] {
        assert_eq!(client.ask(method, "/", "", &body).await.body, body);
    }
    assert_eq!(fake.executed(), 2);
}

#[tokio::test]
async fn a_get_with_chunks_keeps_its_body() {
    let fake = Fake::plain("a").await;
    let balancer = behind(&fake).await;
    let mut client = Raw::connect(&balancer).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").await;
    assert_eq!(client.answer().await.expect("an answer comes").status, 200);
    assert_eq!(fake.seen()[0].body, b"abc");
}

#[tokio::test]
async fn trailers_pass_in_both_directions() {
    let fake = Fake::new(|_| {
        vec![raw(
            "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 2\r\n\r\n",
        )]
    })
    .await;
    let balancer = behind(&fake).await;
    let mut client = Raw::connect(&balancer).await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nTrailer: x-mine\r\n\
             Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Mine: 3\r\n\r\n",
        )
        .await;
    let answer = client.answer().await.expect("an answer comes");
    assert_eq!((answer.body.as_str(), answer.trailers.as_str()), ("hi", "x-sum: 2\n"));
    assert_eq!(fake.seen()[0].trailers, "x-mine: 3\n");
}

/// A server need not read what it refuses.
#[tokio::test]
async fn an_answer_to_half_a_request_passes_although_the_instance_then_resets_the_connection() {
    let refusal = "HTTP/1.1 413 Payload Too Large\r\ncontent-length: 5\r\nconnection: close\r\n\r\nlarge";
    let fake = Fake::hasty(move |_| vec![raw(refusal), Step::Close]).await;
    let balancer = behind(&fake).await;
    for _ in 0..20 {
        let mut client = Raw::connect(&balancer).await;
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n").await;
        // More than is gathered, so that it streams.
        client.send(vec![b'x'; 1_500_000]).await;
        let answer = client.answer().await.expect("an answer comes");
        assert_eq!((answer.status, &*answer.body), (413, "large"));
    }
}

/// hyper takes a bare LF for a part of the trailers: it would swallow the request that follows.
#[tokio::test]
async fn a_bare_lf_in_trailers_is_refused_and_hides_no_request() {
    let fake = Fake::plain("a").await;
    let balancer = behind(&fake).await;
    let second = "GET /second HTTP/1.1\r\nHost: a\r\n\r\n";
    for trailers in ["X-Mine: 3\n\n", "\n", "X-Mine: 3\n\r\n", "X-Mine: 3\nX-More: 4\r\n\r\n"] {
        for cut in [0, 1, 3] {
            let mut client = Raw::connect(&balancer).await;
            let chunks = format!("3\r\nabc\r\n0\r\n{trailers}{second}");
            let head = "POST /first HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
            // In one piece with the head, and in several.
            client.send(format!("{head}{}", &chunks[..chunks.len() * cut / 3])).await;
            let _ = client.stream.write_all(&chunks.as_bytes()[chunks.len() * cut / 3..]).await;
            let answer = client.answer().await.expect("an answer comes");
            assert_eq!((answer.status, answer.error()), (400, Some("bad-request")), "{trailers:?}");
            assert!(client.is_closed().await, "{trailers:?}");
        }
    }
    assert_eq!(fake.executed(), 0);
}

/// What comes behind a head is held until it is known what it is; nothing of it gets lost.
#[tokio::test]
async fn requests_that_are_sent_ahead_are_all_answered() {
    let fake = Fake::new(|seen| vec![ok(&format!("{} {}", seen.line, String::from_utf8_lossy(&seen.body)))]).await;
    let balancer = behind(&fake).await;
    let ahead = "\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\na\r\n\r\nb\
                 POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n\r\n\r\nc\r\n0\r\nX: y\r\n\r\n\
                 GET /4 HTTP/1.1\nHost: a\n\nGET /5 HTTP/1.1\r\nHost: a\r\n\r\n";
    for piece in [1, 7, 64, usize::MAX] {
        let mut client = Raw::connect(&balancer).await;
        for piece in ahead.as_bytes().chunks(piece) {
            client.send(piece).await;
        }
        for expected in ["GET /1 ", "POST /2 ", "POST /3 ", "GET /4 ", "GET /5 "] {
            let answer = client.answer().await.expect("an answer comes");
            assert!(answer.status == 200 && answer.body.starts_with(expected), "{expected}: {answer:?}");
        }
    }
    let bodies: Vec<Vec<u8>> = fake.seen()[..3].iter().map(|seen| seen.body.clone()).collect();
    assert_eq!(bodies, [&b""[..], b"a\r\n\r\nb", b"\r\n\r\nc"]);
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_passes() {
    let fake = Fake::new(|_| vec![raw("HTTP/1.1 200 OK\r\n\r\nunknown length"), Step::Close]).await;
    let balancer = behind(&fake).await;
    let mut client = Raw::connect(&balancer).await;
    for _ in 0..3 {
        let answer = client.get("/").await;
        assert_eq!((answer.body.as_str(), answer.whole), ("unknown length", true));
    }
}

#[tokio::test]
async fn a_cut_off_answer_is_passed_on_as_cut_off() {
    for (bytes, end) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", Step::Close),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", Step::Reset),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", Step::Close),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf", Step::Close),
    ] {
        let fake = Fake::new(move |_| vec![raw(bytes), end.clone()]).await;
        let balancer = behind(&fake).await;
        let mut client = Raw::connect(&balancer).await;
        let answer = client.get("/").await;
        assert!(!answer.whole || answer.status == 502, "{bytes:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_client_that_resets_its_connection_cancels_its_request() {
    let fake = Fake::new(|_| vec![Step::Wait(Arc::new(Notify::new()))]).await;
    let balancer = behind(&fake).await;
    let mut client = Raw::connect(&balancer).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually_async("the instance has it", async || fake.executed() == 1).await;
    // An orderly end may be that of a client that still reads.
    let reset = Instant::now();
    client.stream.set_zero_linger().expect("a socket takes this option");
    drop(client);
    eventually_async("nothing is in flight", async || balancer.instances()[0].in_flight == 0).await;
    assert!(reset.elapsed() < Duration::from_secs(30), "not by the limit on responses");
    eventually_async("the instance sees the end", async || fake.open.load(std::sync::atomic::Ordering::SeqCst) == 0)
        .await;
}

/// A client that is gone without a word, or one that never says anything again, held its instance for ever.
#[tokio::test]
async fn a_tunnel_through_which_nothing_passes_ends() {
    let fake = Fake::new(|_| {
        vec![raw("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"), Step::Echo]
    })
    .await;
    let mut config = config(Routing::RoundRobin);
    config.limits.tunnel_time = Duration::from_millis(400);
    let balancer = behind_one_with(config, &fake).await;
    let mut client = Raw::connect(&balancer).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    assert_eq!(client.head().await.expect("an answer comes").0, 101);
    // As long as something passes it goes on, and blank lines in it are no heads.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1) {
        client.send("a\r\n\r\nb").await;
        client.until("a\r\n\r\nb").await;
        client.buffer.clear();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(balancer.instances()[0].in_flight, 1);
    assert!(client.is_closed().await, "then it ends");
    eventually_async("nothing is in flight", async || balancer.instances()[0].in_flight == 0).await;
}

/// The system asks whether the other end is still there.
#[tokio::test]
async fn connections_are_kept_alive_by_the_system() {
    let fake = Fake::new(|_| vec![never()]).await;
    let balancer = behind(&fake).await;
    let mut client = Raw::connect(&balancer).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually_async("it is in flight", async || balancer.instances()[0].in_flight == 1).await;
    let (ours, theirs) = (balancer.local_addr().port(), fake.address.port());
    // `sl local remote st queues timer:when`: timer 2 is that of keep-alive.
    let kept = |local: Option<u16>, remote: Option<u16>| {
        let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux has this table");
        let is = |word: &str, port: Option<u16>| port.is_none_or(|port| word.ends_with(&format!(":{port:04X}")));
        table.lines().skip(1).any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            is(words[1], local) && is(words[2], remote) && words[3] == "01" && words[5].starts_with("02:")
        })
    };
    eventually_async("the client's is", async || kept(Some(ours), None)).await;
    eventually_async("the instance's is", async || kept(None, Some(theirs))).await;
}

/// RFC 9112 9.6: it may end its side of the connection and still wait for the response.
#[tokio::test]
async fn a_client_that_ends_its_side_after_its_request_gets_the_response() {
    let bell = Arc::new(Notify::new());
    let waits = Step::Wait(Arc::clone(&bell));
    let fake = Fake::new(move |_| vec![waits.clone(), ok("late")]).await;
    let balancer = behind(&fake).await;
    for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"] {
        let mut client = Raw::connect(&balancer).await;
        client.send(request).await;
        eventually_async("it is in flight", async || balancer.instances()[0].in_flight == 1).await;
        client.stream.shutdown().await.expect("a socket shuts down");
        // It also works where the balancer has seen the end before the instance answers.
        tokio::task::yield_now().await;
        bell.notify_one();
        let answer = client.answer().await.expect("an answer comes");
        assert_eq!((answer.status, answer.body.as_str()), (200, "late"));
        assert!(client.is_closed().await);
    }
    eventually_async("nothing is in flight", async || balancer.instances()[0].in_flight == 0).await;
}

#[tokio::test]
async fn a_half_sent_request_is_never_executed() {
    let fake = Fake::plain("a").await;
    let balancer = behind_one_with(streaming(), &fake).await;
    for head in ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let mut client = Raw::connect(&balancer).await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{head}")).await;
        let before = fake.seen().len();
        eventually_async("the instance has the head", async || fake.seen().len() > before || before > 0).await;
        client.stream.shutdown().await.expect("a socket shuts down");
        assert!(client.answer().await.is_none_or(|answer| answer.status >= 400));
    }
    eventually_async("nothing is in flight", async || balancer.instances()[0].in_flight == 0).await;
    assert_eq!(fake.executed(), 0);
}

#[tokio::test]
async fn malformed_chunks_are_answered_400_and_never_executed() {
    let fake = Fake::plain("a").await;
    let balancer = behind(&fake).await;
    for body in ["x\r\nhi\r\n", "2\r\nhiXX0\r\n\r\n", "2\r\nhi\r\n-1\r\n"] {
        let mut client = Raw::connect(&balancer).await;
        client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}")).await;
        let answer = client.answer().await.expect("an answer comes");
        assert_eq!((answer.status, answer.error()), (400, Some("bad-request")), "{body:?}");
        assert!(client.is_closed().await);
    }
    assert_eq!(fake.executed(), 0);
}

#[tokio::test]
async fn a_websocket_passes_bytes_both_ways_and_counts_as_in_flight() {
    let fake = Fake::new(|seen| {
        assert_eq!(seen.header("upgrade"), Some("websocket"));
        assert_eq!(seen.header("connection"), Some("upgrade"));
        assert_eq!(seen.header("sec-websocket-key"), Some("k"));
        vec![
            raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello"),
            Step::Echo,
        ]
    })
    .await;
    let balancer = behind(&fake).await;
    let mut client = Raw::connect(&balancer).await;
    client
        .send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\nearly")
        .await;
    let (status, headers) = client.head().await.expect("an answer comes");
    assert_eq!(status, 101);
    assert!(headers.iter().any(|(name, value)| name == "upgrade" && value == "websocket"), "{headers:?}");
    client.until("hello").await;
    client.until("early").await;
    for n in 0..100 {
        client.send(format!("message {n};")).await;
        client.until(&format!("message {n};")).await;
    }
    assert_eq!(balancer.instances()[0].in_flight, 1);
    drop(client);
    eventually_async("nothing is in flight", async || balancer.instances()[0].in_flight == 0).await;
}

#[tokio::test]
async fn http_2_is_not_tunnelled() {
    let fake = Fake::plain("a").await;
    let balancer = behind(&fake).await;
    let mut client = Raw::connect(&balancer).await;
    let lines = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n";
    assert_eq!(client.ask("GET", "/", lines, "").await.status, 200);
    assert_eq!((fake.seen()[0].header("upgrade"), fake.seen()[0].header("http2-settings")), (None, None));
}
