//! Whether the loss of each write would be noticed: no acquittal without it. In a run on one instance the effect of a write
//! is withheld from all that come later, as a trap would withhold it; the judge must then report a deviation.

use super::baselines::Observed;
use super::deviation::{Deviation, DeviationKind};
use super::event::Event;
use super::investigate::Proof;
use super::lab::{KnownRequest, ProveError};
use super::model::Model;
use super::request_key::RequestKey;
use super::schedule::{Experiment, Intervention, Way, Withheld};
use super::verdict::{Loss, WriteLoss};
use crate::exchange::{Body, Exchange, Outcome};

/// A request that leaves something behind.
struct Write {
    /// Its number in the baseline.
    number: usize,
    key: RequestKey,
    /// How its effect can be withheld, the likeliest first.
    ways: Vec<Way>,
}

/// What one run without the effect of writes showed.
enum Shown {
    /// It deviated at this request of the baseline.
    Noticed {
        reader: usize,
        place: String,
    },
    Nothing,
    /// The effect could not be withheld: the request itself was answered otherwise, or not at all.
    NotWithheld,
}

/// Tries the loss of each write, as far as the budget allows.
///
/// # Errors
/// When the app or the traffic cannot be run.
pub(super) async fn try_losses(proof: &mut Proof<'_, '_>) -> Result<(), ProveError> {
    let keys = proof.baselines.keys(proof.lab.patterns());
    let known = known(proof, &keys);
    let writes = writes(proof.baselines.model(), &known, !proof.lab.plan().share.is_empty());
    proof.lab.know(known);
    proof.lab.tell(Event::Planned { runs: writes.len() });
    let (last, others) = without_readers(proof.baselines.model(), writes);
    for write in others {
        let loss = loss_of(proof, &write).await?;
        add(proof, write.number, loss);
    }
    // Nothing is asked after these: one run shows that of all together.
    if !last.is_empty() {
        let losses = losses_of_last(proof, &last).await?;
        for (write, loss) in last.iter().zip(losses) {
            add(proof, write.number, loss);
        }
    }
    proof.results.covered.losses.sort_by_key(|one| one.write.number);
    Ok(())
}

fn add(proof: &mut Proof<'_, '_>, number: usize, loss: Loss) {
    let write = proof.baselines.step(Some(number));
    if is_refused(&write.exchange) && !matches!(loss, Loss::Noticed { .. }) {
        return;
    }
    proof.results.covered.losses.push(WriteLoss { write, loss });
}

/// What the baselines know of each request of the first of them.
pub(super) fn known(proof: &Proof<'_, '_>, keys: &[RequestKey]) -> Vec<KnownRequest> {
    let model = proof.baselines.model();
    let statuses = proof.baselines.statuses();
    let given = proof.baselines.given_by_writes();
    let minted_at = |number: usize| {
        let minted = model.carried().iter().filter(|one| one.minted.0 == number);
        let mut places: Vec<String> = minted.map(|one| one.minted.1.clone()).collect();
        if places.is_empty() {
            places.clone_from(&given[number - 1]);
        }
        places
    };
    let exchanges = model.exchanges().iter().zip(keys).zip(statuses);
    exchanges
        .map(|((exchange, key), statuses)| KnownRequest {
            key: key.clone(),
            exchange: exchange.clone(),
            statuses,
            minted_at: minted_at(exchange.number),
        })
        .collect()
}

/// The requests that leave something behind: those that may have changed something, and those whose answer makes a value that a later
/// request carries.
fn writes(model: &Model, known: &[KnownRequest], shares: bool) -> Vec<Write> {
    let of = |known: &KnownRequest| {
        let exchange = &known.exchange;
        let mints = !known.minted_at.is_empty();
        let is_write = model.is_write(exchange.number);
        let mut ways = Vec::new();
        let whole = exchange.frames.is_empty() && is_whole(exchange);
        if shares {
            ways.push(Way::Fork);
        }
        if !shares && whole && is_write {
            ways.push(Way::Recorded);
        }
        if mints && whole {
            ways.push(Way::Replaced);
        }
        (is_write || mints).then(|| Write { number: exchange.number, key: known.key.clone(), ways })
    };
    known.iter().filter_map(of).collect()
}

/// Whether there is a whole answer that can be given again.
fn is_whole(exchange: &Exchange) -> bool {
    matches!(&exchange.outcome, Outcome::Answered { body: Body::Kept(_), complete: true, .. })
}

/// A write that was refused: by its answer it left nothing behind, and yet it may count, as a wrong password does.
fn is_refused(exchange: &Exchange) -> bool {
    !matches!(exchange.outcome, Outcome::Answered { status, .. } if status < 400)
}

