//! HTTP/1 by TLS: limits and ends of connections are those of HTTP/1 without it.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use test_basics::{LIMIT, eventually_async};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::world::{Fake, Step, add_healthy, balancer, config, never, ok, raw};
use crate::balancer::config::Limits;
use crate::balancer::{Balancer, CertificateFiles, Certificates, Config, Connecting, Routing};

/// A balancer with a certificate, and a client that trusts it.
struct Secure {
    balancer: Balancer,
    client: Arc<ClientConfig>,
}

impl Secure {
    async fn new(limits: Limits, fake: &Fake) -> Secure {
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        let files =
            CertificateFiles { certificate: folder.path().join("certificate.pem"), key: folder.path().join("key.pem") };
        std::fs::write(&files.certificate, made.cert.pem()).expect("it is written");
        std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("it is written");
        let certificates = Certificates::read(files, Vec::new()).expect("they can be used");
        let connecting = Connecting { tls: Some(Arc::new(certificates)), ..Connecting::default() };
        let balancer = balancer(Config { limits, connecting, ..config(Routing::RoundRobin) });
        add_healthy(&balancer, &[fake]).await;
        Secure { balancer, client: Arc::new(trusting(made.cert.der().clone())) }
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.balancer.local_addr()).await.expect("the balancer accepts");
        let name = ServerName::try_from("a.example").expect("a name");
        TlsConnector::from(Arc::clone(&self.client)).connect(name, stream).await.expect("a handshake")
    }

    async fn asked(&self) -> TlsStream<TcpStream> {
        let mut stream = self.connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await.expect("the balancer reads");
        stream
    }
}

fn trusting(certificate: CertificateDer<'static>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    builder.expect("versions").with_root_certificates(roots).with_no_client_auth()
}

/// What comes until the connection ends, and whether it ends in order.
async fn rest(stream: &mut TlsStream<TcpStream>) -> (Vec<u8>, bool) {
    let mut rest = Vec::new();
    let reading = tokio::time::timeout(LIMIT, stream.read_to_end(&mut rest)).await.expect("it ends");
    (rest, reading.is_ok())
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected() {
    let large = "x".repeat(30_000_000);
    let fake = Fake::new(move |_| vec![ok(&large)]).await;
    let time = Duration::from_millis(300);
    let secure = Secure::new(Limits { idle_time: time, read_time: time, ..Limits::default() }, &fake).await;
    let mut stream = secure.asked().await;
    eventually_async("it is in flight", async || secure.balancer.instances()[0].served == 1).await;
    eventually_async("it is cut", async || secure.balancer.instances()[0].in_flight == 0).await;
    let (came, in_order) = rest(&mut stream).await;
    assert!(came.len() < 30_000_000 && !in_order);
    // Whoever reads gets it all; then the connection is idle, and ends.
    let (came, _) = rest(&mut secure.asked().await).await;
    assert!(came.len() > 30_000_000);
}

/// TLS takes each of these responses whole into its own buffer.
#[tokio::test]
async fn a_client_that_reads_none_of_many_small_responses_is_disconnected() {
    let small = "x".repeat(20_000);
    let fake = Fake::new(move |_| vec![ok(&small)]).await;
    let secure = Secure::new(Limits { read_time: Duration::from_millis(300), ..Limits::default() }, &fake).await;
    let mut stream = secure.connect().await;
    let requests = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".repeat(1000);
    stream.write_all(requests.as_bytes()).await.expect("the balancer reads");
    eventually_async("it has begun", async || secure.balancer.instances()[0].served > 10).await;
    eventually_async("it is closed", async || secure.balancer.connections() == 0).await;
    assert!(secure.balancer.instances()[0].served < 1000, "the buffers hold all");
}

#[tokio::test]
async fn a_response_that_breaks_off_does_not_end_in_order() {
    // It ends with the connection: a farewell of TLS would say that it is complete.
    let begin = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let fake = Fake::new(move |_| vec![raw(begin), Step::Reset]).await;
    let secure = Secure::new(Limits::default(), &fake).await;
    let mut stream = secure.connect().await;
    stream.write_all(b"GET / HTTP/1.0\r\nHost: a.example\r\n\r\n").await.expect("the balancer reads");
    let (came, in_order) = rest(&mut stream).await;
    assert!(!in_order, "{}", String::from_utf8_lossy(&came));
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_request() {
    let fake = Fake::new(|_| vec![never()]).await;
    let secure = Secure::new(Limits::default(), &fake).await;
    let stream = secure.asked().await;
    eventually_async("it is in flight", async || secure.balancer.instances()[0].in_flight == 1).await;
    drop(stream);
    eventually_async("nothing is in flight", async || secure.balancer.instances()[0].in_flight == 0).await;
}

#[tokio::test]
async fn sessions_are_resumed_whichever_worker_serves() {
    let fake = Fake::plain("a").await;
    let secure = Secure::new(Limits::default(), &fake).await;
    let mut open = Vec::new();
    for number in 0..8 {
        let mut stream = secure.asked().await;
        // The tickets come with the response.
        let mut piece = [0; 1000];
        assert!(stream.read(&mut piece).await.expect("a response") > 0);
        let kind = stream.get_ref().1.handshake_kind();
        let expected = if number == 0 { HandshakeKind::Full } else { HandshakeKind::Resumed };
        assert_eq!(kind, Some(expected), "{number}");
        // Kept open, so that the workers take turns.
        open.push(stream);
    }
}

#[tokio::test]
async fn a_connection_that_shakes_hands_delays_no_stop() {
    let fake = Fake::plain("a").await;
    let secure = Secure::new(Limits::default(), &fake).await;
    let _silent = TcpStream::connect(secure.balancer.local_addr()).await.expect("the balancer accepts");
    let _idle = secure.connect().await;
    tokio::time::timeout(LIMIT, secure.balancer.stop(LIMIT * 10)).await.expect("it stops");
}
