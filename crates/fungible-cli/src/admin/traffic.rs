//! How many requests there are per second and how long they take, over the last seconds: differences of the counters.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::balancer::{DurationsView, Meter, NO_INSTANCE};

/// Rates are over so many samples, one per second.
const SAMPLES: usize = 5;

/// The counters of the last seconds.
#[derive(Debug)]
pub(super) struct TrafficHistory {
    /// The oldest first.
    samples: VecDeque<Sample>,
}

#[derive(Debug)]
struct Sample {
    at: Instant,
    of: BTreeMap<String, DurationsView>,
}

/// The traffic of the last seconds.
#[derive(Debug, Default, Serialize)]
pub(super) struct TrafficView {
    pub(super) requests_per_second: f64,
    pub(super) client_connections: usize,
    /// Requests that wait for an instance.
    pub(super) held: usize,
    /// By the names of the instances.
    pub(super) instances: BTreeMap<String, InstanceTraffic>,
}

/// The traffic of one instance.
#[derive(Debug, Serialize)]
pub(super) struct InstanceTraffic {
    pub(super) requests_per_second: f64,
    /// The median, if there were requests.
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
}

impl TrafficHistory {
    /// A history that begins now.
    pub(super) fn begin(now: Instant) -> TrafficHistory {
        TrafficHistory { samples: VecDeque::from([Sample { at: now, of: BTreeMap::new() }]) }
    }

    /// Takes a sample of the counters.
    pub(super) fn sample(&mut self, meter: &Meter, now: Instant) {
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at: now, of: counters(meter) });
    }

    /// The traffic since the oldest sample.
    pub(super) fn view(&self, meter: &Meter, now: Instant) -> TrafficView {
        let mut view = TrafficView::default();
        let Some(oldest) = self.samples.front() else { return view };
        let seconds = now.saturating_duration_since(oldest.at).as_secs_f64().max(0.5);
        for (name, counts) in counters(meter) {
            let lately = oldest.of.get(&name).map_or_else(|| counts.clone(), |before| counts.since(before));
            let ms = |part| lately.quantile(part).map(|time: Duration| rounded(time.as_secs_f64() * 1000.0));
            let rate = per_second(lately.count(), seconds);
            view.requests_per_second += rate;
            if name != NO_INSTANCE {
                let (p50_ms, p99_ms) = (ms(0.5), ms(0.99));
                let one = InstanceTraffic { requests_per_second: rounded(rate), p50_ms, p99_ms };
                view.instances.insert(name, one);
            }
        }
        view.requests_per_second = rounded(view.requests_per_second);
        view
    }
}

fn counters(meter: &Meter) -> BTreeMap<String, DurationsView> {
    let instances = meter.instances();
    let all = instances.iter().map(|one| (one.name().to_owned(), one.durations().view()));
    all.chain([(NO_INSTANCE.to_owned(), meter.unrouted().durations().view())]).collect()
}

#[expect(clippy::cast_precision_loss, reason = "there are far fewer requests than that")]
fn per_second(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}

/// With two decimals.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_last_seconds() {
        let (meter, _) = Meter::new();
        let one = meter.instance("a-1");
        let begin = Instant::now();
        let mut history = TrafficHistory::begin(begin);
        let at = |second| begin + Duration::from_secs(second);
        let rate =
            |history: &TrafficHistory, second| history.view(&meter, at(second)).instances["a-1"].requests_per_second;
        for _ in 0..20 {
            one.durations().observe(Duration::from_millis(20));
        }
        assert!((rate(&history, 2) - 10.0).abs() < 0.01);
        for second in 1..=10 {
            history.sample(&meter, at(second));
        }
        assert!(rate(&history, 10).abs() < 0.01, "they were long ago");
        let view = history.view(&meter, at(10));
        assert_eq!(view.instances["a-1"].p50_ms, None);
        one.durations().observe(Duration::from_millis(20));
        let view = history.view(&meter, at(10));
        assert!(view.instances["a-1"].p99_ms.is_some_and(|ms| (15.0..=20.0).contains(&ms)), "{view:?}");
        assert!(!view.instances.contains_key(NO_INSTANCE));
    }
}
