//! How long requests took, as counts per range. The ranges are finer than those that Prometheus gets, so that the page
//! can say a median.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the ranges, in microseconds.
#[rustfmt::skip]
pub(crate) const BOUNDS: [u64; 36] = [
    250, 500, 750, 1_000, 1_500, 2_000, 2_500, 3_500, 5_000, 7_500,
    10_000, 15_000, 20_000, 25_000, 35_000, 50_000, 75_000, 100_000, 150_000, 200_000, 250_000, 350_000, 500_000, 750_000,
    1_000_000, 1_500_000, 2_000_000, 2_500_000, 3_500_000, 5_000_000, 7_500_000,
    10_000_000, 15_000_000, 20_000_000, 30_000_000, 60_000_000,
];

/// The bounds that Prometheus gets; each is one of [`BOUNDS`].
#[rustfmt::skip]
pub(crate) const EXPOSED: [u64; 15] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// The number of ranges: the last one has no upper bound.
pub(crate) const BUCKETS: usize = BOUNDS.len() + 1;

/// Counts per range, which grow.
#[derive(Debug)]
pub(crate) struct Durations {
    counts: [AtomicU64; BUCKETS],
    /// In microseconds.
    sum: AtomicU64,
}

impl Default for Durations {
    fn default() -> Durations {
        Durations { counts: [const { AtomicU64::new(0) }; BUCKETS], sum: AtomicU64::new(0) }
    }
}

impl Durations {
    /// Counts one more.
    pub(crate) fn observe(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.partition_point(|bound| *bound < took);
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(took, Ordering::Relaxed);
    }

    /// How many were counted.
    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.view().count()
    }

    /// The counts now.
    pub(crate) fn view(&self) -> DurationsView {
        DurationsView {
            counts: std::array::from_fn(|at| self.counts[at].load(Ordering::Relaxed)),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

/// The counts at one time, or those between two times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DurationsView {
    pub(crate) counts: [u64; BUCKETS],
    /// In microseconds.
    pub(crate) sum: u64,
}

impl DurationsView {
    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What was counted since `before`.
    pub(crate) fn since(&self, before: &DurationsView) -> DurationsView {
        DurationsView {
            counts: std::array::from_fn(|at| self.counts[at].saturating_sub(before.counts[at])),
            sum: self.sum.saturating_sub(before.sum),
        }
    }

    /// The time within which this part of them ended (0.5 is the median), as far as the ranges tell; `None` if there are
    /// none.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate, of numbers far below 2^52"
    )]
    pub(crate) fn quantile(&self, part: f64) -> Option<Duration> {
        let wanted = (self.count() as f64 * part).max(1.0);
        let mut below = 0;
        for (at, count) in self.counts.iter().enumerate() {
            if *count > 0 && (below + count) as f64 >= wanted {
                let low = if at == 0 { 0 } else { BOUNDS[at - 1] };
                let high = BOUNDS.get(at).copied().unwrap_or(low);
                let inside = (wanted - below as f64) / *count as f64;
                return Some(Duration::from_micros(low + ((high - low) as f64 * inside) as u64));
            }
            below += count;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_that_prometheus_gets_is_one_of_ours() {
        assert!(BOUNDS.is_sorted());
        assert!(EXPOSED.iter().all(|bound| BOUNDS.contains(bound)));
    }

    #[test]
    fn quantiles_lie_in_the_range_of_what_was_counted() {
        let durations = Durations::default();
        assert_eq!(durations.view().quantile(0.5), None);
        for _ in 0..98 {
            durations.observe(Duration::from_micros(1_200));
        }
        let before = durations.view();
        durations.observe(Duration::from_millis(40));
        durations.observe(Duration::from_mins(50));
        let ms = |view: &DurationsView, part| view.quantile(part).expect("there are some").as_secs_f64() * 1000.0;
        let all = durations.view();
        assert!((1.0..=1.5).contains(&ms(&all, 0.5)), "{}", ms(&all, 0.5));
        assert!((35.0..=50.0).contains(&ms(&all, 0.99)), "{}", ms(&all, 0.99));
        assert!((ms(&all, 1.0) - 60_000.0).abs() < 1.0, "the last bound");
        assert_eq!(all.since(&before).count(), 2);
        assert!(ms(&all.since(&before), 0.5) > 30.0);
    }
}
