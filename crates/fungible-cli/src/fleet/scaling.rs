//! How many instances a fleet should have, by the requests in flight. It starts and ends nothing, and reads no clock.
//!
//! The rule is that of Kubernetes' Horizontal Pod Autoscaler (`autoscaling/v2`), with requests in flight as the metric:
//!
//! - `recommended = ceil(in flight / target)`, within `min` and `max`. Requests that wait for an instance count as in
//!   flight.
//! - Hysteresis: a recommendation is ignored while the load of each instance is within 10 % of the target.
//! - The stabilization windows are the cool-down: the fleet grows to the lowest recommendation of the last second, so that
//!   one burst starts nothing, and shrinks to the highest of the last `scale_down_after`, so that it does not stop
//!   instances that it needs again a moment later.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How often the load is looked at.
pub(super) const BETWEEN_SAMPLES: Duration = Duration::from_millis(250);

/// The window of the lowest recommendation, to which a fleet grows.
const SCALE_UP_AFTER: Duration = Duration::from_secs(1);

/// In hundredths of the target.
const TOLERANCE: u64 = 10;

/// The limits of autoscaling, and its target.
#[derive(Debug, Clone)]
pub(crate) struct ScalingRule {
    /// The fewest and the most instances; `1 <= min <= max`.
    pub(crate) min: usize,
    pub(crate) max: usize,
    /// So many requests in flight per instance are wanted; at least 1.
    pub(crate) target: u32,
    /// For so long fewer instances must have been enough before any is stopped.
    pub(crate) scale_down_after: Duration,
}

/// Decides about one fleet.
#[derive(Debug)]
pub(super) struct Autoscaler {
    rule: ScalingRule,
    /// What was recommended when, oldest first.
    recommended: VecDeque<(Instant, usize)>,
    /// The first and the last sample without a gap.
    samples: Option<(Instant, Instant)>,
}

impl Autoscaler {
    pub(super) fn new(rule: ScalingRule) -> Autoscaler {
        Autoscaler { rule, recommended: VecDeque::new(), samples: None }
    }

    pub(super) fn rule(&self) -> &ScalingRule {
        &self.rule
    }

    /// How many instances there should be, where there are `current` now and so many requests are in flight. After a time in
    /// which it was not asked, as during a deploy, it waits for its windows again.
    pub(super) fn wanted(&mut self, now: Instant, current: usize, in_flight: usize) -> usize {
        let (first, last) = self.samples.unwrap_or((now, now));
        let is_gap = now.duration_since(last) > 4 * BETWEEN_SAMPLES;
        let first = if is_gap { now } else { first };
        self.samples = Some((first, now));
        if is_gap {
            self.recommended.clear();
        }
        self.recommended.push_back((now, self.recommend(current, in_flight)));
        let longest = self.rule.scale_down_after.max(SCALE_UP_AFTER);
        while self.recommended.front().is_some_and(|(at, _)| now.duration_since(*at) > longest) {
            self.recommended.pop_front();
        }
        let within = |window: Duration| {
            let recent = self.recommended.iter().filter(move |(at, _)| now.duration_since(*at) <= window);
            recent.map(|(_, count)| *count)
        };
        let watched = now.duration_since(first);
        let up = within(SCALE_UP_AFTER).min().filter(|_| watched >= SCALE_UP_AFTER).unwrap_or(current);
        let down = within(longest).max().filter(|_| watched >= longest).unwrap_or(current);
        // Never both: the lowest of the last second is at most the highest of all.
        let wanted = if up > current { up } else { down.min(current) };
        wanted.clamp(self.rule.min, self.rule.max)
    }

