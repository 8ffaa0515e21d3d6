//! How fast the body of a request must come. Only the time in which we wait for the client counts: one whose instance
//! takes its body slowly is not to blame. It knows nothing of what comes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// The pace of one body.
#[derive(Debug)]
pub(crate) struct Pace {
    /// So long it may still be waited for; what comes adds to it, up to `grace`.
    left: Duration,
    grace: Duration,
    /// Bytes that earn a second; without it only the end counts.
    rate: Option<u64>,
    /// All of it must have come by then.
    end: Instant,
    waiting: Option<Instant>,
    /// Made when it is first waited for.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// `rate` bytes must come per second, `grace` behind that at most, and all of it within `time`.
    pub(super) fn new(rate: Option<u64>, grace: Duration, time: Duration) -> Pace {
        Pace {
            left: grace,
            grace,
            rate: rate.filter(|rate| *rate > 0),
            end: Instant::now() + time,
            waiting: None,
            timer: None,
        }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// To be called while nothing comes. Ready: it is too slow.
    pub(crate) fn poll_too_slow(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.waiting.is_none() {
            let now = Instant::now();
            self.waiting = Some(now);
            let limit = if self.rate.is_some() { (now + self.left).min(self.end) } else { self.end }.into();
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(limit),
                None => self.timer = Some(Box::pin(tokio::time::sleep_until(limit))),
            }
        }
        self.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(context))
    }

    /// So many bytes have come.
    pub(crate) fn came(&mut self, bytes: usize) {
        let waited = self.waiting.take().map_or(Duration::ZERO, |since| since.elapsed());
        if let Some(rate) = self.rate {
            let earned = Duration::from_secs(bytes as u64) / u32::try_from(rate).unwrap_or(u32::MAX);
            self.left = (self.left.saturating_sub(waited) + earned).min(self.grace);
        }
    }
}
