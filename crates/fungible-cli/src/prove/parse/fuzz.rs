//! What reads the requests and responses of an app under `prove`, given any.

use std::time::Duration;

use bytes::Bytes;

use super::{Response, atoms, cookies_set, plain, response, take_apart, timestamp};
use crate::exchange::{Body, Exchange, Frame, Headers, Outcome, Request};
use crate::prove::parse::request::ParsedRequest;

const ENCODINGS: [&str; 6] = ["", "gzip", "deflate", "br", "zstd", "gzip, br"];
const KINDS: [&str; 8] = [
    "text/html; charset=utf-8",
    "application/json",
    "application/x-www-form-urlencoded",
    "text/event-stream",
    "image/svg+xml",
    "text/plain",
    "text/plain; version=0.0.4",
    "application/x-ndjson",
];

/// Bodies: the first two bytes choose the encoding and the type.
pub fn app_body(data: &[u8]) {
    let Some(([encoding, kind], data)) = data.split_first_chunk::<2>() else { return };
    let encoding = ENCODINGS[usize::from(*encoding) % ENCODINGS.len()];
    let kind = KINDS[usize::from(*kind) % KINDS.len()];
    let headers: Headers = [("content-encoding", encoding), ("content-type", kind)]
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
        .to_vec();
    let body = Body::Kept(Bytes::copy_from_slice(data));
    for complete in [true, false] {
        read(&exchange("/", &headers, &body, complete));
    }
}

/// Heads: the first line is the target, each other line a field.
pub fn app_head(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let target = lines.next().unwrap_or_default();
    let headers: Headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().as_bytes().to_vec()))
        .collect();
    read(&exchange(target, &headers, &Body::Kept(Bytes::new()), true));
}

/// Text: words, numbers, times and tokens.
pub fn app_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = (plain(&text), take_apart(&text), timestamp::scan(&text), timestamp::epoch(&text));
    // Atoms are all of the text that counts: each stands in it.
    let _ = atoms(&text).len();
}

fn read(exchange: &Exchange) {
    let _ = (ParsedRequest::of(exchange), Response::of(exchange), cookies_set(exchange));
    let _ = response::fields(&exchange.request.headers);
}

fn exchange(target: &str, headers: &Headers, body: &Body, complete: bool) -> Exchange {
    let frame = |from_client| Frame { from_client, data: body.clone(), at: Duration::ZERO };
    Exchange {
        number: 1,
        connection: 1,
        instance: Some("i".to_owned()),
        arrived: Duration::ZERO,
        ended: Duration::from_secs(1),
        request: Request {
            method: "POST".to_owned(),
            target: target.to_owned(),
            headers: headers.clone(),
            body: body.clone(),
        },
        outcome: Outcome::Answered { status: 200, headers: headers.clone(), body: body.clone(), complete },
        left: !complete,
        frames: if complete { Vec::new() } else { vec![frame(true), frame(false)] },
        again: None,
    }
}
