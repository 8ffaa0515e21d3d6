//! Asks earlier requests again after each write, of two live instances: one that still answers from an old copy, or still accepts what
//! a log-out, a change of the password or a deletion has ended, shows although the traffic never asks it.
//!
//! The baselines of this attack ask again, too, of their one instance. So it is judged like any other, by baselines of its own.

use std::time::Duration;

use super::baselines::Baselines;
use super::investigate::{self, Proof};
use super::lab::ProveError;
use super::model::Model;
use super::results::{Passed, Results};
use super::schedule::{Added, Experiment, Pass, Schedule};
use super::verdict::Step;
use crate::exchange::{Exchange, Outcome};

/// A baseline and the attack. Where that deviates, further baselines follow.
const RUNS: usize = 2;

/// So long after a write it asks again, where the driver polls for what it wrote.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Carries it out, as far as there is anything to ask again.
///
/// # Errors
/// When a run cannot be carried out.
pub(super) async fn attack(proof: &mut Proof<'_, '_>) -> Result<(), ProveError> {
    let runs = runs(proof.baselines.model());
    if runs == 0 {
        return Ok(());
    }
    if !proof.lab.may_run(runs) {
        proof.results.reasons.push("echo was not tried: the budget ended (more with --runs and --budget)".to_owned());
        return Ok(());
    }
    // Where a driver polls on one instance until it sees what it wrote, several need so long, too.
    let lag = proof.baselines.longest_change();
    let after = if lag.is_zero() { lag } else { (lag * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE) };
    proof.lab.ask_again_after(after);
    proof.lab.add_to_traffic(Added::Echo);
    let over = Box::pin(with_baselines_of_its_own(proof)).await;
    proof.lab.add_to_traffic(Added::Nothing);
    over
}

/// How many runs it takes where it finds nothing: none, unless something is read before something is written.
pub(super) fn runs(model: &Model) -> usize {
    let reads =
        |one: &&Exchange| one.request.is_safe() && matches!(one.outcome, Outcome::Answered { status: 200..300, .. });
    let first = model.exchanges().iter().find(reads).map(|one| one.number);
    let written = |first: usize| model.exchanges().iter().any(|one| one.number > first && !one.request.is_safe());
    if first.is_some_and(written) { RUNS } else { 0 }
}

async fn with_baselines_of_its_own(proof: &mut Proof<'_, '_>) -> Result<(), ProveError> {
    let first = proof.lab.run(&Experiment::baseline(Duration::ZERO)).await?;
    let echoing = Baselines::new(first, proof.baselines.ignores().to_vec());
    let undisturbed = proof.baselines.journals().next().map(|one| one.driver.clone());
    if echoing.has_crashed() || echoing.journals().any(|one| Some(&one.driver) != undisturbed.as_ref()) {
        let what = "what earlier requests get after a write: asked again, they change what the traffic gets";
        proof.results.covered.not_covered.push(what.to_owned());
        return Ok(());
    }
    // What is known of the plain traffic has other numbers.
    let patterns = proof.lab.patterns().clone();
    let at_once = proof.baselines.in_flight_at_once();
    proof.lab.expect(echoing.patterns(), echoing.in_flight_at_once());
    let plain = std::mem::replace(&mut proof.baselines, echoing);
    let (swapped, in_company) = (std::mem::take(&mut proof.swapped), std::mem::take(&mut proof.in_company));
    let results = std::mem::take(&mut proof.results);
    let over = investigate::attack(proof, Schedule::Rotate(Pass::WritesApart)).await;
    let echoing = std::mem::replace(&mut proof.baselines, plain);
    proof.lab.expect(patterns, at_once);
    (proof.swapped, proof.in_company) = (swapped, in_company);
    let echoed = std::mem::replace(&mut proof.results, results);
    add(&mut proof.results, echoed, echoing.model());
    over
}

/// Adds what it found, with the numbers that requests have in the plain traffic.
fn add(results: &mut Results, echoed: Results, model: &Model) {
    let renumber = |step: &mut Step| step.number = plain_number(model, step.number);
    for mut finding in echoed.findings {
        let steps = [&mut finding.writers, &mut finding.polled, &mut finding.failing, &mut finding.sound];
        steps.into_iter().chain([&mut finding.also]).flatten().for_each(renumber);
        std::iter::once(&mut finding.reader).chain(&mut finding.seen_at).for_each(renumber);
        results.findings.push(finding);
    }
    // What no client asked for may well be chance: an app may be slow to show what was written.
    for mut one in echoed.not_judged {
        renumber(&mut one.step);
        if one.holds {
            results.not_judged.push(one);
            continue;
        }
        let (number, request) = (one.step.number, one.step.exchange.request.name());
        results
            .covered
            .not_covered
            .push(format!("#{number} {request}, asked again after a write: it differs, {}", one.why));
    }
    results.hides_more |= echoed.hides_more;
    results.covered.attacks.extend(echoed.covered.attacks);
    results.reasons.extend(echoed.reasons);
    let Passed { labels, masks, .. } = echoed.passed;
    results.passed.add_places(labels, masks);
}

/// The number that a request of the traffic has without those asked again; for one asked again, that of the request that it repeats.
fn plain_number(model: &Model, number: usize) -> usize {
    let exchanges = model.exchanges();
    let up_to = &exchanges[..number.min(exchanges.len())];
    let of_clients = || up_to.iter().filter(|one| one.again.is_none()).count();
    up_to.last().and_then(|one| one.again).unwrap_or_else(of_clients)
}