    fn recommend(&self, current: usize, in_flight: usize) -> usize {
        let target = u64::from(self.rule.target.max(1));
        let capacity = (current as u64).saturating_mul(target);
        let off = capacity.abs_diff(in_flight as u64);
        let recommended = if off.saturating_mul(100) <= capacity.saturating_mul(TOLERANCE) {
            current
        } else {
            usize::try_from((in_flight as u64).div_ceil(target)).unwrap_or(usize::MAX)
        };
        recommended.clamp(self.rule.min, self.rule.max)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules() -> impl Strategy<Value = ScalingRule> {
        (1_usize..6, 0_usize..12, 1_u32..20, 0_u64..90).prop_map(|(min, more, target, seconds)| ScalingRule {
            min,
            max: min + more,
            target,
            scale_down_after: Duration::from_secs(seconds),
        })
    }

    /// The sizes that a fleet has while it has these loads, one per sample.
    fn sizes(rule: &ScalingRule, start: usize, loads: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut scaler = Autoscaler::new(rule.clone());
        let (mut now, mut current) = (Instant::now(), start);
        let mut sizes = Vec::new();
        for load in loads {
            current = scaler.wanted(now, current, load);
            sizes.push(current);
            now += BETWEEN_SAMPLES;
        }
        sizes
    }

    fn samples(time: Duration) -> usize {
        usize::try_from(time.as_millis() / BETWEEN_SAMPLES.as_millis()).expect("small")
    }

    proptest! {
        #[test]
        fn it_stays_within_its_limits(rule in rules(), start in 0_usize..30, loads in prop::collection::vec(0_usize..500, 0..200)) {
            for size in sizes(&rule, start, loads) {
                prop_assert!((rule.min..=rule.max).contains(&size), "{size}");
            }
        }

        #[test]
        fn a_steady_load_gives_one_size_that_carries_it(rule in rules(), load in 0_usize..500) {
            let long = samples(rule.scale_down_after.max(SCALE_UP_AFTER)) + 2;
            let sizes = sizes(&rule, rule.min, std::iter::repeat_n(load, long * 3));
            let last = *sizes.last().expect("there are some");
            prop_assert!(sizes[long..].iter().all(|size| *size == last), "{sizes:?}");
            // Within the tolerance, or as large as allowed.
            let carried = last as u64 * u64::from(rule.target) * (100 + TOLERANCE);
            prop_assert!(carried >= load as u64 * 100 || last == rule.max);
            // And no instance more than that takes.
            prop_assert!((last as u64 - 1) * u64::from(rule.target) < load as u64 || last == rule.min);
        }

        #[test]
        fn it_keeps_what_it_needed_within_the_cool_down(rule in rules(), loads in prop::collection::vec(0_usize..500, 1..200)) {
            let sizes = sizes(&rule, rule.min, loads.iter().copied());
            let window = samples(rule.scale_down_after.max(SCALE_UP_AFTER));
            for (at, two) in sizes.windows(2).enumerate() {
                if two[1] < two[0] {
                    let from = (at + 1).saturating_sub(window);
                    let needed = loads[from..=at + 1].iter().map(|load| load.div_ceil(rule.target as usize));
                    let most = needed.max().unwrap_or_default().min(rule.max);
                    // One that is within the tolerance may be missing.
                    prop_assert!(two[1] * (100 + 10) >= most * 100, "{} instead of {most}", two[1]);
                }
            }
        }

        #[test]
        fn a_burst_shorter_than_a_second_starts_nothing(rule in rules(), burst in 0_usize..5000) {
            let mut loads = vec![0; samples(SCALE_UP_AFTER) + 1];
            loads.extend(vec![burst; samples(SCALE_UP_AFTER)]);
            loads.push(0);
            let sizes = sizes(&rule, rule.min, loads);
            prop_assert!(sizes.iter().all(|size| *size == rule.min), "{sizes:?}");
        }
    }

    #[test]
    fn after_a_gap_one_sample_decides_nothing() {
        let rule = ScalingRule { min: 2, max: 10, target: 8, scale_down_after: Duration::from_secs(30) };
        let mut scaler = Autoscaler::new(rule);
        let start = Instant::now();
        for sample in 0..200_u32 {
            assert_eq!(scaler.wanted(start + sample * BETWEEN_SAMPLES, 10, 80), 10);
        }
        let after_deploy = start + Duration::from_mins(5);
        assert_eq!(scaler.wanted(after_deploy, 10, 0), 10);
        assert_eq!(scaler.wanted(after_deploy + BETWEEN_SAMPLES, 10, 0), 10);
    }

    #[test]
    fn an_overload_is_answered_after_a_second() {
        let rule = ScalingRule { min: 2, max: 10, target: 8, scale_down_after: Duration::from_mins(1) };
        let calm = samples(SCALE_UP_AFTER) + 1;
        let sizes = sizes(&rule, 2, std::iter::repeat_n(0, calm).chain(std::iter::repeat_n(40, 20)));
        let grown = sizes.iter().position(|size| *size == 5).expect("it grows to ceil(40 / 8)");
        assert!(grown - calm <= samples(SCALE_UP_AFTER) + 1, "{sizes:?}");
    }
}
