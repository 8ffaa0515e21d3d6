//! Header fields on their way to the instance and back, and requests that are refused.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use test_basics::eventually_async;
use tokio::sync::Notify;

use super::world::{Fake, Raw, Seen, Step, add_healthy, balancer, config, ok, raw};
use crate::balancer::{AccessSink, Config, NewTraces, Routing};

/// What the instance saw of one request.
async fn sees(config: Config, request: &str) -> Seen {
    let fake = Fake::plain("a").await;
    let balancer = balancer(config);
    add_healthy(&balancer, &[&fake]).await;
    let mut client = Raw::connect(&balancer).await;
    client.send(request).await;
    let answer = client.answer().await.expect("an answer comes");
    assert_eq!(answer.status, 200, "{answer:?}");
    fake.seen().remove(0)
}

/// What the client saw of one answer.
async fn passes(answer: &'static str, method: &str) -> super::world::Answer {
    let fake = Fake::new(move |_| vec![raw(answer)]).await;
    let balancer = balancer(config(Routing::RoundRobin));
    add_healthy(&balancer, &[&fake]).await;
    Raw::connect(&balancer).await.ask(method, "/", "", "").await
}

#[tokio::test]
async fn hop_by_hop_fields_are_removed_also_those_that_connection_names() {
    let seen = sees(
        config(Routing::RoundRobin),
        "GET / HTTP/1.1\r\nHost: app.test:81\r\nConnection: keep-alive, X-Mine\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: keep-alive\r\nX-Mine: 1\r\nX-Other: 2\r\nTE: gzip\r\n\r\n",
    )
    .await;
    for gone in ["connection", "keep-alive", "proxy-connection", "x-mine", "te"] {
        assert_eq!(seen.header(gone), None, "{seen:?}");
    }
    assert_eq!(seen.header("x-other"), Some("2"));
    assert_eq!(seen.header("host"), Some("app.test:81"));
}

#[tokio::test]
async fn the_connection_field_cannot_remove_what_the_instance_needs() {
    let seen = sees(
        config(Routing::RoundRobin),
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: host, content-length, x-forwarded-for, x-request-id\r\n\
         X-Request-Id: mine\r\nContent-Length: 2\r\n\r\nhi",
    )
    .await;
    assert_eq!(seen.header("host"), Some("a"));
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-request-id"), Some("mine"));
    assert_eq!(seen.body, b"hi");
}

#[tokio::test]
async fn te_trailers_stays() {
    let seen = sees(
        config(Routing::RoundRobin),
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: TE\r\nTE: trailers, deflate\r\n\r\n",
    )
    .await;
    assert_eq!(seen.header("te"), Some("trailers"));
}

#[tokio::test]
async fn forwarded_fields_of_strangers_are_not_believed() {
    let lines = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n\
                 X_Forwarded_For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Forwarded-Port: 99\r\n\
                 X-Forwarded-Prefix: /evil\r\nX_Forwarded_Ssl: on\r\nX-Real-IP: 6.6.6.6\r\n";
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let seen = sees(config(Routing::RoundRobin), &request).await;
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.header("x-forwarded-host"), Some("a"));
    assert_eq!(seen.header("forwarded"), None);
    for name in ["x_forwarded_for", "x-forwarded-port", "x-forwarded-prefix", "x_forwarded_ssl", "x-real-ip"] {
        assert_eq!(seen.header(name), None, "{name}");
    }

    let trusting = Config { trust_forwarded: true, ..config(Routing::RoundRobin) };
    let seen = sees(trusting, &request).await;
    let chain: Vec<_> = seen.headers.iter().filter(|(name, _)| name == "x-forwarded-for").map(|(_, v)| &**v).collect();
    assert_eq!(chain, ["6.6.6.6", "127.0.0.1"]);
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.header("x-forwarded-host"), Some("evil"));
}

#[tokio::test]
async fn a_request_id_is_kept_if_it_is_one_and_else_made() {
    let with = |lines: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let of = async |lines: &str| {
        let seen = sees(config(Routing::RoundRobin), &with(lines)).await;
        seen.header("x-request-id").expect("there is always one").to_owned()
    };
    assert_eq!(of("X-Request-Id: my-own.1\r\n").await, "my-own.1");
    let long = "x".repeat(129);
    for bad in [format!("X-Request-Id: {long}\r\n"), "X-Request-Id: a b\r\n".into(), "X-Request-Id:\r\n".into()] {
        let made = of(&bad).await;
        assert!(made.len() > 16 && made != long, "{made}");
    }
    assert_ne!(of("").await, of("").await);
    let two = of("X-Request-Id: a\r\nX-Request-Id: b\r\n").await;
    assert!(two != "a" && two != "b", "{two}");
}

