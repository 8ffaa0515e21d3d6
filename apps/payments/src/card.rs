//! The cards of this service. Each fails in its own way, to test a shop.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a card behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Card {
    /// It is charged.
    Good,
    /// It is refused.
    Refused,
    /// It is charged, after a while.
    Slow,
    /// It is charged, and the first request gets no response.
    Silent,
    /// It is charged, and the service says that it charged something else.
    Lying,
    /// It is charged, and the response is garbage.
    Garbled,
}

impl Card {
    /// How long the service thinks before it charges.
    pub(crate) fn thinks(self) -> Duration {
        if self == Card::Slow { Duration::from_millis(700) } else { Duration::ZERO }
    }
}
