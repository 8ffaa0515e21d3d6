//! What a client of the admin address may cost: how large and how slow a request may be.

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::json;
use test_basics::raw;

use super::admin::{AdminAddress, web};
use super::world::Place;

#[test]
fn clients_that_are_slow_do_not_keep_others_out() {
    let place = Place::new();
    let fleet = web(&place, &[]);
    fleet.healthy(2);
    let admin = AdminAddress::of(&fleet);
    let host = admin.address;
    let command = admin.command_head();
    // Neither the rest of a head nor that of a body comes.
    for begin in ["GET /status HTTP/1.1\r\nHost:".to_owned(), format!("{command}Content-Length: 9\r\n\r\n{{")] {
        // More than are served at a time.
        let slow: Vec<TcpStream> = (0..70)
            .map(|_| {
                let mut stream = TcpStream::connect(host).unwrap();
                stream.write_all(begin.as_bytes()).unwrap();
                stream
            })
            .collect();
        assert_eq!(admin.get("/health").status, 200, "{begin}");
        drop(slow);
    }
}

/// More than a command may have: 4 KiB.
const TOO_LARGE: usize = 4 * 1024 + 1;

#[test]
fn a_body_is_refused_that_is_too_large_too_slow_or_malformed() {
    let place = Place::new();
    let fleet = web(&place, &[]);
    fleet.healthy(2);
    let admin = AdminAddress::of(&fleet);
    let to = admin.address;
    let head = format!("{}Connection: close\r\n", admin.command_head());
    let with_length = |length: usize, body: &str| format!("{head}Content-Length: {length}\r\n\r\n{body}");
    let in_chunks = |body: &str| format!("{head}Transfer-Encoding: chunked\r\n\r\n{body}");
    // A command, and what JSON allows behind it.
    let kill = |length: usize| format!("{:length$}", json!({"kill": "web-9"}).to_string());
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let half = kill(TOO_LARGE / 2 + 1);
    let cases = [
        ("the longest", with_length(TOO_LARGE - 1, &kill(TOO_LARGE - 1)), 409, "no instance is called web-9"),
        ("too large", with_length(TOO_LARGE, &kill(TOO_LARGE)), 413, "longer than a command"),
        ("much too large", with_length(60 << 10, &kill(60 << 10)), 413, "longer than a command"),
        ("too large in chunks", in_chunks(&format!("{}{}0\r\n\r\n", chunk(&half), chunk(&half))), 413, "longer than"),
        ("malformed", in_chunks("kill\r\n"), 400, "malformed"),
        ("half of it", with_length(100, "{"), 408, "took too long"),
        ("half of it in chunks", in_chunks("4\r\n{"), 408, "took too long"),
        (
            "a body where none belongs",
            with_length(100, "{").replace("POST /command", "GET /health"),
            408,
            "took too long",
        ),
    ];
    // At the same time, because each of the slow ones takes as long as a head may.
    std::thread::scope(|scope| {
        for (what, request, status, sentence) in cases {
            scope.spawn(move || {
                let answer = raw(to, &request).unwrap_or_else(|error| panic!("{what}: {error}"));
                assert!(answer.status == status && answer.body.contains(sentence), "{what}: {answer:?}");
            });
        }
    });
    assert!(fleet.healthy(2).iter().all(|one| one["restarts"] == 0));
}
