//! Serving over real sockets: health pages, limits, and the drain.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post};
use fungible::{ServeOptions, Served, body_limit, health_pages, serve_layers};
use nix::sys::signal::Signal;
use test_basics::{LIMIT, eventually_async};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::helper::Helper;
use crate::support::{Directory, read_all, request, start, status};

/// A page that tells when it was entered and answers when it is let go.
struct Slow {
    entered: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

impl Slow {
    fn router() -> (Router, Slow) {
        let slow = Slow { entered: Arc::new(Semaphore::new(0)), go: Arc::new(Semaphore::new(0)) };
        let (entered, go) = (slow.entered.clone(), slow.go.clone());
        let page = async move || {
            entered.add_permits(1);
            go.acquire().await.unwrap().forget();
            "slow but sure"
        };
        (Router::new().route("/slow", get(page)).route("/quick", get(async || "quick")), slow)
    }

    async fn entered(&self) {
        tokio::time::timeout(LIMIT, self.entered.acquire()).await.unwrap().unwrap().forget();
    }
}

/// A connection on which one request is on the way.
async fn send(address: std::net::SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn refused(address: std::net::SocketAddr) {
    eventually_async("connections are refused", async || TcpStream::connect(address).await.is_err()).await;
}

#[tokio::test]
async fn the_health_pages_ask_the_store() {
    let directory = Directory::new();
    let store = directory.open().await;
    let server = start(Router::new(), Some(store), ServeOptions::default()).await;
    let get = async |path: &str| status(&request(server.address, &format!("GET {path} HTTP/1.1"), "").await);
    assert_eq!((get("/livez").await, get("/readyz").await, get("/other").await), (200, 200, 404));
    // The store's content is gone: this instance lives, but is not ready.
    let other = rusqlite::Connection::open(directory.store()).unwrap();
    other.execute_batch("DROP TABLE fungible_migrations").unwrap();
    assert_eq!((get("/livez").await, get("/readyz").await), (200, 503));
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_and_takes_nothing_new() {
    let (router, slow) = Slow::router();
    let server = start(router, None, ServeOptions::default()).await;
    let mut idle = send(server.address, "GET /quick HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut buffer = [0; 1024];
    assert!(idle.read(&mut buffer).await.unwrap() > 0);
    let mut busy = send(server.address, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    slow.entered().await;

    server.stop.send(()).unwrap();
    refused(server.address).await;
    assert_eq!(idle.read(&mut buffer).await.unwrap(), 0, "the idle connection is closed");
    assert!(!server.task.is_finished());
    slow.go.add_permits(1);
    let answer = read_all(&mut busy).await;
    assert_eq!(status(&answer), 200);
    assert!(answer.contains("connection: close") && answer.ends_with("slow but sure"), "{answer}");
    assert_eq!(server.task.await.unwrap(), Served { cut: 0 });
}

#[tokio::test]
async fn a_drain_cuts_what_takes_too_long() {
    let (router, slow) = Slow::router();
    let options = ServeOptions::default().drain_time(Duration::from_millis(100));
    let server = start(router, None, options).await;
    let mut busy = send(server.address, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    slow.entered().await;
    server.stop.send(()).unwrap();
    assert_eq!(server.task.await.unwrap(), Served { cut: 1 });
    assert_eq!(read_all(&mut busy).await, "");
}

#[tokio::test]
async fn during_the_notice_it_is_not_ready_but_answers_everything() {
    let (router, slow) = Slow::router();
    let options = ServeOptions::default().notice_time(Duration::from_millis(500));
    let server = start(router, None, options).await;
    let address = server.address;
    assert_eq!(status(&request(address, "GET /readyz HTTP/1.1", "").await), 200);
    let _busy = send(address, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    slow.entered().await;
    server.stop.send(()).unwrap();
    eventually_async("not ready", async || status(&request(address, "GET /readyz HTTP/1.1", "").await) == 503).await;
    let mut quick = send(address, "GET /quick HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let answer = read_all(&mut quick).await;
    assert!(answer.contains("connection: close") && answer.ends_with("quick"), "{answer}");
    refused(address).await;
    slow.go.add_permits(1);
    assert_eq!(server.task.await.unwrap(), Served { cut: 0 });
}

#[tokio::test]
async fn connections_that_wait_to_be_accepted_when_the_word_to_stop_comes_are_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let mut client = std::net::TcpStream::connect(address).unwrap();
            client.write_all(b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            client.set_nonblocking(true).unwrap();
            client
        })
        .collect();
    let (router, _slow) = Slow::router();
    let ready = async || Ok::<(), String>(());
    let served = fungible::serve(listener, router, ready, async {}, ServeOptions::default()).await;
    assert_eq!(served, Served { cut: 0 });
    for client in clients {
        let mut client = TcpStream::from_std(client).unwrap();
        assert_eq!(status(&read_all(&mut client).await), 200);
    }
}

#[tokio::test]
async fn the_first_request_of_a_connection_may_come_when_the_drain_has_begun() {
    let (router, _slow) = Slow::router();
    let server = start(router, None, ServeOptions::default()).await;
    let mut late = TcpStream::connect(server.address).await.unwrap();
    // Connections are accepted in order: when this one is answered, that one has been accepted.
    assert_eq!(status(&request(server.address, "GET /quick HTTP/1.1", "").await), 200);
    server.stop.send(()).unwrap();
    refused(server.address).await;
    late.write_all(b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let answer = read_all(&mut late).await;
    assert!(answer.contains("connection: close") && answer.ends_with("quick"), "{answer}");
    assert_eq!(server.task.await.unwrap(), Served { cut: 0 });
}

#[tokio::test]
async fn clients_that_are_too_slow_are_cut_and_others_served() {
    let brief = Duration::from_millis(200);
    let options = ServeOptions::default().header_time(brief).body_time(brief);
    let router = Router::new()
        .route("/echo", post(async |body: Bytes| body))
        .route("/large", get(async || vec![b'x'; 64 << 20]));
    let server = start(router, None, options).await;
    let mut headers = send(server.address, "GET /echo HTTP/1.1\r\nHost: x\r\nX-Slow").await;
    let mut silent = send(server.address, "").await;
    let mut body = send(server.address, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc").await;
    // A client that asks for much and reads nothing of it.
    let deaf = send(server.address, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let answer = request(server.address, "POST /echo HTTP/1.1", "quick").await;
    assert!(answer.ends_with("quick"), "{answer}");
    let start = Instant::now();
    assert!(!read_all(&mut headers).await.contains("200 OK"));
    assert_eq!(read_all(&mut silent).await, "");
    let answer = read_all(&mut body).await;
    assert!(status(&answer) == 400 || status(&answer) == 408, "{answer}");
    let theirs = Duration::from_secs(20);
    assert!(start.elapsed() < theirs, "cut by our limits, not by those of the libraries below");
    // Without reading: its connection must be gone from the server, so that a drain has nothing to cut.
    server.stop.send(()).unwrap();
    assert_eq!(server.task.await.unwrap(), Served { cut: 0 });
    drop(deaf);
}

async fn marked(response: Response) -> ([(&'static str, &'static str); 1], Response) {
    ([("x-of-the-router", "yes")], response)
}

#[tokio::test]
async fn bodies_and_headers_that_are_too_large_are_refused() {
    let options = ServeOptions::default().body_bytes(100);
    // The router answers, not something around it: so its layers see the refusal.
    let router = Router::new().route("/echo", post(async |body: Bytes| body)).layer(map_response(marked));
    let server = start(router, None, options).await;
    let announced = "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 101\r\n\r\n";
    let answer = read_all(&mut send(server.address, announced).await).await;
    assert_eq!((status(&answer), answer.contains("x-of-the-router: yes")), (413, true), "before it comes: {answer}");
    assert_eq!(status(&request(server.address, "POST /echo HTTP/1.1", &"x".repeat(100)).await), 200);
    assert_eq!(status(&request(server.address, "POST /echo HTTP/1.1", &"x".repeat(101)).await), 413);
    let chunked = format!(
        "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n80\r\n{}\r\n0\r\n\r\n",
        "x".repeat(128)
    );
    assert_eq!(status(&read_all(&mut send(server.address, &chunked).await).await), 413);
    let head = format!("POST /echo HTTP/1.1\r\nX-Large: {}", "x".repeat(70_000));
    assert_eq!(status(&request(server.address, &head, "").await), 431);
}

/// A handler that reads the body itself, without an extractor.
async fn read_by_itself(body: Body) -> Result<String, StatusCode> {
    let bytes = to_bytes(body, usize::MAX).await.map_err(|_| StatusCode::IM_A_TEAPOT)?;
    Ok(bytes.len().to_string())
}

#[tokio::test]
async fn a_route_may_take_larger_or_smaller_bodies_than_the_others() {
    let echo = || post(async |body: Bytes| body);
    let router = Router::new()
        .route("/default", echo())
        .route("/large", echo().layer(body_limit(3 << 20)))
        .route("/small", echo().layer(body_limit(10)))
        .route("/raw", post(read_by_itself))
        .route("/raw/large", post(read_by_itself).layer(body_limit(200)))
        .route("/lowered", echo().layer(DefaultBodyLimit::max(10)).layer(body_limit(200)))
        .nest("/inner", Router::new().route("/large", echo().layer(body_limit(200))).layer(body_limit(10)));
    let options = ServeOptions::default().body_bytes(100);
    let server = start(router, None, options).await;
    let sent = async |path: &str, bytes: usize| {
        status(&request(server.address, &format!("POST {path} HTTP/1.1"), &"x".repeat(bytes)).await)
    };
    for (path, most) in [("/default", 100), ("/small", 10), ("/lowered", 10), ("/inner/large", 200)] {
        assert_eq!((sent(path, most).await, sent(path, most + 1).await), (200, 413), "{path}");
    }
    for (path, most) in [("/raw", 100), ("/raw/large", 200)] {
        assert_eq!((sent(path, most).await, sent(path, most + 1).await), (200, 418), "{path}");
    }
    // More than the 2 MB that axum's extractors take by default.
    assert_eq!((sent("/large", 3 << 20).await, announced(server.address, "/large", (3 << 20) + 1).await), (200, 413));
}

/// The status of the answer to a body that is announced and never sent.
async fn announced(address: std::net::SocketAddr, path: &str, bytes: usize) -> u16 {
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {bytes}\r\n\r\n");
    status(&read_all(&mut send(address, &head).await).await)
}

#[tokio::test]
async fn health_pages_and_layers_work_with_plain_axum_serve() {
    async fn panics() -> &'static str {
        panic!("on purpose")
    }
    let directory = Directory::new();
    let store = directory.open().await;
    let router = Router::new()
        .route("/panics", get(panics))
        .route("/echo", post(async |body: Bytes| body))
        .route("/large", post(async |body: Bytes| body).layer(body_limit(3 << 20)))
        .merge(health_pages(move || store.health()));
    let options = ServeOptions::default().body_bytes(100).body_time(Duration::from_millis(200));
    let router = serve_layers(router, &options);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    let get = async |path: &str| status(&request(address, &format!("GET {path} HTTP/1.1"), "").await);
    assert_eq!((get("/livez").await, get("/readyz").await, get("/panics").await), (200, 200, 500));
    let sent = async |path: &str, bytes: usize| {
        status(&request(address, &format!("POST {path} HTTP/1.1"), &"x".repeat(bytes)).await)
    };
    assert_eq!((sent("/echo", 100).await, sent("/echo", 101).await), (200, 413));
    assert_eq!((sent("/large", 3 << 20).await, announced(address, "/large", (3 << 20) + 1).await), (200, 413));
    let mut late =
        send(address, "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\nabc").await;
    let answer = read_all(&mut late).await;
    assert!(status(&answer) == 400 || status(&answer) == 408, "{answer}");
    // The store's content is gone: this instance lives, but is not ready.
    let other = rusqlite::Connection::open(directory.store()).unwrap();
    other.execute_batch("DROP TABLE fungible_migrations").unwrap();
    assert_eq!((get("/livez").await, get("/readyz").await), (200, 503));
    server.abort();
}

#[tokio::test]
async fn a_handler_that_panics_is_a_500_and_the_next_request_works() {
    async fn panics() -> &'static str {
        panic!("on purpose")
    }
    let router = Router::new().route("/", get(panics)).route("/fine", get(async || "fine"));
    let server = start(router, None, ServeOptions::default()).await;
    let answer = request(server.address, "GET / HTTP/1.1", "").await;
    assert_eq!(status(&answer), 500);
    assert!(answer.ends_with("The service failed; please tell its operator.\n"), "{answer}");
    assert_eq!(status(&request(server.address, "GET /fine HTTP/1.1", "").await), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_drains_on_sigterm_and_on_sigint() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let directory = Directory::new();
        let mut helper = Helper::start("serve", &directory.url());
        let address = helper.hear().parse().unwrap();
        assert_eq!(status(&request(address, "GET /readyz HTTP/1.1", "").await), 200);
        let slow = tokio::spawn(async move { request(address, "GET /slow HTTP/1.1", "").await });
        assert_eq!(helper.hear(), "entered");
        helper.signal(signal);
        refused(address).await;
        helper.tell("go on");
        assert!(slow.await.unwrap().ends_with("slow but sure"));
        assert_eq!(helper.hear(), "Served { cut: 0 }");
    }
}
