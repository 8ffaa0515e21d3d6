//! Certificates by name, bad input, redirects, the PROXY protocol, slow clients.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;
use test_basics::{free_port, raw};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::certificates::issue_for_years;
use super::{connect, http1, issue, trusting};
use crate::world::{Place, program};

/// The arguments of a fleet of `echo.py`.
pub(super) fn run<'a>(more: &[&'a str], program: &'a str) -> Vec<&'a str> {
    [&["run", "-n", "2", "--listen", "127.0.0.1:0"], more, &["--", "python3", program]].concat()
}

const GET: &str = "GET /echo HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";

fn json(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").expect(answer).1).unwrap()
}

/// The value of a field that an instance got.
pub(super) fn field<'a>(said: &'a Value, name: &str) -> Vec<&'a str> {
    let all = said["headers"].as_array().unwrap().iter();
    all.filter(|field| field[0] == name).map(|field| field[1].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_certificate_is_chosen_by_the_name_that_is_asked_for() {
    let place = Place::new();
    let first = issue(place.folder.path(), "first", &["a.example", "*.wild.example"]);
    let second = issue(place.folder.path(), "second", &["b.example"]);
    let echo = program("echo.py");
    let fleet = place.fleet(&run(&[first.arguments(), second.arguments()].concat(), &echo));
    fleet.healthy(2);
    let all = trusting(&[&first.pem, &second.pem], &["http/1.1"]);
    for (name, expected) in [("a.example", &first), ("x.wild.example", &first), ("b.example", &second)] {
        let stream = connect(fleet.address, &all, name).await.unwrap();
        let given = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        let pem = fs::read_to_string(&expected.certificate).unwrap();
        let expected = <rustls::pki_types::CertificateDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_slice(
            pem.as_bytes(),
        );
        assert_eq!(given, expected.unwrap(), "{name}");
        let said = json(&http1(stream, GET).await);
        assert_eq!(field(&said, "x-forwarded-proto"), ["https"]);
    }
    // An unknown name gets the first one, which is not for it.
    assert!(connect(fleet.address, &all, "elsewhere.example").await.is_err());
    assert!(connect(fleet.address, &trusting(&[&first.pem], &["http/0.9"]), "a.example").await.is_err());
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_in_one_line() {
    let place = Place::new();
    let folder = place.folder.path();
    let good = issue(folder, "good", &["a.example"]);
    issue(folder, "other", &["a.example"]);
    issue_for_years(folder, "old", &["a.example"], 2001, 2002);
    issue_for_years(folder, "early", &["a.example"], 2110, 2120);
    fs::write(folder.join("empty.pem"), "").unwrap();
    fs::write(folder.join("torn.pem"), &good.pem[..good.pem.len() / 2]).unwrap();
    fs::write(folder.join("no-x509.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let encrypted = good.key_pem.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    fs::write(folder.join("encrypted.key"), encrypted).unwrap();
    for (arguments, expected) in [
        (
            &["--tls-cert", "good.pem", "--tls-key", "other.key"][..],
            "other.key does not belong to the first certificate",
        ),
        (&["--tls-cert", "old.pem", "--tls-key", "old.key"], "old.pem expired at 2002-01-01T00:00:00Z: renew it"),
        (&["--tls-cert", "early.pem", "--tls-key", "early.key"], "early.pem is not valid before 2110-01-01T00:00:00Z"),
        (&["--tls-cert", "none.pem", "--tls-key", "good.key"], "cannot read none.pem: No such file"),
        (&["--tls-cert", "good.pem", "--tls-key", "none.key"], "cannot read none.key: No such file"),
        (&["--tls-cert", "empty.pem", "--tls-key", "good.key"], "empty.pem has no certificate"),
        (&["--tls-cert", "torn.pem", "--tls-key", "good.key"], "torn.pem is not valid PEM"),
        (&["--tls-cert", "no-x509.pem", "--tls-key", "good.key"], "no-x509.pem cannot be parsed"),
        (&["--tls-cert", "good.pem", "--tls-key", "empty.pem"], "empty.pem has no private key"),
        (&["--tls-cert", "good.pem", "--tls-key", "good.pem"], "good.pem has no private key"),
        (&["--tls-cert", "good.pem", "--tls-key", "encrypted.key"], "encrypted.key is encrypted: decrypt it"),
        (&["--tls-cert", "good.pem"], "--tls-cert is given once and --tls-key not at all: give one key for each"),
        (
            &["--tls-cert", "good.pem", "--tls-key", "good.key", "--tls-key", "good.key"],
            "--tls-cert is given once and --tls-key 2 times",
        ),
        (&["--redirect-http", "127.0.0.1:0"], "without --tls-cert and --tls-key there is no https address"),
        (&["--tls-cert", "good.pem", "--tls-key", "good.key", "--h2c"], "leave out --h2c"),
    ] {
        let all = [&["run", "--listen", "127.0.0.1:0"], arguments, &["--", "touch", "started"]].concat();
        let output = place.output(&all);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        assert!(said.starts_with("fungible: ") && said.contains(expected), "{arguments:?}: {said}");
        assert!(!fs::exists(folder.join("started")).unwrap(), "{arguments:?}");
    }
}

#[test]
fn requests_without_tls_are_redirected() {
    let place = Place::new();
    let files = issue(place.folder.path(), "a", &["a.example"]);
    let redirect = SocketAddr::from(([127, 0, 0, 1], free_port())).to_string();
    let echo = program("echo.py");
    let fleet = place.fleet(&run(&[&files.arguments()[..], &["--redirect-http", &redirect]].concat(), &echo));
    fleet.healthy(2);
    let redirect: SocketAddr = redirect.parse().unwrap();
    let port = fleet.address.port();
    for method in ["GET", "POST"] {
        let request = format!("{method} /a/b?c=d HTTP/1.1\r\nHost: a.example:80\r\nContent-Length: 0\r\n\r\n");
        let answer = raw(redirect, &request).unwrap();
        assert_eq!(answer.status, 308);
        assert_eq!(answer.header("location"), Some(format!("https://a.example:{port}/a/b?c=d").as_str()));
    }
    for host in ["Host: a b\r\n", "Host: a/b\r\n", "Host: a@b\r\n", "Host: :80\r\n", "Host: a\r\nHost: b\r\n", ""] {
        let answer = raw(redirect, &format!("GET / HTTP/1.1\r\n{host}\r\n")).unwrap();
        assert_eq!((answer.status, answer.header("location")), (400, None), "{host}");
    }
    let status = fleet.status();
    let served: u64 = status["instances"].as_array().unwrap().iter().map(|one| one["served"].as_u64().unwrap()).sum();
    assert_eq!(served, 0, "no instance is asked");
}

/// A header of version 2 that says that the client is 192.0.2.7:12345.
const VERSION_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x0a\x00\x00\x01\x30\x39\x00\x50";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";

#[tokio::test]
async fn the_proxy_protocol_says_who_the_client_is() {
    let place = Place::new();
    let echo = program("echo.py");
    let fleet = place.fleet(&run(&["--proxy-protocol"], &echo));
    fleet.healthy(2);
    for (header, expected) in [
        (VERSION_2, "192.0.2.7"),
        (LOCAL, "127.0.0.1"),
        (b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "2001:db8::1"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    ] {
        let answer = raw(fleet.address, &[header, GET.as_bytes()].concat()).unwrap();
        assert_eq!(field(&answer.json(), "x-forwarded-for"), [expected]);
        assert_eq!(field(&answer.json(), "x-forwarded-proto"), ["http"]);
    }
    let none = raw(fleet.address, GET).unwrap_err();
    assert!(!none.begun, "a connection without the header is closed: {none:?}");

    let files = issue(place.folder.path(), "a", &["a.example"]);
    let other = Place::new();
    let fleet = other.fleet(&run(&[&files.arguments()[..], &["--proxy-protocol"]].concat(), &echo));
    fleet.healthy(2);
    let mut socket = tokio::net::TcpStream::connect(fleet.address).await.unwrap();
    socket.write_all(VERSION_2).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("a.example").unwrap();
    let connector = tokio_rustls::TlsConnector::from(trusting(&[&files.pem], &["http/1.1"]));
    let stream = connector.connect(name, socket).await.unwrap();
    let said = json(&http1(stream, GET).await);
    assert_eq!(field(&said, "x-forwarded-for"), ["192.0.2.7"]);
    assert_eq!(field(&said, "x-forwarded-proto"), ["https"]);
}

/// How long it takes until a connection ends to which these bytes were sent.
fn ends_after(to: SocketAddr, bytes: &[u8]) -> Duration {
    let began = Instant::now();
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut rest = Vec::new();
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut rest);
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_open_slowly_are_disconnected() {
    let place = Place::new();
    let files = issue(place.folder.path(), "a", &["a.example"]);
    let redirect = SocketAddr::from(([127, 0, 0, 1], free_port())).to_string();
    let echo = program("echo.py");
    let fleet = place.fleet(&run(&[&files.arguments()[..], &["--redirect-http", &redirect]].concat(), &echo));
    let proxied = Place::new();
    let behind = proxied.fleet(&run(&["--proxy-protocol"], &echo));
    let (to, redirect, behind_address) = (fleet.address, redirect.parse().unwrap(), behind.address);
    let silent: [(SocketAddr, &'static [u8]); 5] = [
        (to, b""),
        (to, b"\x16\x03\x01\x02\x00\x01"),
        (redirect, b"GET / HTTP/1.1\r\nHost: a"),
        (behind_address, b"\r\n\r\n\0\r\nQUIT"),
        (behind_address, b"PROXY TCP4 "),
    ];
    let mut waiting: Vec<_> =
        silent.map(|(to, bytes)| tokio::task::spawn_blocking(move || ends_after(to, bytes))).into();
    // After the handshake: a head of HTTP/1, a preface, and the fields of a request that do not end.
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let fields = format!("{preface}\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\0\0\0\0\x01\u{2}");
    for (protocol, bytes) in [("http/1.1", "GET / HTTP/1.1\r\nHost: a"), ("h2", &preface[..10]), ("h2", &fields)] {
        let (config, bytes) = (trusting(&[&files.pem], &[protocol]), bytes.to_owned());
        waiting.push(tokio::spawn(async move {
            let began = Instant::now();
            let mut stream = connect(to, &config, "a.example").await.unwrap();
            stream.write_all(bytes.as_bytes()).await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
            began.elapsed()
        }));
    }
    for (number, one) in waiting.into_iter().enumerate() {
        let took = one.await.unwrap();
        assert!((Duration::from_secs(9)..Duration::from_secs(12)).contains(&took), "{number}: {took:?}");
    }
    drop(behind);
}
