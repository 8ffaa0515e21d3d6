//! What a client may cost: slow and large heads, connections that rest.

use std::sync::Arc;
use std::time::{Duration, Instant};

use test_basics::{LIMIT, eventually_async};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::sync::Notify;
use tokio::task::LocalSet;

use super::world::{Fake, Raw, Step, add_healthy, balancer, config, ok};
use crate::balancer::config::Limits;
use crate::balancer::{Balancer, BodyLimits, Config, Routing};

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

/// A connection gives its buffers back when it rests.
#[tokio::test]
async fn a_connection_that_rested_goes_on_where_it_was() {
    let fake = Fake::plain("a").await;
    let balancer = with(Limits::default(), &fake).await;
    let mut client = Raw::connect(&balancer).await;
    // Here time is what is tested: longer than such a connection keeps them.
    let rests = async || tokio::time::sleep(Duration::from_millis(700)).await;
    rests().await;
    assert_eq!(client.get("/").await.body, "a", "also before its first request");
    rests().await;
    client.send("GET / HTTP/1.1\r\nHo").await;
    rests().await;
    client.send("st: a\r\n\r\n").await;
    assert_eq!(client.answer().await.expect("an answer comes").body, "a");
    rests().await;
    client.send("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    for _ in 0..2 {
        assert_eq!(client.answer().await.expect("an answer comes").body, "a");
    }
    rests().await;
    client.stream.shutdown().await.expect("it is open");
    assert!(client.is_closed().await);
    eventually_async("it is closed here, too", async || balancer.connections() == 0).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_disconnected() {
    let large = "x".repeat(30_000_000);
    let fake = Fake::new(move |_| vec![ok(&large)]).await;
    let limits = Limits { read_time: Duration::from_millis(300), ..Limits::default() };
    let balancer = with(limits, &fake).await;
    let mut client = Raw::connect(&balancer).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually_async("it is in flight", async || balancer.instances()[0].served == 1).await;
    eventually_async("it is cut", async || balancer.instances()[0].in_flight == 0).await;
    let end = client.stream.read_to_end(&mut Vec::new()).await;
    assert!(end.is_err(), "a reset, else the system would keep what was not read: {end:?}");
    // Whoever reads gets it all.
    assert_eq!(Raw::connect(&balancer).await.get("/").await.body.len(), 30_000_000);
}

/// Blank lines between two requests are allowed (RFC 9112, 2.2), also while a response is still written.
#[tokio::test]
async fn a_blank_line_while_a_response_is_written_does_not_cut_it() {
    // Of some length the balancer has all, and the system not yet.
    let set = LocalSet::new();
    let all: Vec<_> = (1..60).map(|part| set.spawn_local(reads_late(part * 60_000))).collect();
    set.await;
    for one in all {
        one.await.expect("it gets the whole response");
    }
}

async fn reads_late(length: usize) {
    let fake = Fake::new(move |_| vec![ok(&"x".repeat(length))]).await;
    let balancer = with(Limits::default(), &fake).await;
    let socket = TcpSocket::new_v4().expect("a socket can be made");
    socket.set_recv_buffer_size(4096).expect("a socket takes this option");
    let mut stream = socket.connect(balancer.local_addr()).await.expect("the balancer accepts");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("the balancer reads");
    eventually_async("it has begun", async || balancer.instances()[0].served == 1).await;
    // Here time is what is tested: the system takes what it has room for, and after some hundred milliseconds a connection
    // counts as idle.
    tokio::time::sleep(Duration::from_millis(300)).await;
    stream.write_all(b"\r\n").await.expect("the balancer reads");
    tokio::time::sleep(Duration::from_millis(700)).await;
    let mut client = Raw { stream, buffer: Vec::new() };
    let answer = client.answer().await.expect("an answer comes");
    assert!(answer.whole && answer.body.len() == length, "{} of {length} bytes", answer.body.len());
}

/// For the balancer the response is complete when the system has it.
#[tokio::test]
async fn a_client_that_does_not_read_a_short_answer_is_disconnected() {
    let fake = Fake::new(move |_| vec![ok(&"x".repeat(100_000))]).await;
    let limits = Limits { read_time: Duration::from_millis(300), ..Limits::default() };
    let balancer = with(limits, &fake).await;
    let socket = TcpSocket::new_v4().expect("a socket can be made");
    socket.set_recv_buffer_size(4096).expect("a socket takes this option");
    let mut client = socket.connect(balancer.local_addr()).await.expect("the balancer accepts");
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("the balancer reads");
    eventually_async("it is answered", async || balancer.instances()[0].served == 1).await;
    eventually_async("nothing is in flight", async || balancer.instances()[0].in_flight == 0).await;
    eventually_async("it is disconnected", async || balancer.connections() == 0).await;
    let end = client.read_to_end(&mut Vec::new()).await;
    assert!(end.is_err(), "it gets no more: {end:?}");
}

/// Sends a byte of a body now and then, for ever, until the connection ends.
async fn trickle(client: &mut Raw, pause: Duration) {
    while client.stream.write_all(b"1\r\nx\r\n").await.is_ok() {
        tokio::time::sleep(pause).await;
    }
}

const CHUNKED_POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Three clients that sent their bodies slowly stopped three instances that serve one request at a time.
#[tokio::test]
async fn a_body_that_comes_slowly_holds_no_instance() {
    let fake = Fake::plain("a").await;
    let balancer = with(Limits::default(), &fake).await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut client = Raw::connect(&balancer).await;
        client.send(format!("{CHUNKED_POST}1\r\nx\r\n")).await;
        slow.push(client);
    }
    for number in 0..20 {
        assert_eq!(Raw::connect(&balancer).await.get("/").await.body, "a");
        let view = &balancer.instances()[0];
        assert_eq!((view.in_flight, view.served), (0, number + 1), "the slow ones have no instance");
        for client in &mut slow {
            client.send("1\r\nx\r\n").await;
        }
    }
    for mut client in slow {
        client.send("0\r\n\r\n").await;
        assert_eq!(client.answer().await.expect("an answer comes").status, 200);
    }
    assert_eq!(fake.seen().last().expect("it came").body, [b'x'; 21]);
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_refused_whether_it_streams_or_not() {
    let fake = Fake::plain("a").await;
    for buffer in [0, 1000] {
        let body = BodyLimits { buffer, grace: Duration::from_millis(300), rate: Some(1000), ..BodyLimits::default() };
        let balancer = with(Limits { body, ..Limits::default() }, &fake).await;
        let before = fake.executed();
        // Two of them send now and then, one nothing at all after its beginning.
        let mut clients = Vec::new();
        for begin in [CHUNKED_POST, CHUNKED_POST, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx"] {
            let mut client = Raw::connect(&balancer).await;
            client.send(begin).await;
            clients.push(client);
        }
        let [one, other, silent] = clients.get_disjoint_mut([0, 1, 2]).expect("there are three");
        tokio::time::timeout(LIMIT, async {
            tokio::join!(trickle(one, Duration::from_millis(20)), trickle(other, Duration::from_millis(90)));
        })
        .await
        .expect("they are cut");
        let answer = silent.answer().await.expect("an answer comes");
        assert_eq!((answer.status, answer.error()), (408, Some("bad-request")));
        assert_eq!(fake.executed(), before);
        eventually_async("nothing is in flight", async || balancer.instances()[0].in_flight == 0).await;
    }
}

#[tokio::test]
async fn a_body_that_comes_fast_enough_may_take_long_but_not_for_ever() {
    let fake = Fake::plain("a").await;
    let body = BodyLimits {
        buffer: 100,
        grace: Duration::from_millis(300),
        rate: Some(20),
        time: Duration::from_secs(2),
        ..BodyLimits::default()
    };
    let limits = Limits { body, ..Limits::default() };
    // Longer than the grace and than an answer may take.
    let balancer =
        balancer(Config { limits, response_timeout: Duration::from_millis(500), ..config(Routing::RoundRobin) });
    add_healthy(&balancer, &[&fake]).await;
    let mut client = Raw::connect(&balancer).await;
    client.send(CHUNKED_POST).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1200) {
        client.send("4\r\nxxxx\r\n").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.answer().await.expect("an answer comes").status, 200);

    let mut client = Raw::connect(&balancer).await;
    client.send(CHUNKED_POST).await;
    let began = Instant::now();
    tokio::time::timeout(LIMIT, trickle(&mut client, Duration::from_millis(10))).await.expect("it is cut");
    assert!(began.elapsed() >= Duration::from_secs(2), "not before its time");
    assert_eq!(fake.executed(), 1);
}

