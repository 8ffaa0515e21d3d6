//! The time as epoch milliseconds, and what has passed as an argument: by the machine's measure, or one that a test sets.
//! Knows no one else.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the time comes from. Cheap to clone; clones of a set clock share its time.
#[derive(Debug, Clone, Default)]
pub struct Clock(Source);

#[derive(Debug, Clone, Default)]
enum Source {
    #[default]
    System,
    /// The machine's, so many milliseconds off.
    Off(i64),
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// The time of the machine.
    pub fn system() -> Clock {
        Clock(Source::System)
    }

    /// The time of a machine whose clock is `ms` milliseconds ahead, or behind where it is negative.
    pub fn off_by(ms: i64) -> Clock {
        Clock(Source::Off(ms))
    }

    /// A clock that stands still at `ms` (epoch milliseconds) until [`Clock::advance`] moves it.
    pub fn set_to(ms: i64) -> Clock {
        Clock(Source::Set(Arc::new(AtomicI64::new(ms))))
    }

    /// Moves a set clock by `ms` milliseconds; does nothing to the system's.
    pub fn advance(&self, ms: i64) {
        if let Source::Set(now) = &self.0 {
            now.fetch_add(ms, Ordering::SeqCst);
        }
    }

    /// Milliseconds since some moment: for what has passed between two looks. Whoever sets the machine's clock does not
    /// change it.
    pub(crate) fn ticks_ms(&self) -> i64 {
        match &self.0 {
            Source::System => ms(BEGAN.get_or_init(Instant::now).elapsed()),
            Source::Off(off) => Clock::system().ticks_ms() + off,
            Source::Set(now) => now.load(Ordering::SeqCst),
        }
    }
}

/// When this process first asked.
static BEGAN: OnceLock<Instant> = OnceLock::new();

/// A duration in whole milliseconds; one that is too long to be added to a time is cut.
pub(crate) fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).min(i64::MAX / 4)
}

/// The machine's time in epoch milliseconds: how times are stored.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
