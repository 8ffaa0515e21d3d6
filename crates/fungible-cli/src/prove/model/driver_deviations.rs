//! What the driver did otherwise: a request that it left out, its end. It judges no response.

use std::collections::HashSet;

use crate::exchange::{Outcome, field};
use crate::prove::align::Pairing;
use crate::prove::deviation::{Deviation, DeviationKind};
use crate::prove::diff::WHOLE;
use crate::prove::journal::DriverEnd;
use crate::prove::parse::{Meaning, ParsedRun, Scope, means};

/// Requests that every baseline sent and the driver left out of this run, though it went on. `loose`: kinds of requests
/// whose number varies between baselines.
pub(super) fn left_out(baseline: &ParsedRun, loose: &HashSet<u64>, pairing: &Pairing) -> Vec<Deviation> {
    let judged = |r: &&usize| {
        let exchange = &baseline.exchanges()[**r];
        let whole = means(Meaning::WholePage, Scope::Value, &field(&exchange.request.headers, "sec-fetch-dest"));
        let answered = matches!(exchange.outcome, Outcome::Answered { .. });
        answered && whole && !loose.contains(&baseline.requests[**r].kind)
    };
    let left_out = pairing.left_out.iter().filter(judged).map(|r| &baseline.exchanges()[*r]);
    left_out
        .map(|exchange| Deviation {
            exchange: Some(exchange.number),
            place: WHOLE.to_owned(),
            kind: DeviationKind::LeftOut,
            baseline: exchange.request.name(),
            attack: "(not sent)".to_owned(),
        })
        .collect()
}

/// That the driver ended as in none of the baselines.
pub(super) fn driver_end(
    baseline: &ParsedRun,
    ends: &[DriverEnd],
    attack: &ParsedRun,
    pairing: &Pairing,
) -> Option<Deviation> {
    let end = &attack.journal.driver;
    if ends.is_empty() || ends.contains(end) || *end == DriverEnd::Stopped {
        return None;
    }
    let last = pairing.pairs.iter().map(|(r, _)| *r).max();
    Some(Deviation {
        exchange: last.map(|r| baseline.exchanges()[r].number),
        place: "driver exit code".to_owned(),
        kind: DeviationKind::DriverExit,
        baseline: print(&baseline.journal.driver),
        attack: print(end),
    })
}

fn print(end: &DriverEnd) -> String {
    match end {
        DriverEnd::Exited(code) => code.to_string(),
        DriverEnd::Killed(signal) => format!("ended by {signal}"),
        DriverEnd::Hung => "did not end".to_owned(),
        DriverEnd::Stopped => "was ended by fungible".to_owned(),
    }
}
