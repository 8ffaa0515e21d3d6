//! Prints the output of instances, each line prefixed with the name of the instance. If our output is blocked, the
//! instances that print are blocked too, for up to two seconds; then lines are dropped and counted until our output is
//! read again. The keeper itself never waits.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::fcntl::{AT_FDCWD, OFlag};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::protocol::{ProcessId, Report};
use crate::fleet::own_folder;

/// The longest line, in bytes. A longer one is split, so that an instance that prints no line end cannot fill our
/// memory.
const LONGEST_LINE: u64 = 64 * 1024;

/// How many lines are queued for a slow terminal before instances are blocked.
const WAITING_LINES: usize = 256;

/// How long instances are blocked by a blocked output. A service must not stop because nobody reads its output.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the last lines may take at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

struct OutputLine {
    text: Vec<u8>,
    to_stderr: bool,
}

/// Prints the output of instances, on a thread of its own.
pub(super) struct OutputRelay {
    lines: Lines,
    done: oneshot::Receiver<()>,
}

/// So many of the last lines of an output are kept, and so much of each, in bytes.
const KEPT_LINES: usize = 20;
const KEPT_OF_LINE: usize = 1000;

/// How much of a log is read for its last lines, in bytes.
const MOST_OF_LOG: u64 = KEPT_LINES as u64 * LONGEST_LINE;

/// The last lines of the output of one process. They are reported when nobody writes to it any more.
pub(super) struct Tail {
    id: ProcessId,
    lines: Mutex<VecDeque<String>>,
    said: mpsc::UnboundedSender<Report>,
}

impl Tail {
    pub(super) fn new(id: ProcessId, said: mpsc::UnboundedSender<Report>) -> Arc<Tail> {
        Arc::new(Tail { id, lines: Mutex::default(), said })
    }

    fn keep(&self, line: &[u8]) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(kept(line));
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner));
        // If the keeper ends, nobody reads them.
        let _ = self.said.send(Report::Said { id: self.id, lines: lines.into() });
    }
}

/// A file that a process writes its output to.
#[derive(Debug)]
pub(super) struct LogTail {
    file: File,
    /// Where it began to write.
    from: u64,
}

impl LogTail {
    /// The file at this path, before the process is started.
    pub(super) fn open(path: &Path) -> io::Result<LogTail> {
        let file = own_folder::file(AT_FDCWD, path, OFlag::O_RDONLY)?;
        let from = file.metadata()?.len();
        Ok(LogTail { file, from })
    }

    /// The last lines that came since then, as [`Tail`] keeps them; none if the file cannot be read.
    pub(super) fn lines(&self) -> Vec<String> {
        let read = || {
            let end = self.file.metadata()?.len();
            // A log that became too long was emptied.
            let from = if self.from > end { 0 } else { self.from };
            let from = from.max(end.saturating_sub(MOST_OF_LOG));
            let mut data = vec![0; usize::try_from(end - from).map_err(io::Error::other)?];
            self.file.read_exact_at(&mut data, from)?;
            io::Result::Ok(data)
        };
        let data = read().unwrap_or_default();
        let data = data.trim_ascii_end();
        if data.is_empty() {
            return Vec::new();
        }
        let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
        let last = lines[lines.len().saturating_sub(KEPT_LINES)..].iter();
        last.map(|line| kept(line)).collect()
    }
}

/// A line as it is kept.
fn kept(line: &[u8]) -> String {
    String::from_utf8_lossy(&line[..line.len().min(KEPT_OF_LINE)]).trim_end().to_owned()
}

/// The queue to the thread that prints.
#[derive(Clone)]
struct Lines {
    waiting: mpsc::Sender<OutputLine>,
    left_out: Arc<LeftOut>,
}

#[derive(Default)]
struct LeftOut {
    /// The output is blocked, so lines are dropped without waiting.
    stands_still: AtomicBool,
    lines: AtomicU64,
}

impl OutputRelay {
    /// Starts the thread that prints.
    pub(super) fn start() -> OutputRelay {
        let (lines, mut waiting) = mpsc::channel::<OutputLine>(WAITING_LINES);
        let (finished, done) = oneshot::channel();
        let left_out = Arc::<LeftOut>::default();
        let lost = Arc::clone(&left_out);
        std::thread::spawn(move || {
            while let Some(line) = waiting.blocking_recv() {
                // A reader that went away must not affect the instances: they run on without output.
                let written = if line.to_stderr { io::stderr().write_all(&line.text) } else { print(&line.text) };
                if waiting.len() < WAITING_LINES / 2 {
                    lost.stands_still.store(false, Ordering::Relaxed);
                }
                let count = lost.lines.swap(0, Ordering::Relaxed) + u64::from(written.is_err());
                if count > 0 && tell_of(count).is_err() {
                    lost.lines.fetch_add(count, Ordering::Relaxed);
                }
            }
            let _ = finished.send(());
        });
        OutputRelay { lines: Lines { waiting: lines, left_out }, done }
    }

