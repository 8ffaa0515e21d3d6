//! Collects the messages and events of one exchange, within limits.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::captured_body::CapturedBody;
use crate::exchange::{Body, Frame};

/// The number of frames that are kept one by one.
const MANY: usize = 10_000;

/// The frames collected so far.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    kept: Vec<Frame>,
    /// The hashes of the frames beyond the limit, one after the other, by side (`true`: of the client).
    rest: HashMap<bool, CapturedBody>,
}

impl Frames {
    /// Adds a frame. `kept_in_all`: the total of the kept bodies of the run, in bytes.
    pub(crate) fn add(&mut self, kept_in_all: &AtomicUsize, at: Duration, from_client: bool, data: CapturedBody) {
        if self.kept.len() < MANY {
            let data = data.body(kept_in_all);
            return self.kept.push(Frame { from_client, data, at });
        }
        if let Body::Hashed { sha256, .. } = data.hashed() {
            self.rest.entry(from_client).or_insert_with(CapturedBody::hashing).pass(&sha256);
        }
    }

    /// All frames; those beyond the limit as one frame per side.
    pub(crate) fn all(mut self, at: Duration) -> Vec<Frame> {
        for from_client in [true, false] {
            if let Some(rest) = self.rest.remove(&from_client) {
                self.kept.push(Frame { from_client, data: rest.hashed(), at });
            }
        }
        self.kept.shrink_to_fit();
        self.kept
    }
}
