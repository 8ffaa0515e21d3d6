//! What a client must not send by RFC 9113: the reaction is the one that the RFC asks for, and other clients are served.

use super::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GET, HEADERS, PING, PREFACE, PRIORITY, PUSH_PROMISE,
    RST_STREAM, Reaction, SETTINGS, WINDOW_UPDATE, fields, frame, get,
};
use super::listeners::run;
use super::{Http2Client, issue};
use crate::world::{Place, program};

const PROTOCOL: u32 = 1;
const FLOW_CONTROL: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE: u32 = 6;
const COMPRESSION: u32 = 9;
const CALM: u32 = 11;

/// What is wrong, the bytes after the preface and SETTINGS, and the codes of which one is expected. Where there are two, h2
/// gives the general one instead of the one that RFC 9113 names.
type Case = (&'static str, Vec<u8>, &'static [u32]);

/// A request without a body that has these fields in addition.
fn get_with(more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(&[&GET[..], more].concat()))
}

fn without(name: &str) -> Vec<u8> {
    let left: Vec<_> = GET.into_iter().filter(|(one, _)| *one != name).collect();
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(&left))
}

fn of_connections() -> Vec<Case> {
    let begun = || frame(HEADERS, 0, 1, &fields(&GET[..2]));
    vec![
        ("a frame beyond the limit", frame(DATA, 0, 1, &[0; 16_385]), &[FRAME_SIZE]),
        ("PUSH_PROMISE", [get(1), frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])].concat(), &[PROTOCOL]),
        ("HEADERS on stream 0", frame(HEADERS, END_HEADERS | END_STREAM, 0, &fields(&GET)), &[PROTOCOL]),
        ("an even stream", get(2), &[PROTOCOL]),
        ("a stream below the last", [get(5), get(3)].concat(), &[PROTOCOL, STREAM_CLOSED]),
        ("DATA on stream 0", frame(DATA, 0, 0, b"a"), &[PROTOCOL]),
        ("DATA on an idle stream", frame(DATA, 0, 1, b"a"), &[PROTOCOL]),
        ("RST_STREAM on an idle stream", frame(RST_STREAM, 0, 1, &[0; 4]), &[PROTOCOL]),
        ("RST_STREAM of another length", [get(1), frame(RST_STREAM, 0, 1, &[0; 3])].concat(), &[FRAME_SIZE, PROTOCOL]),
        ("WINDOW_UPDATE on an idle stream", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), &[PROTOCOL]),
        ("WINDOW_UPDATE by nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), &[PROTOCOL]),
        ("a window that overflows", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), &[FLOW_CONTROL]),
        ("SETTINGS on a stream", frame(SETTINGS, 0, 1, b""), &[PROTOCOL]),
        ("SETTINGS of another length", frame(SETTINGS, 0, 0, &[0; 5]), &[FRAME_SIZE, PROTOCOL]),
        (
            "SETTINGS with a window that is too large",
            frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0, 0, 0]),
            &[FLOW_CONTROL, PROTOCOL],
        ),
        ("SETTINGS with a frame size that is too small", frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1]), &[PROTOCOL]),
        ("an acknowledgement with a payload", frame(SETTINGS, ACK, 0, &[0; 6]), &[FRAME_SIZE, PROTOCOL]),
        ("PING on a stream", frame(PING, 0, 1, &[0; 8]), &[PROTOCOL]),
        ("PING of another length", frame(PING, 0, 0, &[0; 7]), &[FRAME_SIZE, PROTOCOL]),
        ("CONTINUATION without HEADERS", frame(CONTINUATION, END_HEADERS, 1, b""), &[PROTOCOL]),
        ("another frame between fields", [begun(), frame(PING, 0, 0, &[0; 8])].concat(), &[PROTOCOL]),
        ("fields of another stream between", [begun(), frame(CONTINUATION, 4, 3, b"")].concat(), &[PROTOCOL]),
        ("padding beyond the frame", frame(HEADERS, END_HEADERS | 8, 1, &[200, 0]), &[PROTOCOL]),
        (
            "fields that cannot be unpacked",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 20]),
            &[COMPRESSION, PROTOCOL],
        ),
        (
            "CONTINUATION without an end",
            [begun(), frame(CONTINUATION, 0, 1, &fields(&[("a", "b")])).repeat(10_000)].concat(),
            &[CALM],
        ),
        (
            "empty CONTINUATION without an end",
            [begun(), frame(CONTINUATION, 0, 1, b"").repeat(10_000)].concat(),
            &[CALM],
        ),
        (
            "requests that are reset at once",
            (0..1000_u32)
                .flat_map(|n| [get(2 * n + 1), frame(RST_STREAM, 0, 2 * n + 1, &[0, 0, 0, 8])].concat())
                .collect(),
            &[CALM],
        ),
    ]
}

