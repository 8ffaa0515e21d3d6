//! Sends what changes to those who listen, several times a second, and takes samples for rates. Without listeners it only
//! takes samples.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::snapshot::Snapshots;
use crate::balancer::Sighting;

/// From one look to the next.
const BEAT: Duration = Duration::from_millis(100);

/// The status is sent, and a sample taken, each so many beats.
const STATUS_EACH: u32 = 5;
const SAMPLE_EACH: u32 = 10;

/// A request as the page gets it.
#[derive(Debug, Serialize)]
struct Dot {
    instance: Option<String>,
    client: u32,
    status: u16,
    attempts: u32,
}

/// Runs until the runtime ends.
pub(super) async fn run(snapshots: Arc<Snapshots>, mut sightings: mpsc::Receiver<Sighting>) {
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for beat in 0_u32.. {
        beats.tick().await;
        let heard = snapshots.hub.has_listeners();
        snapshots.meter.watch(heard);
        let seen = std::iter::from_fn(|| sightings.try_recv().ok());
        let dots: Vec<Dot> = seen
            .map(|Sighting { instance, client, status, attempts }| {
                let instance = instance.map(|name| name.to_string());
                Dot { instance, client, status, attempts }
            })
            .collect();
        if heard && !dots.is_empty() {
            snapshots.hub.send("requests", &dots);
        }
        if beat.is_multiple_of(SAMPLE_EACH) {
            snapshots.sample();
        }
        if heard
            && beat.is_multiple_of(STATUS_EACH)
            && let Some(snapshot) = snapshots.now().await
        {
            snapshots.hub.send("status", &snapshot);
        }
    }
}