#[tokio::test]
async fn a_body_over_its_limit_is_refused_with_413_announced_or_not() {
    let fake = Fake::plain("a").await;
    for buffer in [0, 1000] {
        let body = BodyLimits { most_bytes: Some(10), buffer, ..BodyLimits::default() };
        let balancer = with(Limits { body, ..Limits::default() }, &fake).await;
        for request in [
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n".to_owned(),
            format!("{CHUNKED_POST}6\r\nabcdef\r\n5\r\nghijk\r\n"),
        ] {
            let mut client = Raw::connect(&balancer).await;
            client.send(request).await;
            let answer = client.answer().await.expect("an answer comes");
            assert_eq!((answer.status, answer.error()), (413, Some("bad-request")));
            assert!(client.is_closed().await);
        }
        assert_eq!(Raw::connect(&balancer).await.post("/", "0123456789").await.status, 200);
    }
    assert_eq!(fake.executed(), 2);
}

/// What is gathered is bounded for all clients together. Those who use it up shall not have the instances to
/// themselves: the beginning of a body is always gathered, and that is all of most.
#[tokio::test]
async fn bodies_that_are_gathered_have_a_limit_in_common_and_small_ones_are_gathered_all_the_same() {
    let fake = Fake::plain("a").await;
    let body = BodyLimits { buffers: 40_000, ..BodyLimits::default() };
    let balancer = with(Limits { body, ..Limits::default() }, &fake).await;
    let put = CHUNKED_POST.replace("POST", "PUT");
    let mut large = Raw::connect(&balancer).await;
    large.send(format!("{put}9c40\r\n{}\r\n", "x".repeat(40_000))).await;
    eventually_async("it streams", async || fake.seen().len() == 1).await;
    let mut small = Vec::new();
    for _ in 0..3 {
        let mut client = Raw::connect(&balancer).await;
        client.send(format!("{CHUNKED_POST}1\r\nx\r\n")).await;
        small.push(client);
    }
    assert_eq!(Raw::connect(&balancer).await.get("/").await.body, "a");
    assert_eq!(balancer.instances()[0].in_flight, 1, "the large one");
    small.push(large);
    for client in &mut small {
        client.send("0\r\n\r\n").await;
        assert_eq!(client.answer().await.expect("an answer comes").status, 200);
    }
}

