//! A limit on requests that are sent again, so that instances which fail all the time do not get a multiple of the load: as
//! in Finagle and Linkerd, a share of the requests and a few per second. Each worker has its own.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// Each request allows so many hundredths of a resend.
const SHARE: u32 = 20;

/// So many hundredths of a resend are allowed per millisecond: ten resends per second.
const PER_MILLISECOND: u32 = 1;

/// So many hundredths of a resend are kept at most. An instance that ends can leave many requests at the same time.
const MOST: u32 = 500 * 100;

/// The resends that are allowed now.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    /// In hundredths of a resend.
    left: Cell<u32>,
    refilled: Cell<Instant>,
}

impl RetryBudget {
    /// A full one.
    pub(crate) fn new(now: Instant) -> RetryBudget {
        RetryBudget { left: Cell::new(MOST), refilled: Cell::new(now) }
    }

    /// A new request came.
    pub(super) fn count(&self) {
        self.left.set((self.left.get() + SHARE).min(MOST));
    }

    /// Whether a request may be sent again; it is counted if so.
    pub(in crate::balancer) fn take(&self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.refilled.get());
        if passed >= Duration::from_millis(1) {
            self.refilled.set(now);
            let added = u32::try_from(passed.as_millis()).unwrap_or(MOST).saturating_mul(PER_MILLISECOND);
            self.left.set(self.left.get().saturating_add(added).min(MOST));
        }
        let left = self.left.get().checked_sub(100);
        self.left.set(left.unwrap_or_else(|| self.left.get()));
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_that_always_fails_gets_a_fifth_more_and_ten_per_second() {
        let start = Instant::now();
        let budget = RetryBudget::new(start);
        while budget.take(start) {}
        let mut resent = 0;
        for request in 0..10_000_u64 {
            budget.count();
            // 1,000 requests per second, each of which would be sent again twice.
            let now = start + Duration::from_millis(request);
            resent += [budget.take(now), budget.take(now)].into_iter().filter(|may| *may).count();
        }
        assert!((2090..=2110).contains(&resent), "{resent}");
    }

    #[test]
    fn what_is_left_has_a_bound() {
        let start = Instant::now();
        let budget = RetryBudget::new(start);
        for _ in 0..100_000 {
            budget.count();
        }
        let later = start + Duration::from_hours(1);
        assert_eq!((0..2000).filter(|_| budget.take(later)).count(), 500);
    }
}
