//! Limits how slowly the body of a request may arrive. Only the time in which we wait for the client counts, so that a
//! client is not blamed for an instance that reads slowly. It knows nothing of the content.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// The pace of one body.
#[derive(Debug)]
pub(crate) struct Pace {
    /// How much longer it may be waited for. Bytes that arrive add to it, up to `grace`.
    left: Duration,
    grace: Duration,
    /// The number of bytes that add one second; `None`: only the end counts.
    rate: Option<u64>,
    /// The time by which the whole body must have arrived.
    end: Instant,
    waiting: Option<Instant>,
    /// Created when the body is first waited for.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// A body must arrive at `rate` bytes per second, at most `grace` behind that, and completely within `time`.
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

    /// Whether the body is being waited for.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// To be called while no byte arrives. Ready when the body is too slow.
    pub(crate) fn poll_too_slow(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.waiting.is_none() {
            let now = Instant::now();
            self.waiting = Some(now);
            let limit = if self.rate.is_some() { (now + self.left).min(self.end) } else { self.end };
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(limit),
                None => self.timer = Some(Box::pin(tokio::time::sleep_until(limit))),
            }
        }
        self.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(context))
    }

    /// Records that this many bytes arrived.
    pub(crate) fn came(&mut self, bytes: usize) {
        let waited = self.waiting.take().map_or(Duration::ZERO, |since| since.elapsed());
        if let Some(rate) = self.rate {
            let earned = Duration::from_secs(bytes as u64) / u32::try_from(rate).unwrap_or(u32::MAX);
            self.left = (self.left.saturating_sub(waited) + earned).min(self.grace);
        }
    }
}