/// Each chunk would cost more than what is in it.
#[tokio::test]
async fn many_tiny_chunks_arrive_as_they_were_sent() {
    let fake = Fake::plain("a").await;
    let balancer = with(Limits::default(), &fake).await;
    let mut client = Raw::connect(&balancer).await;
    let letters: Vec<u8> = (0..3000).map(|n| b'a' + u8::try_from(n % 26).expect("small")).collect();
    let chunks = letters
        .iter()
        .fold(String::new(), |chunks, letter| chunks + "1\r\n" + &char::from(*letter).to_string() + "\r\n");
    client.send(format!("{CHUNKED_POST}{chunks}0\r\n\r\n")).await;
    assert_eq!(client.answer().await.expect("an answer comes").status, 200);
    assert_eq!(fake.seen()[0].body, letters);
    // Whatever comes before them, trailers arrive.
    for count in (0..8).chain(250..260) {
        let body = "1\r\nx\r\n".repeat(count);
        let head = CHUNKED_POST.replace("\r\n\r\n", "\r\nTrailer: X-Sum\r\n\r\n");
        client.send(format!("{head}{body}0\r\nX-Sum: {count}\r\n\r\n")).await;
        assert_eq!(client.answer().await.expect("an answer comes").status, 200);
        let seen = fake.seen().pop().expect("it came");
        assert_eq!((seen.body.len(), seen.trailers.trim()), (count, &*format!("x-sum: {count}")));
    }
}

/// Some servers refuse a POST that announces neither a length nor chunks.
#[tokio::test]
async fn an_empty_chunked_body_is_forwarded_with_a_length_or_chunks() {
    let fake = Fake::plain("a").await;
    for buffer in [0, 1000] {
        let body = BodyLimits { buffer, ..BodyLimits::default() };
        let balancer = with(Limits { body, ..Limits::default() }, &fake).await;
        let mut client = Raw::connect(&balancer).await;
        client.send(format!("{CHUNKED_POST}0\r\n\r\n")).await;
        assert_eq!(client.answer().await.expect("an answer comes").status, 200);
        let seen = fake.seen().pop().expect("it came");
        let framing = (seen.header("content-length"), seen.header("transfer-encoding"));
        assert!(matches!(framing, (Some("0"), None) | (None, Some("chunked"))), "{framing:?}");
    }
}

