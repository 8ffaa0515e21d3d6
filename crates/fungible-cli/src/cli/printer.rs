//! Prints lines on a separate thread, so that a blocked terminal, an unread pipe or a full disk delays neither requests
//! nor the supervisor. Lines that do not fit into the queue are dropped and counted.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use super::line::Line;

/// The length of the queue, in lines.
const WAITING_LINES: usize = 1024;

/// How long the last lines may take at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

enum PrintOrder {
    Print(Line),
    End,
}

/// Queues lines for the printing thread. Clones share one queue.
#[derive(Clone)]
pub(super) struct Printer {
    orders: SyncSender<PrintOrder>,
    left_out: Arc<AtomicU64>,
}

/// The printing thread, to be waited for at the end.
pub(super) struct Printing {
    printer: Printer,
    done: Receiver<()>,
}

impl Printing {
    /// Starts the thread, which prints each line with `print`.
    pub(super) fn start(mut print: impl FnMut(Line) -> io::Result<()> + Send + 'static) -> Printing {
        let (orders, waiting) = sync_channel::<PrintOrder>(WAITING_LINES);
        let (finished, done) = sync_channel(1);
        let left_out = Arc::new(AtomicU64::new(0));
        let printer = Printer { orders, left_out: Arc::clone(&left_out) };
        std::thread::spawn(move || {
            while let Ok(PrintOrder::Print(line)) = waiting.recv() {
                let written = print(line).is_ok();
                let lost = left_out.swap(0, Ordering::Relaxed) + u64::from(!written);
                if lost > 0 && !(written && print(said_of(lost).into()).is_ok()) {
                    left_out.fetch_add(lost, Ordering::Relaxed);
                }
            }
            let _ = finished.send(());
        });
        Printing { printer, done }
    }

    /// A handle for queueing lines.
    pub(super) fn printer(&self) -> Printer {
        self.printer.clone()
    }

    /// Waits, within a limit, until all lines that were queued before are printed.
    pub(super) fn finish(self) {
        let until = Instant::now() + LAST_LINES;
        let mut end = self.printer.orders.try_send(PrintOrder::End);
        while matches!(end, Err(TrySendError::Full(_))) && Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(5));
            end = self.printer.orders.try_send(PrintOrder::End);
        }
        let _ = self.done.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

fn said_of(left_out: u64) -> String {
    let lines = if left_out == 1 { "1 line was" } else { &format!("{left_out} lines were") };
    format!("fungible: {lines} left out here, because this output was not read or could not be written")
}

impl Printer {
    /// Queues the line, or drops and counts it.
    pub(super) fn say(&self, line: Line) {
        if matches!(self.orders.try_send(PrintOrder::Print(line)), Err(TrySendError::Full(_))) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn lines_that_nobody_reads_are_dropped_and_counted_without_waiting() {
        let (release, held) = sync_channel::<()>(0);
        let printed = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&printed);
        let mut first = true;
        let printing = Printing::start(move |line| {
            if std::mem::take(&mut first) {
                held.recv().map_err(io::Error::other)?;
            }
            into.lock().unwrap().push(line.to_string());
            Ok(())
        });
        let lines = printing.printer();
        lines.say("first".into());
        // The thread may or may not have taken the first line by now.
        for number in 0..WAITING_LINES + 10 {
            lines.say(number.to_string().into());
        }
        let lost = lines.left_out.load(Ordering::Relaxed);
        assert!((10..=11).contains(&lost), "{lost}");
        release.send(()).unwrap();
        printing.finish();
        let printed = printed.lock().unwrap();
        assert_eq!(printed[0], "first");
        assert_eq!(printed[1], said_of(lost));
        assert_eq!(printed.len(), WAITING_LINES + 10 + 2 - usize::try_from(lost).unwrap());
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_until_one_can() {
        let printed = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&printed);
        let printing = Printing::start(move |line| {
            if line.to_string() == "bad" {
                return Err(io::ErrorKind::StorageFull.into());
            }
            into.lock().unwrap().push(line.to_string());
            Ok(())
        });
        for line in ["a", "bad", "bad", "b", "c"] {
            printing.printer().say(line.into());
        }
        printing.finish();
        assert_eq!(*printed.lock().unwrap(), ["a", "b", &said_of(2), "c"]);
    }

    #[test]
    fn an_output_that_nobody_reads_does_not_delay_the_end() {
        let (_never, held) = sync_channel::<()>(0);
        let printing = Printing::start(move |_| held.recv().map_err(io::Error::other));
        for number in 0..2 * WAITING_LINES {
            printing.printer().say(number.to_string().into());
        }
        printing.finish();
    }
}
