//! The messages and events of one exchange, within limits. It does not know how they were told apart.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::captured_body::CapturedBody;
use crate::exchange::{Body, Frame};

/// So many are kept one by one.
const MANY: usize = 10_000;

/// What was said so far.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    kept: Vec<Frame>,
    /// What was said after those, by side (`true`: the client's): the hash of each, one after the other.
    rest: HashMap<bool, CapturedBody>,
}

impl Frames {
    /// `kept_in_all`: the bytes that are kept of the whole run.
    pub(crate) fn add(&mut self, kept_in_all: &AtomicUsize, at: Duration, from_client: bool, data: CapturedBody) {
        if self.kept.len() < MANY {
            let data = data.body(kept_in_all);
            return self.kept.push(Frame { from_client, data, at });
        }
        if let Body::Hashed { sha256, .. } = data.hashed() {
            self.rest.entry(from_client).or_insert_with(CapturedBody::hashing).pass(&sha256);
        }
    }

    /// All of them; what was too much as one frame of each side.
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