#[tokio::test]
async fn the_access_log_names_the_request_id_that_the_instance_got() {
    let logged = Arc::new(Mutex::new(Vec::new()));
    for line in ["", "X-Request-Id: mine\r\n", "X-Request-Id: a b\r\n"] {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n");
        let log = Arc::clone(&logged);
        let access = AccessSink::new(move |entry| log.lock().expect("no panic").push(entry.request_id.clone()));
        let seen = sees(Config { access: Some(access), ..config(Routing::RoundRobin) }, &request).await;
        eventually_async("it is logged", async || !logged.lock().expect("no panic").is_empty()).await;
        let logged = logged.lock().expect("no panic").pop().flatten();
        assert_eq!(logged.as_deref(), seen.header("x-request-id"), "{line:?}");
    }
}

#[tokio::test]
async fn absolute_targets_reach_the_instance_as_paths() {
    let seen = sees(config(Routing::RoundRobin), "GET http://A.test/x?y=1 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(seen.line, "GET /x?y=1 HTTP/1.1");
    let seen = sees(config(Routing::RoundRobin), "GET http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(seen.line, "GET / HTTP/1.1");
    let seen = sees(config(Routing::RoundRobin), "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(seen.line, "OPTIONS * HTTP/1.1");
}

/// `Content-Length: 010` is ten to one reader and eight to another.
#[tokio::test]
async fn lengths_are_plain_numbers_in_both_directions() {
    for (length, body) in [("010", "0123456789"), ("0000", "")] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}");
        let seen = sees(config(Routing::RoundRobin), &request).await;
        assert_eq!(seen.header("content-length"), Some(&*body.len().to_string()));
        assert_eq!(seen.body, body.as_bytes());
    }
    for method in ["GET", "HEAD"] {
        let answer = passes("HTTP/1.1 200 OK\r\nContent-Length: 010\r\n\r\n0123456789", method).await;
        assert_eq!(answer.header("content-length"), Some("10"), "{method}");
    }
    let answer = passes("HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n", "HEAD").await;
    assert_eq!(answer.error(), Some("bad-answer"));
}

/// Servers may merge trailers into the head (RFC 9110, section 6.5.1).
#[tokio::test]
async fn trailers_cannot_set_fields_that_belong_in_the_head() {
    let names = "X-Forwarded-For, X_Forwarded_For, X-Real-IP, Forwarded, Authorization, Cookie, If-Match, X-Request-Id, \
                 Connection, X-Fungible-Error, X-Sum";
    let trailers = format!("{}: 6.6.6.6\r\n", names.replace(", ", ": 6.6.6.6\r\n"));
    let request = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTrailer: {names}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n{trailers}\r\n"
    );
    for trust_forwarded in [false, true] {
        let seen = sees(Config { trust_forwarded, ..config(Routing::RoundRobin) }, &request).await;
        assert_eq!(seen.trailers, "x-sum: 6.6.6.6\n");
    }
    let answer = format!(
        "HTTP/1.1 200 OK\r\nTrailer: {names}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n{trailers}\r\n"
    );
    let fake = Fake::new(move |_| vec![raw(&answer)]).await;
    let balancer = balancer(config(Routing::RoundRobin));
    add_healthy(&balancer, &[&fake]).await;
    let answer = Raw::connect(&balancer).await.ask("GET", "/", "TE: trailers\r\nConnection: te\r\n", "").await;
    assert_eq!(answer.trailers, "x-sum: 6.6.6.6\n");
}

/// RFC 9112, section 3.2.2: an absolute target says which host is meant.
#[tokio::test]
async fn the_host_of_an_absolute_target_stands_in_for_a_missing_one() {
    let seen = sees(config(Routing::RoundRobin), "GET http://b.test:81/x HTTP/1.0\r\n\r\n").await;
    assert_eq!((seen.line.as_str(), seen.header("host")), ("GET /x HTTP/1.1", Some("b.test:81")));
    assert_eq!(seen.header("x-forwarded-host"), Some("b.test:81"));
}

#[tokio::test]
async fn an_http_1_0_client_without_host_is_served_and_closed() {
    let fake = Fake::plain("a").await;
    let balancer = balancer(config(Routing::RoundRobin));
    add_healthy(&balancer, &[&fake]).await;
    let mut client = Raw::connect(&balancer).await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.answer().await.expect("an answer comes").body, "a");
    assert!(client.is_closed().await);
    assert_eq!(fake.seen()[0].header("host"), Some(balancer.local_addr().to_string().as_str()));
    assert_eq!(fake.seen()[0].line, "GET / HTTP/1.1");
}

