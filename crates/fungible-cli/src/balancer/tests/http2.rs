//! HTTP/2: what a client may cost, and how connections end. Without TLS, which makes no difference here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use test_basics::{LIMIT, eventually_async};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::world::{Fake, Raw, Step, add_healthy, balancer, config, never, ok, raw};
use crate::balancer::config::Limits;
use crate::balancer::{Balancer, BodyLimits, Config, Connecting, Routing};

const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frames of SETTINGS without content, and of an acknowledgement of them.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const ACKNOWLEDGED: &[u8] = &[0, 0, 0, 4, 1, 0, 0, 0, 0];

async fn with(limits: Limits, fake: &Fake) -> Balancer {
    let connecting = Connecting { h2c: true, ..Connecting::default() };
    let balancer = balancer(Config { limits, connecting, ..config(Routing::RoundRobin) });
    add_healthy(&balancer, &[fake]).await;
    balancer
}

/// A client that accepts so much of each response before it reads it.
async fn client<B>(balancer: &Balancer, window: u32) -> SendRequest<B>
where
    B: http_body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + Unpin + 'static,
{
    let stream = TcpStream::connect(balancer.local_addr()).await.expect("the balancer accepts");
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.initial_stream_window_size(window);
    let (sender, connection) = http.handshake(TokioIo::new(stream)).await.expect("a handshake");
    tokio::spawn(connection);
    sender
}

async fn get(client: &mut SendRequest<Full<Bytes>>, path: &str) -> hyper::Result<Response<Incoming>> {
    client.ready().await?;
    client.send_request(Request::get(format!("http://a{path}")).body(Full::default()).expect("a request")).await
}

async fn body(response: Response<Incoming>) -> hyper::Result<Bytes> {
    Ok(response.into_body().collect().await?.to_bytes())
}