/// Clients that connect and say nothing, or nothing more, used up every socket.
#[tokio::test]
async fn idle_connections_make_room_for_new_ones_and_busy_ones_stay() {
    let bell = Arc::new(Notify::new());
    let rings = Arc::clone(&bell);
    let fake = Fake::new(move |seen| {
        let wait = seen.line.contains("busy").then(|| Step::Wait(Arc::clone(&rings)));
        wait.into_iter().chain([ok("a")]).collect()
    })
    .await;
    let balancer = with(Limits { connections: Some(20), ..Limits::default() }, &fake).await;
    let mut busy = Vec::new();
    for _ in 0..5 {
        let mut client = Raw::connect(&balancer).await;
        client.send("GET /busy HTTP/1.1\r\nHost: a\r\n\r\n").await;
        busy.push(client);
    }
    eventually_async("they are in flight", async || balancer.instances()[0].in_flight == 5).await;
    let mut idle = Vec::new();
    for number in 0..100 {
        let mut client = Raw::connect(&balancer).await;
        match number % 3 {
            0 => {}
            1 => client.send("GET / HTTP/1.1\r\n").await,
            _ => assert_eq!(client.get("/").await.body, "a", "{number}"),
        }
        idle.push(client);
    }
    assert_eq!(Raw::connect(&balancer).await.get("/").await.body, "a");
    // The oldest are gone.
    assert!(idle[0].is_closed().await && idle[50].is_closed().await);
    for _ in 0..5 {
        bell.notify_one();
    }
    for client in &mut busy {
        assert_eq!(client.answer().await.expect("an answer comes").body, "a");
    }
}

#[tokio::test]
async fn the_connection_that_rested_longest_is_closed_first() {
    let fake = Fake::plain("a").await;
    let mut one_thread = config(Routing::RoundRobin);
    one_thread.threads = 1;
    one_thread.limits.connections = Some(4);
    let balancer = balancer(one_thread);
    add_healthy(&balancer, &[&fake]).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(Raw::connect(&balancer).await);
    }
    // None has to go as long as nobody waits for its place.
    for at in [1, 3, 0, 2] {
        assert_eq!(clients[at].get("/").await.body, "a");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut fifth = Raw::connect(&balancer).await;
    assert_eq!(fifth.get("/").await.body, "a");
    assert!(clients[1].is_closed().await, "it was idle longest");
    for at in [3, 0, 2] {
        assert_eq!(clients[at].get("/").await.body, "a");
    }
}

/// With a single place each client gets its turn, also one that thinks before it asks.
#[tokio::test]
async fn a_connection_stays_until_another_one_needs_its_place() {
    let fake = Fake::plain("a").await;
    let mut one_thread = config(Routing::RoundRobin);
    one_thread.threads = 1;
    one_thread.limits.connections = Some(1);
    let balancer = balancer(one_thread);
    add_healthy(&balancer, &[&fake]).await;
    for _ in 0..3 {
        let mut client = Raw::connect(&balancer).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(client.get("/").await.body, "a");
    }
}

/// Its last bytes are still on their way when hyper has taken them all.
#[tokio::test]
async fn an_answer_that_is_still_written_makes_no_room() {
    let large = "x".repeat(8_000_000);
    let fake = Fake::new(move |seen| vec![ok(if seen.line.contains("large") { &large } else { "a" })]).await;
    let mut one_thread = config(Routing::RoundRobin);
    one_thread.threads = 1;
    one_thread.limits.connections = Some(3);
    let balancer = balancer(one_thread);
    add_healthy(&balancer, &[&fake]).await;
    let mut reader = Raw::connect(&balancer).await;
    reader.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // Reads as far as it takes until the instance has given all of it.
    while balancer.instances()[0].in_flight > 0 || balancer.instances()[0].served == 0 {
        let _ = tokio::time::timeout(Duration::from_millis(5), reader.read()).await;
    }
    for _ in 0..6 {
        assert_eq!(Raw::connect(&balancer).await.get("/").await.body, "a");
    }
    assert!(reader.answer().await.is_some_and(|answer| answer.whole && answer.body.len() == 8_000_000));
}

#[tokio::test]
async fn where_every_connection_is_busy_new_ones_wait_until_one_is_not() {
    let bell = Arc::new(Notify::new());
    let rings = Arc::clone(&bell);
    let fake = Fake::new(move |_| vec![Step::Wait(Arc::clone(&rings)), ok("a")]).await;
    let mut one_thread = config(Routing::RoundRobin);
    one_thread.threads = 1;
    one_thread.limits.connections = Some(2);
    let balancer = balancer(one_thread);
    add_healthy(&balancer, &[&fake]).await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = Raw::connect(&balancer).await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        clients.push(client);
    }
    for served in 1..=6 {
        eventually_async("the next one is there", async || fake.executed() >= served).await;
        assert!(balancer.instances()[0].in_flight <= 2);
        bell.notify_one();
    }
    for client in &mut clients {
        bell.notify_one();
        assert_eq!(client.answer().await.expect("an answer comes").body, "a");
    }
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
