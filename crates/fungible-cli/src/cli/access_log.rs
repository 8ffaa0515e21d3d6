//! The access log of `fungible run`: a line per request, as text or as JSON, to standard error or to a file. Written by the
//! printing thread, so that no request waits for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;

use super::args::AccessFormat;
use super::line::{Line, in_ascii};
use super::printer::{Printer, Printing};
use crate::balancer::{AccessEntry, AccessSink};

/// Where each entry goes that is printed by `printer`.
pub(super) fn sink(format: AccessFormat, printer: Printer) -> AccessSink {
    AccessSink::new(move |entry| {
        printer.say(match format {
            AccessFormat::Text => Line::from(text(entry)),
            AccessFormat::Json => Line::made(in_ascii(&as_json(entry))),
        });
    })
}

/// A thread that appends lines to a file.
///
/// # Errors
/// When the file cannot be opened.
pub(super) fn into_file(path: &Path) -> anyhow::Result<Printing> {
    let mut log = LogFile::open(path).with_context(|| format!("cannot write the access log to {}", path.display()))?;
    Ok(Printing::start(move |line| log.append(&format!("{line}\n"))))
}

/// From one look whether the file is still in its place to the next.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A file that is opened anew when another program has moved it away, as those that rotate logs do.
struct LogFile {
    path: PathBuf,
    file: File,
    looked: Instant,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<LogFile> {
        Ok(LogFile { path: path.to_owned(), file: for_appending(path)?, looked: Instant::now() })
    }

    /// Writes in one call, so that a file which others write to as well has whole lines.
    fn append(&mut self, line: &str) -> io::Result<()> {
        if self.looked.elapsed() >= LOOK_AGAIN {
            self.looked = Instant::now();
            // While there can be no file in its place, the one that was moved away gets the lines.
            if !self.is_in_its_place()
                && let Ok(file) = for_appending(&self.path)
            {
                self.file = file;
            }
        }
        self.file.write_all(line.as_bytes())
    }

    fn is_in_its_place(&self) -> bool {
        let (Ok(own), Ok(there)) = (self.file.metadata(), fs::metadata(&self.path)) else { return false };
        (own.dev(), own.ino()) == (there.dev(), there.ino())
    }
}

fn for_appending(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn ms(entry: &AccessEntry) -> f64 {
    (entry.took.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// Words with their values. What clients and instances chose is quoted where it could be taken for another word.
fn text(entry: &AccessEntry) -> String {
    let dash = |value: Option<&str>| value.map_or_else(|| "-".to_owned(), quoted);
    let bytes = entry.bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
    format!(
        "{} {} {} {} status={} bytes={bytes} ms={} instance={} id={} trace={} attempts={} whole={}",
        humantime::format_rfc3339_millis(entry.at),
        entry.client,
        entry.method,
        quoted(&entry.path),
        entry.status,
        ms(entry),
        dash(entry.instance.as_deref()),
        dash(entry.request_id.as_deref()),
        dash(entry.trace_id.as_deref()),
        entry.attempts,
        entry.whole,
    )
}

fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\' && byte != b'=';
    if !text.is_empty() && text.bytes().all(plain) { text.to_owned() } else { format!("{text:?}") }
}

fn as_json(entry: &AccessEntry) -> String {
    json!({
        "time": humantime::format_rfc3339_millis(entry.at).to_string(),
        "client": entry.client,
        "method": entry.method.as_str(),
        "path": entry.path,
        "status": entry.status,
        "bytes": entry.bytes,
        "ms": ms(entry),
        "instance": entry.instance.as_deref(),
        "request_id": entry.request_id,
        "trace_id": entry.trace_id,
        "attempts": entry.attempts,
        "whole": entry.whole,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::UNIX_EPOCH;

    use super::*;

    fn entry(path: &str) -> AccessEntry {
        AccessEntry {
            at: UNIX_EPOCH + Duration::from_millis(1_500),
            client: Ipv4Addr::LOCALHOST.into(),
            method: http::Method::GET,
            path: path.to_owned(),
            status: 200,
            bytes: Some(5),
            took: Duration::from_micros(1234),
            instance: Some("web-1".into()),
            request_id: Some("a b=\"c".to_owned()),
            trace_id: None,
            attempts: 1,
            whole: true,
        }
    }

    #[test]
    fn a_line_of_text_cannot_be_made_to_look_like_others() {
        let line = text(&entry("/a"));
        let expected = "1970-01-01T00:00:01.500Z 127.0.0.1 GET /a status=200 bytes=5 ms=1.234 instance=web-1 \
                        id=\"a b=\\\"c\" trace=- attempts=1 whole=true";
        assert_eq!(line, expected);
        let hostile = Line::from(text(&entry("/a status=500\u{1b}[2J\n\u{202e}"))).to_string();
        assert!(!hostile.contains(['\n', '\u{1b}', '\u{202e}']), "{hostile}");
        assert!(hostile.contains("GET \"/a status=500"), "{hostile}");
    }

    #[test]
    fn a_line_of_json_is_one_line_of_ascii_and_says_the_same() {
        let path = "/\u{1b}\n\u{202e}\u{1f600}\"";
        let line = in_ascii(&as_json(&entry(path)));
        assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((&read["path"], &read["ms"], &read["trace_id"]), (&json!(path), &json!(1.234), &json!(null)));
    }
}
