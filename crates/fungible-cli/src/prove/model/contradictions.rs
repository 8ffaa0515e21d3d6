//! Where the responses of one run contradict each other although no two of any baseline do: they show two values where
//! there is always one, or one thing in two lists.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::equality::Class;
use super::labels::{Aligned, does_no_harm, names_instance};
use super::learn::Learned;
use super::partition::Overlap;
use super::shown::{Shown, Spot};
use crate::prove::deviation::{Deviation, DeviationKind};
use crate::prove::diff::{Deviates, Note, Seen, Variation};
use crate::prove::parse::sent;

/// What places of a class show under attack, each with the instance that answered: at least two values.
struct Shows<'a> {
    class: &'a Class,
    values: Vec<(&'a Spot, String, &'a str)>,
}

/// Notes of all contradictions of a run under attack; `notes`: of its comparison with the first baseline.
pub(super) fn contradictions(run: &Aligned<'_>, learned: &Learned, notes: &[Note]) -> Vec<Note> {
    let shown = Shown::new(run.baseline, run.attack, run.pairs, notes);
    let broken = broken(run, &learned.equality.classes, &shown);
    let differing = notes.iter().filter_map(|note| match note {
        Note::Deviates(one) if one.explanation.is_none() => one.deviation.exchange,
        _ => None,
    });
    let differing: HashSet<usize> = differing.collect();
    let mut found = Vec::new();
    for one in &broken {
        // The one instance of a baseline has one name: where several values move at once, they are of other things.
        let moves_alone =
            broken.iter().all(|other| std::ptr::eq(one, other) || !shares_a_place(one.class, other.class));
        if moves_alone && is_label(run, one, &differing) {
            found.extend(one.values.iter().map(|(spot, value, instance)| Note::Label {
                seen: Seen { exchange: spot.exchange, place: spot.place.clone() },
                instance: (*instance).to_owned(),
                value: value.clone(),
            }));
        } else {
            found.extend(unequal(one));
        }
    }
    let overlaps = learned.partitions.iter().filter_map(|one| one.overlap(run.baseline, &shown));
    found.extend(overlaps.map(|Overlap { exchange, place, value, before }| {
        note(exchange, place, format!("(not there, as #{before} has it)"), value)
    }));
    found
}

/// The classes that show more than one value.
fn broken<'a>(run: &Aligned<'a>, classes: &'a [Class], shown: &Shown<'a>) -> Vec<Shows<'a>> {
    let spots: Vec<&Spot> = classes.iter().flatten().collect::<BTreeSet<_>>().into_iter().collect();
    let values = shown.values(run.baseline, &spots);
    let values: HashMap<&Spot, Option<String>> = spots.into_iter().zip(values).collect();
    let show = |class: &'a Class| {
        let values = class.iter().filter_map(|spot| {
            let value = values.get(spot)?.clone()?;
            let (_, a) = shown.pairs.get(&spot.exchange)?;
            Some((spot, value, run.attack.exchanges()[*a].instance.as_deref().unwrap_or_default()))
        });
        Shows { class, values: values.collect() }
    };
    classes.iter().map(show).filter(|one| one.values.iter().any(|(_, value, _)| *value != one.values[0].1)).collect()
}

fn shares_a_place(one: &Class, other: &Class) -> bool {
    let kinds: HashSet<String> = one.iter().map(Spot::kind).collect();
    other.iter().any(|spot| kinds.contains(&spot.kind()))
}

/// Whether each instance has one value, and all stand where instances name themselves or whoever carries another's is
/// answered all the same.
fn is_label(run: &Aligned<'_>, shows: &Shows<'_>, differing: &HashSet<usize>) -> bool {
    let mut of_instance: HashMap<&str, &str> = HashMap::new();
    for (_, value, instance) in &shows.values {
        if *of_instance.entry(instance).or_insert(value) != value.as_str() {
            return false;
        }
    }
    let names: HashMap<String, Option<String>> =
        shows.values.iter().map(|(_, value, instance)| (value.clone(), Some((*instance).to_owned()))).collect();
    let sent_there = sent(&run.attack.requests);
    let is_sent = names.keys().any(|name| sent_there.contains(name))
        || shows.class.iter().any(|spot| run.dataflow.sent.contains(&spot.value));
    if is_sent {
        return does_no_harm(run, &names, differing);
    }
    shows.class.iter().all(|spot| names_instance(run.baseline, spot.exchange, &spot.place))
}

/// The places that show another value than the first of their class.
fn unequal<'s>(shows: &'s Shows<'_>) -> impl Iterator<Item = Note> + 's {
    let first = shows.values.first();
    shows.values.iter().filter_map(move |(spot, value, _)| {
        let (of_first, expected, _) = first?;
        let expected_there = format!("{expected} (as #{} has it)", of_first.exchange);
        (value != expected).then(|| note(spot.exchange, spot.place.clone(), expected_there, value.clone()))
    })
}

fn note(exchange: usize, place: String, baseline: String, attack: String) -> Note {
    Note::Deviates(Deviates {
        deviation: Deviation { exchange: Some(exchange), place, kind: DeviationKind::Unequal, baseline, attack },
        variation: Variation::Nothing,
        explanation: None,
        pair: None,
        is_token: false,
    })
}
