//! Passes on what instances print, line by line behind their name. A terminal that stands still holds up the
//! instances that print, as it would without us, but never the keeper.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{mpsc, oneshot};

/// A longer line is cut into several: an instance that prints no line end must not fill our memory.
const LONGEST_LINE: u64 = 64 * 1024;

/// How many lines wait for a slow terminal before the instances do.
const WAITING_LINES: usize = 256;

/// How long the last lines may take when everything ends.
const LAST_LINES: Duration = Duration::from_secs(1);

struct Line {
    text: Vec<u8>,
    to_stderr: bool,
}

pub(super) struct Printer {
    lines: mpsc::Sender<Line>,
    done: oneshot::Receiver<()>,
}

impl Printer {
    pub(super) fn start() -> Printer {
        let (lines, mut waiting) = mpsc::channel::<Line>(WAITING_LINES);
        let (finished, done) = oneshot::channel();
        std::thread::spawn(move || {
            while let Some(line) = waiting.blocking_recv() {
                // A reader that went away takes nothing from the instances: they run on unseen.
                let _ = if line.to_stderr { io::stderr().write_all(&line.text) } else { print(&line.text) };
            }
            let _ = finished.send(());
        });
        Printer { lines, done }
    }

    /// Prints every line of `pipe` until it ends.
    pub(super) fn follow(&self, pipe: OwnedFd, prefix: &str, to_stderr: bool) -> io::Result<()> {
        let mut pipe = BufReader::new(Receiver::from_owned_fd(pipe)?);
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
                if lines.send(Line { text, to_stderr }).await.is_err() {
                    break;
                }
            }
        });
        Ok(())
    }

    /// Waits, within limits, until everything is printed; call it when nothing is left that could print.
    pub(super) async fn finish(self) {
        drop(self.lines);
        let _ = tokio::time::timeout(LAST_LINES, self.done).await;
    }
}

fn print(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.flush()
}
