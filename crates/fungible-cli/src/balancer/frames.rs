//! The messages and events of one exchange, within limits. It does not know how they were told apart.

use std::collections::HashMap;

use super::passed::Passed;
use super::tap::Plan;
use crate::exchange::{Body, Frame};

/// So many are kept one by one.
const MANY: usize = 10_000;

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Frames {
    kept: Vec<Frame>,
    /// What was said after those, by side (`true`: the client's): the hash of each, one after the other.
    rest: HashMap<bool, Passed>,
}

impl Frames {
    pub(super) fn add(&mut self, plan: &Plan, from_client: bool, data: Passed) {
        if self.kept.len() < MANY {
            let data = data.body(plan.kept());
            return self.kept.push(Frame { from_client, data, at: plan.began.elapsed() });
        }
        if let Body::Hashed { sha256, .. } = data.hashed() {
            self.rest.entry(from_client).or_insert_with(Passed::hashing).pass(&sha256);
        }
    }

    /// All of them; what was too much as one frame of each side.
    pub(super) fn all(mut self, plan: &Plan) -> Vec<Frame> {
        let at = plan.began.elapsed();
        for from_client in [true, false] {
            if let Some(rest) = self.rest.remove(&from_client) {
                self.kept.push(Frame { from_client, data: rest.hashed(), at });
            }
        }
        self.kept.shrink_to_fit();
        self.kept
    }
}
