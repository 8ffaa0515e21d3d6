//! Bodies that a client gets back as it sent them: those of two runs are the same thing, whatever bytes they are.

use memchr::memmem;

use super::Baseline;
use super::alignment::Alignment;
use crate::exchange::{Body, Exchange, Outcome};
use crate::prove::journal::Journal;

/// Fewer bytes stand in a longer body by chance.
const SHORTEST: usize = 16;

impl Baseline {
    /// Whether both answers hold what counterparts of requests sent before.
    pub(super) fn is_echo(&self, alignment: &Alignment, other: &Journal, r: usize, a: usize) -> bool {
        let (Some(here), Some(there)) = (answered(&self.first.exchanges[r]), answered(&other.exchanges[a])) else {
            return false;
        };
        let sent = |exchange: &'_ Exchange| exchange.request.body.clone();
        alignment.pairs.iter().filter(|(one, two)| *one <= r && *two <= a).any(|(one, two)| {
            holds(&sent(&self.first.exchanges[*one]), here) && holds(&sent(&other.exchanges[*two]), there)
        })
    }
}

fn answered(exchange: &Exchange) -> Option<&Body> {
    match &exchange.outcome {
        Outcome::Answered { body, .. } => Some(body),
        Outcome::Ours { .. } | Outcome::Failed { .. } | Outcome::Abandoned => None,
    }
}

/// Whether the one is the other, or has it among its parts, as a form with a file has.
fn holds(whole: &Body, part: &Body) -> bool {
    match (whole, part) {
        (Body::Kept(whole), Body::Kept(part)) => {
            part.len() >= SHORTEST && whole.len() >= part.len() && memmem::find(whole, part).is_some()
        }
        (whole, part) => whole == part,
    }
}