/// `/wait` waits until the bell rings, `/large` is long, all others are answered at once.
async fn instance(bell: &Arc<Notify>) -> Fake {
    let (bell, large) = (Arc::clone(bell), "x".repeat(3_000_000));
    Fake::new(move |seen| match seen.line.split(' ').nth(1) {
        Some("/wait") => vec![Step::Wait(Arc::clone(&bell)), ok("waited")],
        Some("/for-ever") => vec![never()],
        Some("/large") => vec![ok(&large)],
        Some("/breaks") => vec![raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"), Step::Close],
        _ => vec![ok("a")],
    })
    .await
}

#[tokio::test]
async fn a_connection_without_a_stream_is_ended_in_order_after_its_time() {
    let bell = Arc::new(Notify::new());
    let fake = instance(&bell).await;
    let balancer = with(Limits { idle_time: Duration::from_millis(300), ..Limits::default() }, &fake).await;
    let (mut idle, mut busy) = (client(&balancer, 1 << 20).await, client(&balancer, 1 << 20).await);
    assert_eq!(body(get(&mut idle, "/").await.expect("a response")).await.expect("whole"), "a");
    let waiting = tokio::spawn(async move { body(get(&mut busy, "/wait").await?).await });
    eventually_async("it is told to leave", async || idle.is_closed()).await;
    bell.notify_one();
    assert_eq!(waiting.await.expect("no panic").expect("a response"), "waited");
}

#[tokio::test]
async fn a_stream_whose_client_does_not_read_is_reset_and_no_other() {
    let fake = instance(&Arc::new(Notify::new())).await;
    let balancer = with(Limits { read_time: Duration::from_millis(400), ..Limits::default() }, &fake).await;
    let mut client = client(&balancer, 1000).await;
    let unread = get(&mut client, "/large").await.expect("a response");
    eventually_async("it is in flight", async || balancer.instances()[0].in_flight == 1).await;
    let mut read = 0;
    while balancer.instances()[0].in_flight > 0 {
        assert_eq!(body(get(&mut client, "/").await.expect("a response")).await.expect("whole"), "a");
        read += 1;
    }
    assert!(read > 3, "not before its time: {read}");
    assert!(body(unread).await.is_err(), "the rest was reset");
    assert_eq!(body(get(&mut client, "/large").await.expect("a response")).await.expect("whole").len(), 3_000_000);
}

#[tokio::test]
async fn a_response_that_breaks_off_resets_its_stream() {
    let fake = instance(&Arc::new(Notify::new())).await;
    let balancer = with(Limits::default(), &fake).await;
    let mut client = client(&balancer, 1 << 20).await;
    let response = get(&mut client, "/breaks").await.expect("a response");
    assert!(body(response).await.is_err());
    assert_eq!(body(get(&mut client, "/").await.expect("a response")).await.expect("whole"), "a");
}

/// Each of these requests has reached an instance before it is given up.
#[tokio::test]
async fn a_client_that_gives_up_request_after_request_is_disconnected() {
    let fake = instance(&Arc::new(Notify::new())).await;
    let balancer = with(Limits::default(), &fake).await;
    let mut client = client(&balancer, 1 << 20).await;
    let mut given_up = 0;
    while !client.is_closed() && given_up < 200 {
        let before = fake.seen().len();
        let mut giving_up = client.clone();
        let request = tokio::spawn(async move { get(&mut giving_up, "/for-ever").await });
        eventually_async("it has come", async || fake.seen().len() > before || client.is_closed()).await;
        request.abort();
        eventually_async("it has ended", async || balancer.instances()[0].in_flight == 0).await;
        given_up += 1;
    }
    assert!((100..110).contains(&given_up), "{given_up}");
    assert!(get(&mut client, "/").await.is_err());
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_refused_and_the_connection_goes_on() {
    let fake = instance(&Arc::new(Notify::new())).await;
    let limits = BodyLimits { grace: Duration::from_millis(200), rate: Some(1000), ..BodyLimits::default() };
    let balancer = with(Limits { body: limits, ..Limits::default() }, &fake).await;
    let mut client = client(&balancer, 1 << 20).await;
    let (_never_more, chunks) = tokio::sync::mpsc::channel::<Bytes>(1);
    let request = |body| Request::post("http://a/").body(body).expect("a request");
    client.ready().await.expect("it is open");
    let response = client.send_request(request(Trickle { chunks, first: Some(Bytes::from_static(b"x")) })).await;
    assert_eq!(response.expect("a response").status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(fake.executed(), 0);
    let (_, none) = tokio::sync::mpsc::channel(1);
    let response = client.send_request(request(Trickle { chunks: none, first: None })).await.expect("a response");
    assert_eq!(body(response).await.expect("whole"), "a");
}

/// A body that comes piece by piece.
struct Trickle {
    first: Option<Bytes>,
    chunks: tokio::sync::mpsc::Receiver<Bytes>,
}

impl http_body::Body for Trickle {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        if let Some(first) = self.first.take() {
            return std::task::Poll::Ready(Some(Ok(http_body::Frame::data(first))));
        }
        self.chunks.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(http_body::Frame::data(chunk))))
    }
}

#[tokio::test]
async fn streams_count_as_connections() {
    let bell = Arc::new(Notify::new());
    let fake = instance(&bell).await;
    let limits = Limits { connections: Some(4), ..Limits::default() };
    let connecting = Connecting { h2c: true, ..Connecting::default() };
    let balancer = balancer(Config { limits, connecting, threads: 1, ..config(Routing::RoundRobin) });
    add_healthy(&balancer, &[&fake]).await;
    let mut idle = Raw::connect(&balancer).await;
    assert_eq!(idle.get("/").await.body, "a");
    let client = client(&balancer, 1 << 20).await;
    let waiting: Vec<_> = (0..6)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { body(get(&mut client, "/wait").await?).await })
        })
        .collect();
    assert!(idle.is_closed().await, "the connection that was idle made room");
    eventually_async("as many as there is room for", async || balancer.instances()[0].in_flight == 4).await;
    for one in waiting {
        eventually_async("it is answered", async || {
            bell.notify_one();
            one.is_finished()
        })
        .await;
        assert_eq!(one.await.expect("no panic").expect("a response"), "waited");
    }
}

#[tokio::test]
async fn http1_is_served_beside_http2() {
    let fake = instance(&Arc::new(Notify::new())).await;
    let limits = Limits { header_time: Duration::from_millis(500), ..Limits::default() };
    let balancer = with(limits, &fake).await;
    let mut client = Raw::connect(&balancer).await;
    assert_eq!(client.get("/").await.body, "a");
    // The beginning of a preface that is none.
    let mut client = Raw::connect(&balancer).await;
    client.send("P").await;
    assert_eq!(client.post("OST /", "x").await.status, 400);
    let mut split = Raw::connect(&balancer).await;
    split.send(&PREFACE[..5]).await;
    split.send(&PREFACE[5..]).await;
    split.send(SETTINGS).await;
    let mut head = [0; 4];
    split.stream.read_exact(&mut head).await.expect("an answer comes");
    assert_eq!(head[3], 4, "SETTINGS");
    let mut silent = Raw::connect(&balancer).await;
    silent.send(&PREFACE[..5]).await;
    assert!(silent.is_closed().await);
}

