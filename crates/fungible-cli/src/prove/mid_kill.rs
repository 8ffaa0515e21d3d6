//! Kills the instance in the middle of each request that is not safe, and sends the request again as its client would: is it then
//! done once, twice, or not at all?

use std::time::Duration;

use super::baselines::Observed;
use super::deviation::DeviationKind;
use super::investigate::Proof;
use super::lab::ProveError;
use super::request_key::RequestKey;
use super::schedule::{Experiment, Intervention, KillMoment, KilledAt};
use super::sensitivity;
use super::verdict::{Resend, Resent};
use crate::exchange::{Exchange, Outcome};

/// A request in the middle of which the instance is killed.
#[derive(Clone)]
struct Unsafe {
    /// Its number in the baseline.
    number: usize,
    key: RequestKey,
}

/// Tries it for each request that is not safe, as far as the budget allows.
///
/// # Errors
/// When the app or the traffic cannot be run.
pub(super) async fn attack(proof: &mut Proof<'_, '_>) -> Result<(), ProveError> {
    let keys = proof.baselines.keys(proof.lab.patterns());
    let model = proof.baselines.model();
    let exchanges = model.exchanges();
    let requests: Vec<Unsafe> = exchanges
        .iter()
        .zip(&keys)
        .filter(|(exchange, _)| model.is_write(exchange.number) && can_be_sent_again(exchange, exchanges))
        .map(|(exchange, key)| Unsafe { number: exchange.number, key: key.clone() })
        .collect();
    if requests.is_empty() {
        return Ok(());
    }
    let known = sensitivity::known(proof, &keys);
    proof.lab.know(known);
    let mut resends = Vec::new();
    // What is done twice shows itself; where all is well, one run says so.
    for (one, resent) in each(proof, &requests, KillMoment::Answered).await? {
        resends.push((one, resent));
    }
    let safe: Vec<Unsafe> = of(&resends, |resent| matches!(resent, Resent::Safe)).cloned().collect();
    for (one, resent) in each(proof, &safe, KillMoment::Halfway).await? {
        let Resent::DoneTwice { seen_at, place } = resent else { continue };
        if let Some((_, before)) = resends.iter_mut().find(|(other, _)| other.number == one.number) {
            *before = Resent::HalfDone { seen_at, place };
        }
    }
    for (one, resent) in resends {
        let request = proof.baselines.step(Some(one.number));
        proof.results.covered.resends.push(Resend { request, resent });
    }
    Ok(())
}

fn of(resends: &[(Unsafe, Resent)], wanted: fn(&Resent) -> bool) -> impl Iterator<Item = &Unsafe> {
    resends.iter().filter(move |(_, resent)| wanted(resent)).map(|(one, _)| one)
}

/// Whether a client would send it again after a crash, and we can: it was done, no stream goes through it, and no other request
/// would be cut off with it.
fn can_be_sent_again(exchange: &Exchange, all: &[Exchange]) -> bool {
    let done = matches!(exchange.outcome, Outcome::Answered { status: 200..400, complete: true, .. });
    let alone = all.iter().all(|other| {
        other.number == exchange.number || other.ended <= exchange.arrived || exchange.ended <= other.arrived
    });
    done && alone && exchange.frames.is_empty()
}

/// What becomes of each: all in one run first, and one by one only if that shows anything.
async fn each(
    proof: &mut Proof<'_, '_>,
    requests: &[Unsafe],
    moment: KillMoment,
) -> Result<Vec<(Unsafe, Resent)>, ProveError> {
    if requests.is_empty() {
        return Ok(Vec::new());
    }
    if proof.lab.may_run(1) && matches!(killed_at(proof, requests, moment).await?, Resent::Safe) {
        return Ok(requests.iter().map(|one| (one.clone(), Resent::Safe)).collect());
    }
    let mut each = Vec::new();
    for one in requests {
        let resent = if proof.lab.may_run(1) {
            killed_at(proof, std::slice::from_ref(one), moment).await?
        } else {
            Resent::NotTried
        };
        each.push((one.clone(), resent));
    }
    Ok(each)
}

/// One run in which the instance is killed in the middle of each of these.
async fn killed_at(proof: &mut Proof<'_, '_>, requests: &[Unsafe], moment: KillMoment) -> Result<Resent, ProveError> {
    let keys = requests.iter().map(|one| one.key.clone()).collect();
    let intervention = Intervention::KilledAt(KilledAt { requests: keys, moment });
    let Some(experiment) = Experiment::baseline(Duration::ZERO).with(intervention) else {
        return Ok(Resent::NotTried);
    };
    let journal = proof.lab.run(&experiment).await?;
    if journal.alone.is_some() || proof.lab.is_starved(&journal) {
        return Ok(Resent::NotTried);
    }
    let numbers: Vec<usize> = requests.iter().map(|one| one.number).collect();
    Ok(resent(proof, &proof.baselines.judge(journal), &numbers))
}

/// What a run shows in which these requests were sent twice.
fn resent(proof: &Proof<'_, '_>, observed: &Observed, numbers: &[usize]) -> Resent {
    let first = numbers.iter().min().copied().unwrap_or_default();
    let deviations = observed.comparison.deviations.iter();
    let after = deviations.filter_map(|one| one.exchange.filter(|number| *number >= first).map(|number| (number, one)));
    let mut otherwise = None;
    for (number, deviation) in after {
        let is_its_own = numbers.contains(&number);
        match deviation.kind {
            DeviationKind::Status | DeviationKind::LeftOut if is_its_own => {
                _ = otherwise.get_or_insert(deviation.attack.clone());
            }
            // A mark that it is the answer to the first one. The driver may stop at it.
            DeviationKind::Header | DeviationKind::DriverExit if is_its_own => {
                otherwise.get_or_insert_with(|| "other header fields".to_owned());
            }
            _ => {
                let seen_at = Box::new(proof.baselines.step(Some(number)));
                return Resent::DoneTwice { seen_at, place: deviation.place.clone() };
            }
        }
    }
    otherwise.map_or(Resent::Safe, |with| Resent::AnsweredOtherwise { with })
}