#[tokio::test]
async fn an_unknown_length_ends_for_http_1_0_with_the_connection_and_a_cut_with_a_reset() {
    let whole = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let cut = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
    let fake =
        Fake::new(move |seen| if seen.line.contains("cut") { vec![raw(cut), Step::Close] } else { vec![raw(whole)] })
            .await;
    let balancer = balancer(config(Routing::RoundRobin));
    add_healthy(&balancer, &[&fake]).await;
    for (path, is_whole) in [("/whole", true), ("/cut", false)] {
        let mut client = Raw::connect(&balancer).await;
        client.send(format!("GET {path} HTTP/1.0\r\n\r\n")).await;
        let answer = client.answer().await;
        let seen_whole = answer.as_ref().is_some_and(|answer| answer.whole && answer.body == "abc");
        assert_eq!(seen_whole, is_whole, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn hop_by_hop_and_reserved_fields_are_removed_from_answers() {
    let answer = passes(
        "HTTP/1.1 200 OK\r\nConnection: X-Mine\r\nKeep-Alive: timeout=5\r\nX-Mine: 1\r\nX-Other: 2\r\n\
         X-Fungible-Error: none-ready\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nhi",
        "GET",
    )
    .await;
    assert_eq!(answer.body, "hi");
    for gone in ["keep-alive", "x-mine", "x-fungible-error"] {
        assert_eq!(answer.header(gone), None, "{answer:?}");
    }
    assert_eq!(answer.header("x-other"), Some("2"));
    assert_eq!(answer.headers.iter().filter(|(name, _)| name == "set-cookie").count(), 2);
}

#[tokio::test]
async fn answers_without_a_body_keep_their_framing() {
    let head = passes("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", "HEAD").await;
    assert_eq!(head.header("content-length"), Some("1234"));
    let none = passes("HTTP/1.1 204 No Content\r\n\r\n", "GET").await;
    assert_eq!((none.status, none.header("content-length"), none.header("transfer-encoding")), (204, None, None));
    let same = passes("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 5\r\n\r\n", "GET").await;
    assert_eq!((same.status, same.header("etag"), same.header("transfer-encoding")), (304, Some("\"1\""), None));
}

#[tokio::test]
async fn an_answer_with_ambiguous_framing_is_not_forwarded() {
    let both = passes(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "GET",
    )
    .await;
    assert_eq!((both.body.as_str(), both.header("content-length")), ("hello", None));
    for bad in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nhello",
        "nonsense\r\n\r\n",
    ] {
        let answer = passes(bad, "GET").await;
        assert_eq!((answer.status, answer.error()), (502, Some("bad-answer")), "{bad:?}");
    }
    let equal = passes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", "GET").await;
    assert_eq!(equal.body, "hi");
    assert_eq!(equal.headers.iter().filter(|(name, _)| name == "content-length").count(), 1);
    let unasked = passes("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "GET").await;
    assert_eq!(unasked.status, 502);
}

#[tokio::test]
async fn ambiguous_requests_are_refused_and_the_connection_is_closed() {
    let fake = Fake::plain("a").await;
    let balancer = balancer(config(Routing::RoundRobin));
    add_healthy(&balancer, &[&fake]).await;
    for (head, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
        ("GET http://other/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 405),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
    ] {
        let mut client = Raw::connect(&balancer).await;
        client.send(head).await;
        let answer = client.answer().await.expect("an answer comes");
        assert_eq!((answer.status, answer.error().is_some()), (status, true), "{head:?}: {answer:?}");
        assert!(answer.body.ends_with('.'), "a sentence: {answer:?}");
        assert!(client.is_closed().await, "{head:?}");
    }
    assert_eq!(fake.seen().len(), 0, "no instance saw any of them");
}

const WAITS: &str = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";

#[tokio::test]
async fn the_instance_decides_whether_a_body_is_sent() {
    let bell = Arc::new(Notify::new());
    let rings = Arc::clone(&bell);
    let fake =
        Fake::hasty(move |_| vec![raw("HTTP/1.1 100 Continue\r\n\r\n"), Step::Wait(Arc::clone(&rings)), ok("got it")])
            .await;
    let balancer = balancer(config(Routing::RoundRobin));
    add_healthy(&balancer, &[&fake]).await;
    let mut client = Raw::connect(&balancer).await;
    client.send(WAITS).await;
    client.take_until("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.send("hello").await;
    bell.notify_one();
    assert_eq!(client.answer().await.expect("an answer comes").body, "got it");
    eventually_async("the body is there", async || fake.executed() == 1).await;
    assert_eq!((fake.seen()[0].header("expect"), &*fake.seen()[0].body), (Some("100-continue"), &b"hello"[..]));
}

#[tokio::test]
async fn a_body_that_the_instance_refuses_by_its_head_is_not_asked_for() {
    let fake = Fake::hasty(|_| vec![raw("HTTP/1.1 413 Payload Too Large\r\ncontent-length: 5\r\n\r\nlarge")]).await;
    let balancer = balancer(config(Routing::RoundRobin));
    add_healthy(&balancer, &[&fake]).await;
    let mut client = Raw::connect(&balancer).await;
    client.send(WAITS).await;
    let answer = client.answer().await.expect("an answer comes");
    assert_eq!((answer.status, &*answer.body), (413, "large"), "and no 100 before it");
    assert!(client.is_closed().await, "the body may still come, or not");
    eventually_async("nothing is in flight", async || balancer.instances()[0].in_flight == 0).await;
    eventually_async("its connection is closed", async || fake.open.load(Ordering::SeqCst) == 0).await;
    assert_eq!(fake.executed(), 0);
}

#[tokio::test]
async fn an_instance_that_does_not_know_expect_gets_the_body_all_the_same() {
    let fake = Fake::plain("a").await;
    let balancer = balancer(config(Routing::RoundRobin));
    add_healthy(&balancer, &[&fake]).await;
    let mut client = Raw::connect(&balancer).await;
    client.send(WAITS).await;
    client.take_until("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.send("hello").await;
    assert_eq!(client.answer().await.expect("an answer comes").body, "a");
    assert_eq!(&*fake.seen()[0].body, b"hello");
}

#[tokio::test]
async fn a_target_and_a_host_may_differ_in_the_usual_port_only() {
    let fake = Fake::plain("a").await;
    let balancer = balancer(config(Routing::RoundRobin));
    add_healthy(&balancer, &[&fake]).await;
    for (target, host, status) in [
        ("http://app.test:80/x", "app.test", 200),
        ("http://app.test/x", "APP.test:80", 200),
        ("https://app.test:443/x", "app.test", 200),
        ("http://app.test:443/x", "app.test", 400),
        ("http://app.test:8080/x", "app.test", 400),
        ("http://app.test/x", "", 400),
        ("/x", "", 400),
    ] {
        let mut client = Raw::connect(&balancer).await;
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        let answer = client.answer().await.expect("an answer comes");
        assert_eq!(answer.status, status, "{target}, {host:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_response_may_have_many_fields() {
    let many = (0..200).map(|n| format!("X-{n}: v\r\n")).collect::<Vec<_>>().concat();
    let answer = format!("HTTP/1.1 200 OK\r\n{many}content-length: 2\r\n\r\nhi");
    let fake = Fake::new(move |_| vec![raw(&answer)]).await;
    let balancer = balancer(config(Routing::RoundRobin));
    add_healthy(&balancer, &[&fake]).await;
    let answer = Raw::connect(&balancer).await.get("/").await;
    assert_eq!((answer.status, answer.header("x-199"), answer.body.as_str()), (200, Some("v"), "hi"));
}

#[tokio::test]
async fn a_trace_goes_on_to_the_instance_and_begins_here_only_if_that_is_wanted() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let with = |fields: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let valid = with(&format!("traceparent: {parent}\r\ntracestate: congo=1\r\n"));
    let seen = sees(config(Routing::RoundRobin), &valid).await;
    assert_eq!((seen.header("traceparent"), seen.header("tracestate")), (Some(parent), Some("congo=1")));
    let malformed = with("traceparent: 00-x\r\ntracestate: congo=1\r\n");
    let seen = sees(config(Routing::RoundRobin), &malformed).await;
    assert_eq!((seen.header("traceparent"), seen.header("tracestate")), (None, None));
    let sampled = Config { new_traces: NewTraces::Sampled, ..config(Routing::RoundRobin) };
    for request in [malformed, with("")] {
        let seen = sees(sampled.clone(), &request).await;
        let begun = seen.header("traceparent").expect("it begins here");
        assert!(begun.len() == 55 && begun.ends_with("-01") && seen.header("tracestate").is_none(), "{seen:?}");
    }
}
