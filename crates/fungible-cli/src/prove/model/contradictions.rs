//! Where the responses of one run contradict each other although those of no baseline do: they show two values where there
//! is always one, or one thing where there are always two.

use std::collections::{HashMap, HashSet};

use super::distinct::repeated;
use super::equality::{Class, Shows, broken};
use super::labels::{Aligned, does_no_harm, names_instance};
use super::learn::Learned;
use crate::prove::deviation::{Deviation, DeviationKind};
use crate::prove::diff::{Deviates, Note, Seen, Variation};
use crate::prove::parse::sent;

/// What was found in one run.
#[derive(Default)]
pub(super) struct Contradictions {
    pub(super) notes: Vec<Note>,
    /// Some of it may be chance: more baselines will tell.
    pub(super) is_unsettled: bool,
}

/// All contradictions of a run under attack; `notes`: of its comparison with the first baseline.
pub(super) fn contradictions(run: &Aligned<'_>, learned: &Learned, notes: &[Note]) -> Contradictions {
    let unexplained = notes.iter().filter_map(|note| match note {
        Note::Deviates(one) if one.explanation.is_none() => Some(&one.deviation),
        _ => None,
    });
    let differing: HashSet<usize> = unexplained.clone().filter_map(|one| one.exchange).collect();
    let places: HashSet<(usize, &str)> =
        unexplained.filter_map(|one| Some((one.exchange? - 1, one.place.as_str()))).collect();
    // What deviates from the baselines need not be said to contradict another response, too.
    let deviates = |exchange: usize, place: &str| places.contains(&(exchange, place));
    let mut found = Contradictions::default();
    for (class, shows) in broken(run, &learned.classes, deviates) {
        if is_label(run, class, &shows, &differing) {
            found.notes.extend(shows.into_iter().map(|(spot, value, instance)| Note::Label {
                seen: Seen { exchange: spot.exchange + 1, place: spot.place.clone() },
                instance: instance.to_owned(),
                value,
            }));
        } else {
            found.is_unsettled |= class.is_unsettled;
            found.notes.extend(unequal(&shows));
        }
    }
    for one in repeated(run, &learned.groups) {
        if !deviates(one.exchange, &one.place) {
            found.is_unsettled |= one.is_unsettled;
            let kind = DeviationKind::Repeats { shown_at: one.before + 1 };
            found.notes.push(note(one.exchange, one.place, kind, (String::new(), one.value)));
        }
    }
    found
}

/// Whether each instance has one value, and these are their names: one of the places is where instances name themselves,
/// or whoever carries another's is answered all the same.
fn is_label(run: &Aligned<'_>, class: &Class, shows: &Shows<'_>, differing: &HashSet<usize>) -> bool {
    let mut of_instance: HashMap<&str, &str> = HashMap::new();
    for (_, value, instance) in shows {
        if *of_instance.entry(instance).or_insert(value) != value.as_str() {
            return false;
        }
    }
    let names: HashMap<String, Option<String>> =
        shows.iter().map(|(_, value, instance)| (value.clone(), Some((*instance).to_owned()))).collect();
    let sent_there = sent(&run.attack.requests);
    if names.keys().any(|name| sent_there.contains(name)) {
        return does_no_harm(run, &names, differing);
    }
    class.spots.iter().any(|spot| names_instance(run.baseline, spot.exchange + 1, &spot.place))
}

/// The places that show another value than the first of their class.
fn unequal<'s>(shows: &'s Shows<'_>) -> impl Iterator<Item = Note> + 's {
    let first = shows.first();
    shows.iter().filter_map(move |(spot, value, _)| {
        let (of_first, expected, _) = first.filter(|(_, expected, _)| expected != value)?;
        let kind = DeviationKind::Unequal { shown_at: of_first.exchange + 1 };
        Some(note(spot.exchange, spot.place.clone(), kind, (expected.clone(), value.clone())))
    })
}

fn note(exchange: usize, place: String, kind: DeviationKind, (baseline, attack): (String, String)) -> Note {
    Note::Deviates(Deviates {
        deviation: Deviation { exchange: Some(exchange + 1), place, kind, baseline, attack },
        variation: Variation::Nothing,
        explanation: None,
        pair: None,
        is_token: false,
    })
}