    /// Prints every line of `pipe` until it ends, and keeps the last ones.
    pub(super) fn follow(&self, pipe: OwnedFd, prefix: &str, to_stderr: bool, tail: &Arc<Tail>) -> io::Result<()> {
        let mut pipe = BufReader::new(Receiver::from_owned_fd(pipe)?);
        let tail = Arc::clone(tail);
        let (lines, prefix) = (self.lines.clone(), prefix.as_bytes().to_vec());
        tokio::spawn(async move {
            loop {
                let mut text = prefix.clone();
                match (&mut pipe).take(LONGEST_LINE).read_until(b'\n', &mut text).await {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
                if text.last() != Some(&b'\n') {
                    text.push(b'\n');
                }
                tail.keep(&text[prefix.len()..]);
                if lines.pass_on(OutputLine { text, to_stderr }).await.is_err() {
                    break;
                }
            }
        });
        Ok(())
    }

    /// Waits, within a limit, until all lines are printed. To be called when no process is left that could print.
    pub(super) async fn finish(self) {
        drop(self.lines);
        let _ = tokio::time::timeout(LAST_LINES, self.done).await;
    }
}

impl Lines {
    /// Queues the line, or drops and counts it. An error means that the printing thread has ended.
    async fn pass_on(&self, line: OutputLine) -> Result<(), ()> {
        let line = match self.waiting.try_send(line) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(()),
            Err(TrySendError::Full(line)) => line,
        };
        if !self.left_out.stands_still.load(Ordering::Relaxed) {
            match tokio::time::timeout(PATIENCE, self.waiting.send(line)).await {
                Ok(sent) => return sent.map_err(drop),
                Err(_) => self.left_out.stands_still.store(true, Ordering::Relaxed),
            }
        }
        self.left_out.lines.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn tell_of(lines: u64) -> io::Result<()> {
    let lines = if lines == 1 { "1 line of instances was" } else { &format!("{lines} lines of instances were") };
    writeln!(io::stderr(), "fungible | {lines} left out here, because this output was not read or could not be written")
}

fn print(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What is kept of a log that had the first text before, and has the second one at the end of the process.
    fn kept_of(before: &str, after: &str) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        fs::write(&path, before).expect("it is written");
        let log = LogTail::open(&path).expect("it is ours");
        fs::write(&path, after).expect("it is written");
        log.lines()
    }

    #[test]
    fn a_log_without_new_output_has_no_lines() {
        for (before, after) in [("", ""), ("", "\n \n"), ("earlier\n", "earlier\n"), ("earlier\n", "earlier\n\n")] {
            assert_eq!(kept_of(before, after), Vec::<String>::new(), "{before:?} {after:?}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_a_line() {
        assert_eq!(kept_of("", "panic"), ["panic"]);
        assert_eq!(kept_of("earlier\n", "earlier\none\n\npanic"), ["one", "", "panic"]);
    }

    #[test]
    fn a_log_that_was_truncated_is_read_from_its_beginning() {
        assert_eq!(kept_of("earlier output\n", "new\n"), ["new"]);
        assert_eq!(kept_of("earlier output\n", ""), Vec::<String>::new());
    }

    #[test]
    fn a_log_has_the_same_last_lines_as_a_pipe() {
        for length in [1, KEPT_OF_LINE - 1, KEPT_OF_LINE, 3 * KEPT_OF_LINE] {
            let lines: Vec<String> = (10..40).map(|number| format!("{number}{}", "x".repeat(length))).collect();
            let (said, mut reports) = mpsc::unbounded_channel();
            let tail = Tail::new(1, said);
            for line in &lines {
                tail.keep(line.as_bytes());
            }
            drop(tail);
            let Ok(Report::Said { lines: of_pipe, .. }) = reports.try_recv() else { panic!("it is reported") };
            assert_eq!(kept_of("", &lines.join("\n")), of_pipe, "{length}");
        }
    }
}
