//! Sends prepared requests over kept connections and says how long that took. `scripts/bench-app` and
//! `scripts/measure-side-by-side` prepare them.
//!
//! `bench_load ADDRESS CONNECTIONS FILE [SECONDS]`: each line of the file is a request, its fields separated by tabs: the
//! status that must come, or its first digits, the method, the path, further header lines (separated by `|`), the body. The
//! lines go to the connections in turn, and each connection sends its next request when the answer to the one before is
//! there. What it prints is JSON.
//!
//! Without SECONDS it ends with the last request, or with an error at the first answer of another status. With SECONDS each
//! connection begins again at the end of its lines until that time is over, and other answers are counted by their status
//! (`wrong`); `requests` and the latencies are those of the right ones.

#![expect(clippy::unwrap_used, reason = "a benchmark may stop at the first surprise")]
#![expect(clippy::print_stdout, reason = "its result")]

use std::collections::BTreeMap;
use std::iter;
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// Longer than any benchmark.
const NO_LIMIT: Duration = Duration::from_hours(24);

/// One request, ready to be sent.
struct Request {
    status: String,
    bytes: Vec<u8>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, connections, file, limit) = match &arguments[..] {
        [address, connections, file] => (address, connections, file, None),
        [address, connections, file, seconds] => {
            (address, connections, file, Some(Duration::from_secs_f64(seconds.parse().unwrap())))
        }
        _ => {
            println!("usage: bench_load ADDRESS CONNECTIONS FILE [SECONDS] (see scripts/bench-app)");
            return ExitCode::from(2);
        }
    };
    let mut lists: Vec<Vec<Request>> = (0..connections.parse().unwrap()).map(|_| Vec::new()).collect();
    let turns = lists.len();
    for (number, line) in std::fs::read_to_string(file).unwrap().lines().enumerate() {
        lists[number % turns].push(prepared(line, address));
    }
    let began = Instant::now();
    let tasks: Vec<_> = lists.into_iter().map(|list| tokio::spawn(send(address.clone(), list, began, limit))).collect();
    let (mut latencies, mut wrong) = (Vec::new(), BTreeMap::<String, usize>::new());
    for task in tasks {
        match task.await.unwrap() {
            Ok(outcome) => {
                latencies.extend(outcome.latencies);
                outcome.wrong.into_iter().for_each(|status| *wrong.entry(status).or_default() += 1);
            }
            Err(problem) => {
                println!("{problem}");
                return ExitCode::FAILURE;
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    latencies.sort_unstable();
    // In milliseconds.
    let at = |percent: usize| {
        latencies.get(latencies.len().saturating_sub(1) * percent / 100).map_or(0.0, |us| f64::from(*us) / 1000.0)
    };
    println!(
        r#"{{"requests": {}, "wrong": {wrong:?}, "seconds": {seconds:.4}, "p50": {:.3}, "p99": {:.3}}}"#,
        latencies.len(),
        at(50),
        at(99)
    );
    ExitCode::SUCCESS
}

fn prepared(line: &str, address: &str) -> Request {
    let [status, method, path, headers, body] = line.split('\t').collect::<Vec<_>>()[..] else {
        panic!("a request has five fields: {line}")
    };
    let headers = match headers {
        "" => String::new(),
        lines => lines.replace('|', "\r\n") + "\r\n",
    };
    let about_body = match body {
        "" => String::new(),
        body => format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()),
    };
    let bytes = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}{about_body}\r\n{body}").into_bytes();
    Request { status: status.to_owned(), bytes }
}

/// What one connection met: the latencies of the right answers in microseconds, and the statuses of the others.
#[derive(Default)]
struct Outcome {
    latencies: Vec<u32>,
    wrong: Vec<String>,
}

/// Sends a list over one connection: once, or with a limit again and again.
async fn send(address: String, list: Vec<Request>, began: Instant, limit: Option<Duration>) -> Result<Outcome, String> {
    let end = began + limit.unwrap_or(NO_LIMIT);
    let times = if limit.is_some() { usize::MAX } else { 1 };
    let connect = async || -> TcpStream {
        let stream = TcpStream::connect(&address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    };
    let mut stream = connect().await;
    let (mut outcome, mut buffer) = (Outcome::default(), Vec::new());
    for request in iter::repeat_n(&list, times).flatten() {
        let start = Instant::now();
        stream.write_all(&request.bytes).await.unwrap();
        // What is still to come when the time is over does not count.
        let Ok(answer) = timeout_at(end, answer(&mut stream, &mut buffer)).await else { break };
        let (status, closes) = answer?;
        if status.starts_with(&request.status) {
            outcome.latencies.push(u32::try_from(start.elapsed().as_micros()).unwrap());
        } else if limit.is_some() {
            outcome.wrong.push(status);
        } else {
            let text = String::from_utf8_lossy(&request.bytes).into_owned();
            let answer = String::from_utf8_lossy(&buffer);
            return Err(format!("{status} instead of {}: {text}\n{answer}", request.status));
        }
        if closes {
            stream = connect().await;
        }
    }
    Ok(outcome)
}

/// Reads one answer: its status, and whether the connection ends with it.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(String, bool), String> {
    buffer.clear();
    loop {
        let end = buffer.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            if field("transfer-encoding").is_some() {
                return Err(format!("an answer without a length: {head}"));
            }
            let length: usize = field("content-length").map_or(0, |length| length.trim().parse().unwrap());
            if buffer.len() >= end + 4 + length {
                return Ok((status, field("connection") == Some("close")));
            }
        }
        if stream.read_buf(buffer).await.unwrap() == 0 {
            return Err(format!("a connection ended within an answer: {}", String::from_utf8_lossy(buffer)));
        }
    }
}
