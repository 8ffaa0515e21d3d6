//! The time as epoch milliseconds, and a clock for elapsed time that a test can set. Knows no other part.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock for elapsed time: the machine's, or one that a test sets. Clones of a set clock share its time.
#[derive(Debug, Clone, Default)]
pub struct Clock(Source);

#[derive(Debug, Clone, Default)]
enum Source {
    #[default]
    System,
    /// The machine's clock plus this many milliseconds.
    Off(i64),
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Clock {
        Clock(Source::System)
    }

    /// The clock of a machine that is `ms` milliseconds ahead, or behind if `ms` is negative.
    pub fn off_by(ms: i64) -> Clock {
        Clock(Source::Off(ms))
    }

    /// A clock that stands still at `ms` (epoch milliseconds) until [`Clock::advance`] moves it.
    pub fn set_to(ms: i64) -> Clock {
        Clock(Source::Set(Arc::new(AtomicI64::new(ms))))
    }

    /// Moves a set clock by `ms` milliseconds. It has no effect on other clocks.
    pub fn advance(&self, ms: i64) {
        if let Source::Set(now) = &self.0 {
            now.fetch_add(ms, Ordering::SeqCst);
        }
    }

    /// Milliseconds since some moment, for the time between two calls. Setting the machine's clock does not change it.
    pub(crate) fn ticks_ms(&self) -> i64 {
        match &self.0 {
            Source::System => ms(BEGAN.get_or_init(Instant::now).elapsed()),
            Source::Off(off) => Clock::system().ticks_ms() + off,
            Source::Set(now) => now.load(Ordering::SeqCst),
        }
    }
}

/// When this process first asked for the time.
static BEGAN: OnceLock<Instant> = OnceLock::new();

/// A duration in whole milliseconds, cut so that it can be added to a time.
pub(crate) fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).min(i64::MAX / 4)
}

/// The machine's time in epoch milliseconds, as times are stored. Use `fungible_now_ms()` in SQL, the store's clock, for times
/// that several instances compare.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