/// The writes after which nothing is asked any more, and the others.
fn without_readers(model: &Model, writes: Vec<Write>) -> (Vec<Write>, Vec<Write>) {
    let is_write = |number: usize| writes.iter().any(|write| write.number == number);
    let last_reader = model.exchanges().iter().rev().map(|one| one.number).find(|number| !is_write(*number));
    let can_fork = |write: &Write| write.ways.first() == Some(&Way::Fork);
    let last = |write: &Write| last_reader.is_none_or(|reader| write.number > reader) && can_fork(write);
    let alone = writes.iter().filter(|write| last(write)).count() < 2;
    writes.into_iter().partition(|write| !alone && last(write))
}

/// Whether the loss of this write would be noticed.
async fn loss_of(proof: &mut Proof<'_, '_>, write: &Write) -> Result<Loss, ProveError> {
    let mut tried = Vec::new();
    for way in &write.ways {
        if !proof.lab.may_run(1) {
            return Ok(if tried.is_empty() { Loss::NotTried } else { Loss::Unnoticed { ways: tried } });
        }
        match lose(proof, std::slice::from_ref(write), *way).await? {
            Shown::Noticed { reader, place } => {
                let reader = proof.baselines.step(Some(reader));
                return Ok(Loss::Noticed { reader: Box::new(reader), place, way: *way });
            }
            Shown::Nothing => tried.push(*way),
            Shown::NotWithheld => {}
        }
    }
    Ok(if tried.is_empty() { Loss::CannotBeWithheld } else { Loss::Unnoticed { ways: tried } })
}

/// The losses of writes after which nothing is asked: all together first, and one by one only where that is noticed.
async fn losses_of_last(proof: &mut Proof<'_, '_>, last: &[Write]) -> Result<Vec<Loss>, ProveError> {
    let unnoticed = proof.lab.may_run(1) && matches!(lose(proof, last, Way::Fork).await?, Shown::Nothing);
    let mut losses = Vec::new();
    for write in last {
        let others: Vec<Way> = write.ways.iter().copied().filter(|way| *way != Way::Fork).collect();
        losses.push(match unnoticed {
            true if others.is_empty() => Loss::Unnoticed { ways: vec![Way::Fork] },
            true => loss_of(proof, &Write { number: write.number, key: write.key.clone(), ways: others }).await?,
            false => loss_of(proof, write).await?,
        });
    }
    Ok(losses)
}

/// One run in which the effect of these writes is withheld.
async fn lose(proof: &mut Proof<'_, '_>, writes: &[Write], way: Way) -> Result<Shown, ProveError> {
    let requests = writes.iter().map(|write| write.key.clone()).collect();
    let intervention = Intervention::Withheld(Withheld { requests, way });
    let Some(experiment) = Experiment::baseline(std::time::Duration::ZERO).with(intervention) else {
        return Ok(Shown::NotWithheld);
    };
    let journal = proof.lab.run(&experiment).await?;
    if journal.alone.is_some() {
        return Ok(Shown::NotWithheld);
    }
    let numbers: Vec<usize> = writes.iter().map(|write| write.number).collect();
    let observed = proof.baselines.judge(journal);
    Ok(shown(proof.baselines.model(), &observed, &numbers, way))
}

/// What a run shows in which the effect of these requests was withheld.
fn shown(model: &Model, observed: &Observed, withheld: &[usize], way: Way) -> Shown {
    let exchanges = model.exchanges();
    let began = withheld.iter().map(|number| exchanges[number - 1].arrived).min().unwrap_or_default();
    let answered = |number: usize| {
        let there = observed.comparison.pairs.iter().find(|(here, _)| *here == number)?;
        Some(&observed.run.exchanges()[there.1 - 1].outcome)
    };
    let all_answered = withheld.iter().all(|number| matches!(answered(*number), Some(Outcome::Answered { .. })));
    // What only contradicts a withheld response says nothing of later ones.
    let counts = |one: &&Deviation| !one.kind.contradicts().is_some_and(|other| withheld.contains(&other));
    let deviations =
        || observed.comparison.deviations.iter().filter(counts).filter_map(|one| Some((one.exchange?, one)));
    // The answers of stand-ins are ours, and a stream also shows what others do. Of several, a later one may read what an
    // earlier one wrote.
    let is_stream = |number: usize| withheld.len() == 1 && !exchanges[number - 1].frames.is_empty();
    let is_ours = |number: usize| way != Way::Fork || is_stream(number);
    if !all_answered || deviations().any(|(number, _)| withheld.contains(&number) && !is_ours(number)) {
        return Shown::NotWithheld;
    }
    // A client may look at what it was given, and ask for nothing more.
    let by_client = |one: &Deviation| way == Way::Replaced && one.kind == DeviationKind::DriverExit;
    // What is otherwise before anything was withheld is chance.
    let mut later = deviations()
        .filter(|(number, one)| (!withheld.contains(number) || by_client(one)) && exchanges[number - 1].ended > began);
    later.next().map_or(Shown::Nothing, |(reader, one)| Shown::Noticed { reader, place: one.place.clone() })
}