fn of_streams() -> Vec<Case> {
    let data = |length: &str| {
        let head = fields(&[&GET[1..], &[(":method", "POST"), ("content-length", length)]].concat());
        [frame(HEADERS, END_HEADERS, 1, &head), frame(DATA, END_STREAM, 1, b"abc")].concat()
    };
    vec![
        ("a name in capitals", get_with(&[("X-A", "b")]), &[PROTOCOL]),
        ("Connection", get_with(&[("connection", "close")]), &[PROTOCOL]),
        ("Transfer-Encoding", get_with(&[("transfer-encoding", "chunked")]), &[PROTOCOL]),
        ("Upgrade", get_with(&[("upgrade", "websocket")]), &[PROTOCOL]),
        ("TE that is not trailers", get_with(&[("te", "gzip")]), &[PROTOCOL]),
        ("a line break in a value", get_with(&[("x-a", "b\r\nc: d")]), &[PROTOCOL]),
        ("an unknown pseudo field", get_with(&[(":a", "b")]), &[PROTOCOL]),
        ("a pseudo field twice", get_with(&[(":path", "/")]), &[PROTOCOL]),
        ("a pseudo field behind others", get_with(&[("x-a", "b"), (":path", "/")]), &[PROTOCOL]),
        (":status in a request", get_with(&[(":status", "200")]), &[PROTOCOL]),
        ("no :method", without(":method"), &[PROTOCOL]),
        ("no :scheme", without(":scheme"), &[PROTOCOL]),
        ("no :path", without(":path"), &[PROTOCOL]),
        ("less than Content-Length says", data("4"), &[PROTOCOL]),
        ("more than Content-Length says", data("2"), &[PROTOCOL]),
        ("a stream that depends on itself", frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 0]), &[PROTOCOL]),
        ("DATA behind the end", [get(1), frame(DATA, END_STREAM, 1, b"a")].concat(), &[STREAM_CLOSED, PROTOCOL]),
        (
            "a window of a stream that overflows",
            [frame(HEADERS, END_HEADERS, 1, &fields(&GET)), frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff])]
                .concat(),
            &[FLOW_CONTROL],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn violations_of_the_protocol_are_answered_as_the_rfc_says() {
    let place = Place::new();
    let files = issue(place.folder.path(), "a", &["a.example"]);
    let echo = program("echo.py");
    let fleet = place.fleet(&run(&files.arguments(), &echo));
    fleet.healthy(2);
    let mut wrong = Vec::new();
    for (what, bytes, codes) in of_connections() {
        let mut client = Frames::connect(fleet.address, &files.pem).await;
        client.send(&bytes).await;
        let mut reaction = client.reaction().await;
        // A response may have begun before.
        while matches!(reaction, Reaction::Response(_) | Reaction::StreamError(_)) {
            reaction = client.reaction().await;
        }
        if !codes.iter().any(|code| reaction == Reaction::ConnectionError(*code)) {
            wrong.push(format!("{what}: {reaction:?}"));
        }
    }
    for (what, bytes, codes) in of_streams() {
        let mut client = Frames::connect(fleet.address, &files.pem).await;
        client.send(&bytes).await;
        // A server may take an error of a stream for one of the connection (RFC 9113, section 5.4.2).
        let reaction = client.reaction().await;
        let fits = |code: &u32| [Reaction::StreamError(*code), Reaction::ConnectionError(*code)].contains(&reaction);
        if !codes.iter().any(fits) {
            wrong.push(format!("{what}: {reaction:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let without_settings = [PREFACE, &get(1)].concat();
    for preface in
        [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r"[..], b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", &without_settings]
    {
        let mut client = Frames::open(fleet.address, &files.pem).await;
        client.send(preface).await;
        let reaction = client.reaction().await;
        assert!(matches!(reaction, Reaction::ConnectionError(PROTOCOL) | Reaction::Closed), "{reaction:?}");
    }
    let mut client = Http2Client::connect(fleet.address, &files.pem, "a.example").await;
    assert_eq!(client.get("/echo").await.unwrap().0, 200);
}

/// What HTTP/2 allows, and two programs might read differently.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_ambiguous_is_refused() {
    let place = Place::new();
    let files = issue(place.folder.path(), "a", &["a.example"]);
    let echo = program("echo.py");
    let fleet = place.fleet(&run(&files.arguments(), &echo));
    fleet.healthy(2);
    let request = |authority: Option<&'static str>, path: &'static str, more: &[(&'static str, &'static str)]| {
        let pseudo = [Some((":method", "GET")), Some((":scheme", "https")), Some((":path", path))].into_iter();
        let all: Vec<_> =
            pseudo.chain([authority.map(|it| (":authority", it))]).flatten().chain(more.to_vec()).collect();
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(&all))
    };
    for (bytes, status) in [
        (request(Some("a.example"), "/echo", &[]), 200),
        (request(None, "/echo", &[("host", "a.example")]), 200),
        (request(Some("a.example"), "/echo", &[("host", "a.example:443")]), 200),
        (request(None, "/echo", &[]), 400),
        (request(Some("a.example"), "/echo", &[("host", "b.example")]), 400),
        (request(Some("a.example"), "/echo", &[("host", "a.example"), ("host", "a.example")]), 400),
        (request(Some("a.example"), "/echo", &[("host", "")]), 400),
        (request(Some("user@a.example"), "/echo", &[]), 400),
        (request(Some("a.example"), "*", &[]), 400),
    ] {
        let mut client = Frames::connect(fleet.address, &files.pem).await;
        client.send(&bytes).await;
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        assert_eq!(client.reaction().await, Reaction::Response(status), "{shown:?}");
    }
}
