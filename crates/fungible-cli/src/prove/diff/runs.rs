//! Compares a run with the baseline, exchange by exchange in the order of the baseline.

use std::time::{Duration, UNIX_EPOCH};

use super::comparable::{Comparable, Of, comparable, plainly_equal};
use super::compare_response::compare_responses;
use super::noise::Noise;
use super::notes::{Explanation, Note, WHOLE};
use super::renaming::Renaming;
use super::request_bindings::{bind_tokens, pair_words, same_numbers};
use super::state::{AtHand, Diff, InstanceNames, Strictness};
use crate::exchange::{Exchange, Outcome};
use crate::prove::align::Pairing;
use crate::prove::deviation::DeviationKind;
use crate::prove::journal::Journal;
use crate::prove::parse::{Dataflow, ParsedRun, Shift, path_and_query};

/// Runs take different times to come to the same place; so much more than their lengths is allowed, in seconds.
const SLACK: f64 = 60.0;

/// What comparing two runs gives: the notes, and which names stood for each other.
pub(crate) struct Compared {
    pub(crate) notes: Vec<Note>,
    pub(crate) renaming: Renaming,
}

/// Compares a run with the baseline, as far as baselines are known.
pub(crate) fn compare_runs(
    strictness: Strictness,
    (baseline, dataflow, noise): (&ParsedRun, &Dataflow, &Noise),
    other: &ParsedRun,
    pairing: &Pairing,
) -> Compared {
    let instances = other.journal.instances.iter();
    let ports =
        if strictness.finds_own_ports() { instances.map(|one| one.port.to_string()).collect() } else { Vec::new() };
    let shift = shift(&baseline.journal, &other.journal);
    let renaming = names_in_requests(baseline, other, pairing);
    let mut diff = Diff::new(strictness, (dataflow, noise), shift, ports, renaming);
    let parallel = [baseline, other].map(first_parallel_write);
    for (r, a) in &pairing.pairs {
        let (one, two) = (Of { run: baseline, at: *r }, Of { run: other, at: *a });
        let (here, there) = (&baseline.requests[*r], &other.requests[*a]);
        bind_tokens(&mut diff.renaming, &here.values, &there.values);
        if pairing.is_on_the_way(other, *a) {
            continue;
        }
        let numbers = [one.exchange().number, two.exchange().number];
        diff.at = AtHand {
            exchange: numbers[0],
            kind: here.kind,
            safe: !baseline.writes(*r),
            after_parallel_writes: parallel
                .iter()
                .zip(numbers)
                .any(|(first, number)| first.is_some_and(|first| first < number)),
            path: path_and_query(&one.exchange().request.target).0.to_owned(),
            asked_for: same_numbers(&here.values, &there.values),
            baseline: names_of_instance(&baseline.journal, one.exchange()),
            attack: names_of_instance(&other.journal, two.exchange()),
        };
        compare_exchanges(&mut diff, one, two, pairing);
    }
    Compared { notes: diff.notes, renaming: diff.renaming }
}

fn compare_exchanges(diff: &mut Diff<'_>, one: Of<'_>, two: Of<'_>, pairing: &Pairing) {
    match to_compare(one.exchange(), two.exchange()) {
        ToCompare::Comparable => {}
        ToCompare::Nothing => return,
        ToCompare::GivenUp => return diff.notes.push(Note::GivenUp { exchange: diff.at.exchange }),
        ToCompare::NotComparable(reason) => {
            return diff.notes.push(Note::NotCompared { exchange: diff.at.exchange, root: WHOLE.to_owned(), reason });
        }
    }
    let numbers_things = diff.dataflow.numbers_things.get(one.at).is_some_and(|numbers| *numbers);
    if !numbers_things && plainly_equal(one.exchange(), two.exchange(), &diff.at.attack.port) {
        return;
    }
    let Some(Comparable { baseline, attack, passed }) = comparable(one, two, pairing) else { return };
    let before = diff.notes.len();
    for (root, why) in passed {
        diff.begin_part(root);
        diff.passes(diff.kind(), why);
    }
    compare_responses(diff, &baseline, &attack);
    // What a later part of the response showed to be one thing was one before, too.
    let (renaming, notes) = (&diff.renaming, &mut diff.notes[before..]);
    for note in notes {
        let Note::Deviates(one) = note else { continue };
        let known = one.pair.as_ref().is_some_and(|(baseline, attack)| renaming.knows(baseline, attack));
        if known && !one.is_token && one.deviation.kind != DeviationKind::Collision {
            one.explanation.get_or_insert(Explanation::Sent);
        }
    }
}

/// What there is to compare of two exchanges.
enum ToCompare {
    Comparable,
    /// No client saw an answer, in neither run.
    Nothing,
    /// A client saw an answer in one run only.
    GivenUp,
    /// With the reason.
    NotComparable(String),
}

fn to_compare(one: &Exchange, two: &Exchange) -> ToCompare {
    let reason = match (&one.outcome, &two.outcome) {
        (Outcome::Answered { .. } | Outcome::Failed { .. }, Outcome::Answered { .. } | Outcome::Failed { .. }) => {
            return ToCompare::Comparable;
        }
        (Outcome::Abandoned, Outcome::Abandoned) => return ToCompare::Nothing,
        (_, Outcome::Ours { reason, .. }) => format!("the balancer answered by itself: {reason}"),
        (_, Outcome::Abandoned) | (Outcome::Abandoned, _) => return ToCompare::GivenUp,
        _ => "the baseline has no answer of the app".to_owned(),
    };
    ToCompare::NotComparable(reason)
}

fn shift(baseline: &Journal, other: &Journal) -> Shift {
    let seconds = |journal: &Journal| {
        journal.began.duration_since(UNIX_EPOCH).map(|since| since.as_secs_f64()).unwrap_or_default()
    };
    let began = seconds(baseline);
    let took = baseline.took.max(other.took).as_secs_f64();
    Shift { between: seconds(other) - began, slack: took + SLACK, began }
}

/// What the requests alone tell: a driver may make up its own names, and carries what it was given.
fn names_in_requests(baseline: &ParsedRun, other: &ParsedRun, pairing: &Pairing) -> Renaming {
    let mut renaming = Renaming::default();
    renaming.request_pair(&baseline.journal.run, &other.journal.run);
    for (r, a) in &pairing.pairs {
        for value in &baseline.requests[*r].values {
            let mut values = other.requests[*a].values.iter();
            let Some(there) = values.find(|there| there.place == value.place) else { continue };
            if value.text != there.text {
                pair_words(&mut renaming, value, there);
            }
        }
    }
    renaming
}

/// What the instance that answered would name itself by.
fn names_of_instance(journal: &Journal, exchange: &Exchange) -> InstanceNames {
    let name = exchange.instance.as_deref().unwrap_or_default();
    let Some(record) = journal.instances.iter().find(|record| record.name == name) else {
        return InstanceNames { name: name.to_owned(), ..InstanceNames::default() };
    };
    InstanceNames {
        name: record.name.clone(),
        port: record.port.to_string(),
        pids: record.pids.iter().map(ToString::to_string).collect(),
        host_name: record.host_name.clone(),
    }
}

/// The number of the first request that wrote while another did.
fn first_parallel_write(run: &ParsedRun) -> Option<usize> {
    let mut busy_until = Duration::ZERO;
    let writes = run.exchanges().iter().enumerate().filter(|(at, _)| run.writes(*at));
    writes.map(|(_, exchange)| exchange).find_map(|exchange| {
        let together = exchange.arrived < busy_until;
        busy_until = busy_until.max(exchange.ended);
        together.then_some(exchange.number)
    })
}
