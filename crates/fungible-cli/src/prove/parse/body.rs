//! A body as a tree: undoes its encoding, then reads it by its type. It does not judge what it read.

use std::io::Read;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::lines::{self, add_numbered, is_json_lines, json_lines};
use super::tree::Node;
use super::{html, metrics};
use crate::exchange::Body;

/// More than this is not unpacked.
const LARGEST: u64 = 64 << 20;

/// A body as far as it can be read.
pub(crate) enum Content {
    Read(Node),
    /// Only equality can be seen; with the reason.
    Unread(Node, String),
}

/// Reads a body by the values of its `Content-Encoding` and `Content-Type`.
pub(crate) fn read(body: &Body, encoding: &str, kind: &str) -> Content {
    let bytes = match body {
        Body::Hashed { sha256, length } => {
            let node = Node::Binary { sha256: *sha256, length: *length };
            return Content::Unread(node, "the body was too large to be kept".to_owned());
        }
        Body::Kept(bytes) => bytes,
    };
    match unpack(bytes, encoding) {
        Ok(bytes) => Content::Read(parse(&bytes, kind)),
        Err(reason) => Content::Unread(binary(bytes), reason),
    }
}

/// What a client that hung up has seen of a stream: events or lines up to the last whole one.
pub(crate) fn whole_pieces(body: &Body, kind: &str) -> Body {
    let Body::Kept(bytes) = body else { return body.clone() };
    let end = if kind.starts_with("text/event-stream") {
        let ends = |mark: &[u8]| bytes.windows(mark.len()).rposition(|window| window == mark).map(|at| at + mark.len());
        ends(b"\n\n").max(ends(b"\r\n\r\n"))
    } else {
        bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1)
    };
    Body::Kept(bytes.slice(..end.unwrap_or(0)))
}

/// Undoes the encodings, the last one first.
fn unpack(bytes: &Bytes, encoding: &str) -> Result<Bytes, String> {
    let mut bytes = bytes.clone();
    for name in encoding.rsplit(',').map(|name| name.trim().to_ascii_lowercase()) {
        if bytes.is_empty() {
            break;
        }
        let packed = bytes.clone();
        bytes = match name.as_str() {
            "" | "identity" => packed,
            "gzip" | "x-gzip" => all(flate2::read::MultiGzDecoder::new(&packed[..]), &name)?,
            "deflate" => all(flate2::read::ZlibDecoder::new(&packed[..]), &name)
                .or_else(|_| all(flate2::read::DeflateDecoder::new(&packed[..]), &name))?,
            "br" => all(brotli_decompressor::Decompressor::new(&packed[..], 4096), &name)?,
            "zstd" => match ruzstd::decoding::StreamingDecoder::new(&packed[..]) {
                Ok(decoder) => all(decoder, &name)?,
                Err(_) => return Err("the body says zstd and is not".to_owned()),
            },
            _ => return Err(format!("the content encoding {name} is not known here")),
        };
    }
    Ok(bytes)
}

fn all(reader: impl Read, name: &str) -> Result<Bytes, String> {
    let mut out = Vec::new();
    match reader.take(LARGEST + 1).read_to_end(&mut out) {
        Err(_) => Err(format!("the body says {name} and is not, or breaks off")),
        Ok(_) if out.len() as u64 > LARGEST => Err(format!("the body is larger than {LARGEST} bytes unpacked")),
        Ok(_) => Ok(out.into()),
    }
}

fn binary(bytes: &[u8]) -> Node {
    Node::Binary { sha256: Sha256::digest(bytes).into(), length: bytes.len() as u64 }
}

/// Reads by the type, and by the look of it where the type says too little.
pub(crate) fn parse(bytes: &[u8], content_type: &str) -> Node {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Ok(text) = std::str::from_utf8(bytes) else { return binary(bytes) };
    if text.is_empty() {
        return Node::Text(String::new());
    }
    if kind == "text/event-stream" {
        return Node::List(events(text));
    }
    if kind == "application/x-www-form-urlencoded" {
        return Node::map(form(text));
    }
    let start = text.trim_start();
    if is_json_lines(&kind)
        && let Some(node) = json_lines(text)
    {
        return node;
    }
    if (kind.ends_with("json") || start.starts_with(['{', '[']))
        && let Ok(node) = serde_json::from_str(text)
    {
        return node;
    }
    // What is no JSON as a whole may be so line by line.
    if start.starts_with(['{', '['])
        && let Some(node) = json_lines(text)
    {
        return node;
    }
    if metrics::may_be(content_type, text)
        && let Some(node) = metrics::parse(text)
    {
        return node;
    }
    let marked = kind.ends_with("html") || kind.ends_with("xml") || start.starts_with("<!") || start.starts_with("<?");
    if marked {
        return html::parse(text);
    }
    if text.contains('\0') {
        return binary(bytes);
    }
    lines::lines(text)
}

/// The pairs of a form or a query; a name that comes again gets its number.
pub(crate) fn form(text: &str) -> Vec<(String, Node)> {
    let mut pairs: Vec<(String, Node)> = Vec::new();
    for pair in text.trim().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        add_numbered(&mut pairs, name, Node::Text(value));
    }
    pairs
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// The events of a stream: their fields, with all `data` lines as one text. Comments (heartbeats) are no events.
fn events(text: &str) -> Vec<Node> {
    let text = text.replace("\r\n", "\n");
    let mut events = Vec::new();
    for block in text.split("\n\n") {
        let mut fields: Vec<(String, Node)> = Vec::new();
        for line in block.lines().filter(|line| !line.starts_with(':') && !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match fields.iter_mut().find(|(key, _)| key == name) {
                Some((_, Node::Text(text))) => {
                    text.push('\n');
                    text.push_str(value);
                }
                _ => fields.push((name.to_owned(), Node::Text(value.to_owned()))),
            }
        }
        if !fields.is_empty() {
            events.push(Node::map(fields));
        }
    }
    events
}
