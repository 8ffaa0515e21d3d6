//! Kills the instance in the middle of each request that is not safe, and sends the request again as its client would: is it then
//! done once, twice, or not at all? Where its method or its key promises that it may be sent again, done twice is a finding.

use std::time::Duration;

use super::baselines::Observed;
use super::deviation::{Deviation, DeviationKind};
use super::investigate::{Proof, TIMES, harm_of};
use super::lab::ProveError;
use super::parse::path_and_query;
use super::request_key::RequestKey;
use super::schedule::{Experiment, Intervention, KillMoment, KilledAt};
use super::sensitivity;
use super::verdict::{Finding, FindingKind, Harm, Resend, Resent};
use crate::exchange::{Exchange, Outcome};

/// A request with such a field may be sent again (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Requests with these methods may be sent again, too, though they change something (RFC 9110, 9.2.2).
const IDEMPOTENT: [&str; 2] = ["PUT", "DELETE"];

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
        if let Resent::DoneTwice { .. } = resent {
            convict(proof, &one, KillMoment::Answered).await?;
        }
        resends.push((one, resent));
    }
    let safe: Vec<Unsafe> = of(&resends, |resent| matches!(resent, Resent::Safe)).cloned().collect();
    for (one, resent) in each(proof, &safe, KillMoment::Halfway).await? {
        let Resent::DoneTwice { seen_at, place } = resent else { continue };
        convict(proof, &one, KillMoment::Halfway).await?;
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
    let Some(observed) = run(proof, requests, moment).await? else { return Ok(Resent::NotTried) };
    let numbers: Vec<usize> = requests.iter().map(|one| one.number).collect();
    Ok(match again(&observed, &numbers) {
        Again::Shown(number, deviation) => {
            let seen_at = Box::new(proof.baselines.step(Some(number)));
            Resent::DoneTwice { seen_at, place: deviation.place.clone() }
        }
        Again::Otherwise(with) => Resent::AnsweredOtherwise { with },
        Again::Same => Resent::Safe,
    })
}

/// Such a run; nothing where it shows nothing.
async fn run(
    proof: &mut Proof<'_, '_>,
    requests: &[Unsafe],
    moment: KillMoment,
) -> Result<Option<Observed>, ProveError> {
    let keys = requests.iter().map(|one| one.key.clone()).collect();
    let intervention = Intervention::KilledAt(KilledAt { requests: keys, moment });
    let Some(experiment) = Experiment::baseline(Duration::ZERO).with(intervention) else { return Ok(None) };
    let journal = proof.lab.run(&experiment).await?;
    let is_void = journal.alone.is_some() || proof.lab.is_starved(&journal);
    Ok((!is_void).then(|| proof.baselines.judge(journal)))
}

/// A finding where the request may be sent again by what it says, and each of a few more runs shows that its work was done twice.
async fn convict(proof: &mut Proof<'_, '_>, one: &Unsafe, moment: KillMoment) -> Result<(), ProveError> {
    let request = &proof.baselines.step(Some(one.number)).exchange.request;
    let has_key = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(IDEMPOTENCY_KEY));
    let is_idempotent = IDEMPOTENT.contains(&request.method.as_str());
    if !has_key && !is_idempotent {
        return Ok(());
    }
    let mut shown: Option<(usize, Deviation, Harm)> = None;
    for _ in 0..TIMES {
        if !proof.lab.may_run(1) {
            return Ok(());
        }
        let run = match run(proof, std::slice::from_ref(one), moment).await {
            Ok(run) => run,
            // Proofs that were recorded before this was a finding have no such runs.
            Err(ProveError::NotRecorded { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some(observed) = run else { return Ok(()) };
        let Again::Shown(number, deviation) = again(&observed, &[one.number]) else { return Ok(()) };
        if shown.as_ref().is_some_and(|(at, other, _)| (*at, &other.place) != (number, &deviation.place)) {
            return Ok(());
        }
        let harm = harm_of(FindingKind::DoneTwice, &[(deviation, None)]);
        shown = Some((number, deviation.clone(), harm));
    }
    let Some((number, deviation, harm)) = shown else { return Ok(()) };
    // A server may keep a history of what it was asked, or count it, whatever the method (RFC 9110, 9.2.2).
    if !has_key && matches!(harm, Harm::WrongNumber | Harm::Cosmetic) {
        return Ok(());
    }
    let request = proof.baselines.step(Some(one.number));
    let is_same = |earlier: &&mut Finding| {
        let (earlier, this) = (&earlier.reader.exchange.request, &request.exchange.request);
        earlier.method == this.method && path_and_query(&earlier.target).0 == path_and_query(&this.target).0
    };
    if let Some(earlier) = proof.results.findings.iter_mut().find(is_same) {
        earlier.also.push(request);
        return Ok(());
    }
    let mut found = Finding::of_an_attack(FindingKind::DoneTwice, harm, ("mid-kill", TIMES), request, deviation);
    found.seen_at = (number != one.number).then(|| proof.baselines.step(Some(number)));
    proof.results.findings.push(found);
    Ok(())
}

/// What became of requests that were sent twice.
enum Again<'o> {
    /// Their work was done twice, by what deviates at the request with this number.
    Shown(usize, &'o Deviation),
    /// It was done once, and they were answered otherwise: with this.
    Otherwise(String),
    Same,
}

/// What a run shows in which these requests were sent twice.
fn again<'o>(observed: &'o Observed, numbers: &[usize]) -> Again<'o> {
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
            // A client that got another answer goes on otherwise.
            DeviationKind::LeftOut | DeviationKind::DriverExit if otherwise.is_some() => {}
            _ => return Again::Shown(number, deviation),
        }
    }
    otherwise.map_or(Again::Same, Again::Otherwise)
}
