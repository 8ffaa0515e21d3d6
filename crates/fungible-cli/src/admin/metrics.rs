//! The metrics as Prometheus reads them: written when it asks, from the counters of the balancer and of the fleet.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::fleet_counters::{FleetCounters, RESTART_REASONS};
use super::snapshot::Snapshots;
use crate::balancer::{BOUNDS, BUCKETS, CheckKind, EXPOSED, InstanceMeter, Meter, OTHER_STATUS, ResendReason};
use crate::fleet::{FleetStatus, InstanceState};

/// The content type of what [`text`] returns.
pub(super) const CONTENT_TYPE_OF_TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics, in the text format of `OpenMetrics` 1.0.
///
/// # Errors
/// When they cannot be written, which does not happen with a text in memory.
pub(super) async fn text(snapshots: &Snapshots) -> Result<String, fmt::Error> {
    let scrape = Scrape {
        status: snapshots.status().await,
        meter: Arc::clone(&snapshots.meter),
        counters: snapshots.hub.counters(),
        connections: snapshots.sources.balancer.connections(),
        held: snapshots.sources.balancer.held(),
    };
    let mut registry = Registry::with_prefix("fungible");
    registry.register_collector(Box::new(scrape));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

/// What is written at one time.
#[derive(Debug)]
struct Scrape {
    /// `None` if the fleet is ending.
    status: Option<FleetStatus>,
    meter: Arc<Meter>,
    counters: FleetCounters,
    connections: usize,
    held: usize,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let instances = self.meter.instances();
        let all = || instances.iter().map(Arc::as_ref).chain([self.meter.unrouted()]);
        requests(&mut encoder, all())?;
        durations(&mut encoder, all())?;
        self.waiting(&mut encoder)?;
        checks(&mut encoder, &instances)?;
        self.fleet(&mut encoder)?;
        let build = ConstGauge::new(1_i64);
        let mut family =
            encoder.encode_descriptor("build_info", "The version of this program", None, MetricType::Gauge)?;
        build.encode(family.encode_family(&[("version", env!("CARGO_PKG_VERSION"))])?)
    }
}

impl Scrape {
    fn waiting(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "http_requests_resent",
            "Requests that were sent to another instance, or again, by the reason",
            None,
            MetricType::Counter,
        )?;
        for reason in ResendReason::ALL {
            counter(&mut family, &[("reason", reason.word())], self.meter.resent(reason))?;
        }
        let of_all = [
            ("http_requests_waited", "Requests that had to wait because no instance was ready", self.meter.held()),
            ("client_connections_accepted", "Connections of clients that were accepted", self.meter.accepted()),
        ];
        for (name, help, value) in of_all {
            let encoder = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(encoder)?;
        }
        let now = [
            ("http_requests_waiting", "Requests that wait now because no instance is ready", self.held),
            ("client_connections", "Connections of clients that are open", self.connections),
        ];
        for (name, help, value) in now {
            let encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(signed(value)).encode(encoder)?;
        }
        Ok(())
    }

    fn fleet(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(status) = &self.status {
            let help = "Requests without a complete response";
            let mut family = encoder.encode_descriptor("http_requests_in_flight", help, None, MetricType::Gauge)?;
            for one in &status.instances {
                gauge(&mut family, &[("instance", one.name.as_str())], one.in_flight)?;
            }
            let help = "Instances by their state";
            let mut family = encoder.encode_descriptor("instances", help, None, MetricType::Gauge)?;
            for state in InstanceState::ALL {
                let count = status.instances.iter().filter(|one| one.state == state).count();
                gauge(&mut family, &[("state", state.word())], count)?;
            }
        }
        let help = "Processes that ended and were started again, by the reason";
        let mut family = encoder.encode_descriptor("instance_restarts", help, None, MetricType::Counter)?;
        for reason in RESTART_REASONS {
            let count = self.counters.restarts.get(reason).copied().unwrap_or_default();
            counter(&mut family, &[("reason", reason)], count)?;
        }
        let mut family = encoder.encode_descriptor("deploys", "Deploys by their outcome", None, MetricType::Counter)?;
        for outcome in ["done", "failed"] {
            let count = self.counters.deploys.get(outcome).copied().unwrap_or_default();
            counter(&mut family, &[("outcome", outcome)], count)?;
        }
        Ok(())
    }
}

fn requests<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    instances: impl Iterator<Item = &'a InstanceMeter>,
) -> fmt::Result {
    let help = "Requests by the instance that answered, or none, the method and the status code";
    let mut family = encoder.encode_descriptor("http_requests", help, None, MetricType::Counter)?;
    for one in instances {
        for (method, status, count) in one.requests() {
            let code = if status == OTHER_STATUS { "other".to_owned() } else { status.to_string() };
            counter(&mut family, &[("instance", one.name()), ("method", method), ("code", &code)], count)?;
        }
    }
    Ok(())
}

fn durations<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    instances: impl Iterator<Item = &'a InstanceMeter>,
) -> fmt::Result {
    let help = "The time from the head of a request to the last byte of its response";
    let kind = MetricType::Histogram;
    let mut family = encoder.encode_descriptor("http_request_duration", help, Some(&Unit::Seconds), kind)?;
    for one in instances {
        let view = one.durations().view();
        if view.count() > 0 {
            let labels = [("instance", one.name())];
            let mut series = family.encode_family(&labels)?;
            series.encode_histogram::<[(&str, &str); 0]>(
                seconds(view.sum),
                view.count(),
                &coarse(&view.counts),
                None,
            )?;
        }
    }
    Ok(())
}

fn checks(encoder: &mut DescriptorEncoder<'_>, instances: &[Arc<InstanceMeter>]) -> fmt::Result {
    let help = "Health checks by the instance and the result";
    let mut family = encoder.encode_descriptor("health_checks", help, None, MetricType::Counter)?;
    for one in instances {
        for kind in CheckKind::ALL {
            counter(&mut family, &[("instance", one.name()), ("result", kind.word())], one.checks(kind))?;
        }
    }
    Ok(())
}

fn counter(family: &mut MetricEncoder<'_>, labels: &[(&str, &str)], value: u64) -> fmt::Result {
    ConstCounter::new(value).encode(family.encode_family(&labels)?)
}

fn gauge(family: &mut MetricEncoder<'_>, labels: &[(&str, &str)], value: usize) -> fmt::Result {
    ConstGauge::new(signed(value)).encode(family.encode_family(&labels)?)
}

fn signed(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "microseconds below 2^52 are 142 years")]
fn seconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1e6
}

/// The counts per range that Prometheus gets, each with its upper bound in seconds.
fn coarse(counts: &[u64; BUCKETS]) -> Vec<(f64, u64)> {
    let mut from = 0;
    let mut found = Vec::with_capacity(EXPOSED.len() + 1);
    for bound in EXPOSED {
        let to = BOUNDS.partition_point(|one| *one <= bound);
        found.push((seconds(bound), counts[from..to].iter().sum()));
        from = to;
    }
    found.push((f64::MAX, counts[from..].iter().sum()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_in_one_range() {
        let mut counts = [1; BUCKETS];
        counts[BUCKETS - 1] = 7;
        let coarse = coarse(&counts);
        assert_eq!(coarse.iter().map(|(_, count)| count).sum::<u64>(), counts.iter().sum::<u64>());
        assert_eq!(coarse[0], (0.001, 4), "250, 500, 750 and 1000 microseconds");
        assert_eq!(coarse.last().map(|(_, count)| *count), Some(7));
    }
}
