//! What sticky routing would hide: each client stays with one of three live instances, as a balancer with session affinity routes it. Is
//! the finding seen then? And when the instance is killed that has what the others miss, how many clients are affected?

use std::collections::BTreeSet;

use super::investigate::Proof;
use super::lab::ProveError;
use super::model::Model;
use super::plan::Attack;
use super::request_key::RequestKey;
use super::schedule::Schedule;
use super::verdict::{AttackRun, FindingKind, Sticky};

/// A run without a kill, and one with it.
const RUNS: usize = 2;

/// Tries it for the worst finding that has a writer.
///
/// # Errors
/// When a run cannot be carried out.
pub(super) async fn attack(proof: &mut Proof<'_, '_>) -> Result<(), ProveError> {
    let tells = |kind: FindingKind| {
        use FindingKind as Kind;
        matches!(kind, Kind::Trapped | Kind::LocalFile | Kind::Stale | Kind::Replicated | Kind::Collision)
    };
    let findings = proof.results.findings.iter().enumerate();
    let of_traffic = findings.filter(|(_, one)| tells(one.kind) && !one.writers.is_empty() && one.attack != "echo");
    let worst = of_traffic.min_by_key(|(_, one)| one.harm);
    let Some((at, writer, reader)) = worst.and_then(|(at, one)| {
        let reader = one.seen_at.as_ref().unwrap_or(&one.reader).number;
        Some((at, one.writers.last()?.number, reader))
    }) else {
        return Ok(());
    };
    if !proof.lab.may_run(RUNS) {
        return Ok(());
    }
    let clients = clients(proof.baselines.model());
    let keys = proof.baselines.keys(proof.lab.patterns());
    let Some(dies) = keys.get(writer - 1).cloned() else { return Ok(()) };
    let of_client = |client: usize| -> Vec<RequestKey> {
        clients.iter().zip(&keys).filter(|(one, _)| **one == client).map(|(_, key)| key.clone()).collect()
    };
    let count = clients.iter().max().map_or(0, |last| last + 1);
    let stuck: Vec<Vec<RequestKey>> = (0..count).map(of_client).collect();
    let mut affected = Vec::new();
    for dies in [None, Some(dies)] {
        let schedule = Schedule::Sticky { clients: stuck.clone(), dies };
        let journal = proof.lab.run(&schedule.plain()).await?;
        if journal.alone.is_some() || proof.lab.is_starved(&journal) {
            return Ok(());
        }
        let observed = proof.baselines.judge(journal);
        affected.push(observed.comparison.deviating());
    }
    let [alive, killed] = &affected[..] else { return Ok(()) };
    let lost: BTreeSet<usize> =
        killed.iter().flatten().filter_map(|number| clients.get(number.checked_sub(1)?)).copied().collect();
    let sticky = Sticky { hidden: !alive.contains(&Some(reader)), affected: lost.len(), clients: count };
    proof.results.findings[at].sticky = Some(sticky);
    let covers = format!("{count} clients over three live instances, each with its own, one of which was killed");
    proof.results.covered.attacks.push(AttackRun { name: Attack::Sticky.name(), covers });
    Ok(())
}

/// Which client sent each request, from 0: who carries in a cookie or another field what a response gave is the client that got it.
/// All others, who carry nothing and are given nothing, are one client, as a balancer sees it that goes by addresses.
fn clients(model: &Model) -> Vec<usize> {
    let count = model.exchanges().len();
    let is_credential = |place: &str| place.starts_with("cookie ") || place.starts_with("header ");
    // The first request of the client of each; nothing where nobody knows.
    let mut first: Vec<Option<usize>> = vec![None; count];
    for carried in model.carried() {
        for (by, _) in carried.sent.iter().filter(|(_, place)| is_credential(place)) {
            let (giver, by) = (carried.minted.0 - 1, by - 1);
            let (one, other) = (first[giver].unwrap_or(giver), first[by].unwrap_or(by));
            (first[giver], first[by]) = (Some(one), Some(other));
            first.iter_mut().flatten().filter(|of| **of == one.max(other)).for_each(|of| *of = one.min(other));
        }
    }
    let clients: BTreeSet<Option<usize>> = first.iter().copied().collect();
    first.iter().map(|of| clients.range(..of).count()).collect()
}
