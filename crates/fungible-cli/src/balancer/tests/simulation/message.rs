//! The HTTP/1.1 of both sides of a simulation, as far as they speak it: bodies have a length.

use tokio::io::AsyncReadExt as _;

use crate::balancer::upstream::simulated::Stream;

/// A connection, and what has come of its next message.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) stream: Stream,
    bytes: Vec<u8>,
}

/// The head of a message.
#[derive(Debug)]
pub(crate) struct Head(String);

impl Incoming {
    pub(crate) fn new(stream: Stream) -> Incoming {
        Incoming { stream, bytes: Vec::new() }
    }

    /// The next head; `None`: the connection ended before its end.
    pub(crate) async fn head(&mut self) -> Option<Head> {
        loop {
            if let Some(end) = self.bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.bytes.drain(..end + 4).collect();
                return Some(Head(String::from_utf8(head).expect("a head is text")));
            }
            self.more().await?;
        }
    }

    /// The body that follows this head; `None`: the connection ended before its end.
    pub(crate) async fn body(&mut self, head: &Head) -> Option<Vec<u8>> {
        let length = head.field("content-length").map_or(0, |length| length.parse().expect("a length is a number"));
        while self.bytes.len() < length {
            self.more().await?;
        }
        Some(self.bytes.drain(..length).collect())
    }

    async fn more(&mut self) -> Option<()> {
        let count = self.stream.read_buf(&mut self.bytes).await.ok()?;
        (count > 0).then_some(())
    }
}

impl Head {
    /// The number of the request; `None`: a health check.
    pub(crate) fn request(&self) -> Option<usize> {
        let path = self.0.split(' ').nth(1)?;
        Some(path.strip_prefix("/request/")?.parse().expect("a request has a number"))
    }

    pub(crate) fn is_for_head(&self) -> bool {
        self.0.starts_with("HEAD ")
    }

    pub(crate) fn status(&self) -> u16 {
        self.0.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a response has a status")
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}