#[tokio::test]
async fn a_client_that_does_not_answer_goaway_delays_no_stop() {
    let fake = instance(&Arc::new(Notify::new())).await;
    let balancer = with(Limits::default(), &fake).await;
    let mut silent = Raw::connect(&balancer).await;
    silent.send([PREFACE.as_bytes(), SETTINGS, ACKNOWLEDGED].concat()).await;
    silent.stream.read_u8().await.expect("SETTINGS come");
    let stopping = tokio::spawn(balancer.stop(LIMIT * 10));
    let rest = async {
        let mut rest = Vec::new();
        let _ = silent.stream.read_to_end(&mut rest).await;
        rest
    };
    let rest = tokio::time::timeout(LIMIT, rest).await.expect("it is closed");
    assert!(rest.windows(5).any(|window| window[0] == 8 && window[1] == 7), "GOAWAY: {rest:?}");
    tokio::time::timeout(LIMIT, stopping).await.expect("it stops").expect("no panic");
    let _ = silent.stream.shutdown().await;
}

/// HTTP/2 finds the end of a body by itself, so programs may differ in what they make of a length that is none. Instances get
/// one that is true, or chunks.
#[tokio::test]
async fn a_content_length_that_is_empty_or_wrong_misleads_no_instance() {
    for buffer in [BodyLimits::default().buffer, 0] {
        let fake = instance(&Arc::new(Notify::new())).await;
        let limits = BodyLimits { buffer, ..BodyLimits::default() };
        let balancer = with(Limits { body: limits, ..Limits::default() }, &fake).await;
        let mut client: SendRequest<Full<Bytes>> = client(&balancer, 1 << 20).await;
        for (lengths, text, is_accepted) in [
            (&[""][..], "", true),
            (&["0"], "", true),
            (&["3"], "abc", true),
            (&["03"], "abc", true),
            (&["3", "3"], "abc", true),
            (&[""], "abc", false),
            (&["2"], "abc", false),
            (&["4"], "abc", false),
            (&["4"], "", false),
            (&["3", "4"], "abc", false),
            (&["3", ""], "abc", false),
            (&["3, 3"], "abc", false),
            (&["+3"], "abc", false),
            (&["-3"], "abc", false),
            (&["0x3"], "abc", false),
            (&["three"], "abc", false),
            (&["18446744073709551619"], "abc", false),
        ] {
            let what = format!("{lengths:?} for {text:?}, buffer {buffer}");
            let before = fake.executed();
            let mut request = Request::post("http://a/");
            for length in lengths {
                request = request.header("content-length", *length);
            }
            client.ready().await.expect("it is open");
            let response = client.send_request(request.body(Full::from(text)).expect("a request")).await;
            assert_eq!(response.as_ref().ok().map(Response::status), is_accepted.then_some(StatusCode::OK), "{what}");
            assert_eq!(fake.executed() - before, usize::from(is_accepted), "{what}");
            if is_accepted {
                let seen = fake.seen().pop().expect("it has come");
                assert_eq!(seen.body, text.as_bytes(), "{what}");
                assert_eq!(seen.header("content-length"), Some(&*text.len().to_string()), "{what}");
                assert_eq!(seen.header("transfer-encoding"), None, "{what}");
            }
        }
        // Whether a body follows is not known when the head has come.
        let mut another = self::client(&balancer, 1 << 20).await;
        let (_, none) = tokio::sync::mpsc::channel(1);
        let request = Request::post("http://a/").header("content-length", "");
        let request = request.body(Trickle { chunks: none, first: None }).expect("a request");
        let response = another.send_request(request).await.expect("a response");
        assert_eq!(response.status(), StatusCode::OK);
        let seen = fake.seen().pop().expect("it has come");
        assert_eq!((seen.header("content-length"), seen.header("transfer-encoding")), (None, Some("chunked")));
    }
}
