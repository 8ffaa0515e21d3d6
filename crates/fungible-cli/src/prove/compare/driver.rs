//! What the driver did otherwise: a request that it left out, its end. It judges no answer.

use super::alignment::Alignment;
use super::finding::{Difference, DifferenceKind};
use super::{Baseline, answer, request};
use crate::exchange::Outcome;
use crate::prove::journal::{DriverEnd, Journal};

impl Baseline {
    /// Requests that every reference sent and the driver left out of this run, though it went on.
    pub(super) fn left_out(&self, alignment: &Alignment) -> Vec<Difference> {
        let judged = |r: &&usize| {
            let exchange = &self.first.exchanges[**r];
            let part_of_a_page =
                !["", "document", "empty"].contains(&&*answer::field(&exchange.request.headers, "sec-fetch-dest"));
            let answered = matches!(exchange.outcome, Outcome::Answered { .. });
            answered && !part_of_a_page && !self.loose.contains(&request::signature(exchange))
        };
        let left_out = alignment.left_out.iter().filter(judged);
        left_out
            .map(|r| Difference {
                exchange: self.first.exchanges[*r].number,
                attack_exchange: None,
                place: "request".to_owned(),
                kind: DifferenceKind::LeftOut,
                reference: format!(
                    "{} {}",
                    self.first.exchanges[*r].request.method, self.first.exchanges[*r].request.target
                ),
                attack: "(not sent)".to_owned(),
            })
            .collect()
    }

    pub(super) fn driver_end(&self, attack: &Journal, alignment: &Alignment) -> Option<Difference> {
        if self.driver_ends.is_empty() || self.driver_ends.contains(&attack.driver) {
            return None;
        }
        let last = alignment.pairs.iter().map(|(r, a)| (*r, *a)).max();
        Some(Difference {
            exchange: last.map_or(0, |(r, _)| self.first.exchanges[r].number),
            attack_exchange: last.map(|(_, a)| attack.exchanges[a].number),
            place: "driver exit code".to_owned(),
            kind: DifferenceKind::DriverExit,
            reference: driver_end(&self.first.driver),
            attack: driver_end(&attack.driver),
        })
    }
}

fn driver_end(end: &DriverEnd) -> String {
    match end {
        DriverEnd::Exited(code) => code.to_string(),
        DriverEnd::Killed(signal) => format!("ended by {signal}"),
        DriverEnd::Hung => "did not end".to_owned(),
    }
}
