//! The time as epoch milliseconds, as an argument: the system's, or one that a test sets. Knows no one else.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

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

    /// Epoch milliseconds.
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Source::System => now_ms(),
            Source::Off(ms) => now_ms() + ms,
            Source::Set(now) => now.load(Ordering::SeqCst),
        }
    }
}

/// The machine's time in epoch milliseconds: how times are stored.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
