//! What a run shows where it differs from the first baseline: value by value, as the notes of their comparison have them.

use std::collections::{BTreeMap, HashMap};

use crate::prove::deviation::DeviationKind;
use crate::prove::diff::{Explanation, Note, Variation};
use crate::prove::parse::{ParsedRun, Place};

/// A value of the first baseline, where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Spot {
    /// Its number in the first baseline.
    pub(super) exchange: usize,
    pub(super) place: String,
    pub(super) value: String,
}

impl Spot {
    /// The kind of its place: all items of a list are one.
    pub(super) fn kind(&self) -> String {
        kind(&self.place)
    }
}

/// The kind of a place, as [`Spot::kind`].
pub(super) fn kind(place: &str) -> String {
    place.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

/// A run that was compared with the first baseline.
pub(super) struct Shown<'a> {
    pub(super) run: &'a ParsedRun,
    /// By number in the first baseline: the places in both journals, from 0.
    pub(super) pairs: HashMap<usize, (usize, usize)>,
    /// What stands here for each value that varies; `None`: more than one.
    values: BTreeMap<Spot, Option<String>>,
}

impl<'a> Shown<'a> {
    /// From the notes of the comparison of these pairs.
    pub(super) fn new(first: &ParsedRun, run: &'a ParsedRun, pairs: &[(usize, usize)], notes: &[Note]) -> Shown<'a> {
        let mut values: BTreeMap<Spot, Option<String>> = BTreeMap::new();
        for (spot, value) in notes.iter().filter_map(varied) {
            let known = values.entry(spot).or_insert_with(|| Some(value.to_owned()));
            known.take_if(|known| known.as_str() != value);
        }
        let pairs = pairs.iter().map(|(r, a)| (first.exchanges()[*r].number, (*r, *a))).collect();
        Shown { run, pairs, values }
    }

    pub(super) fn spots(&self) -> impl Iterator<Item = &Spot> {
        self.values.keys()
    }

    /// Numbers in the first baseline, in their order, with the places in the journal of this run.
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let mut places: Vec<(usize, usize)> = self.pairs.iter().map(|(number, (_, a))| (*number, *a)).collect();
        places.sort_unstable();
        places.into_iter()
    }

    /// Numbers in the first baseline of the exchanges that are answered otherwise here.
    pub(super) fn varying(&self, first: &ParsedRun) -> Vec<usize> {
        let differs = |(r, a): &(usize, usize)| first.exchanges()[*r].outcome != self.run.exchanges()[*a].outcome;
        self.pairs.iter().filter(|(_, pair)| differs(pair)).map(|(number, _)| *number).collect()
    }

    /// What this run has at these places, which are in their order; `None` where that cannot be told.
    pub(super) fn values(&self, first: &ParsedRun, spots: &[&Spot]) -> Vec<Option<String>> {
        let mut at_hand: Option<(usize, Texts, Texts)> = None;
        let mut value = |spot: &Spot| {
            let (r, a) = *self.pairs.get(&spot.exchange)?;
            if let Some(known) = self.values.get(spot) {
                return known.clone();
            }
            // What was not noted is the same here, unless the places do not correspond.
            if at_hand.as_ref().is_none_or(|(exchange, ..)| *exchange != spot.exchange) {
                at_hand = Some((spot.exchange, texts(first, r), texts(self.run, a)));
            }
            let (_, here, there) = at_hand.as_ref()?;
            let is_same = here.get(&spot.place).is_some_and(|text| there.get(&spot.place) == Some(text));
            is_same.then(|| spot.value.clone())
        };
        spots.iter().map(|spot| value(spot)).collect()
    }
}

/// A value that varies, and what stands for it. What a name lets vary (a time span, what the client sent) is left out.
fn varied(note: &Note) -> Option<(Spot, &str)> {
    let (exchange, place, (baseline, other)) = match note {
        Note::Token(token) => (token.seen.exchange, &token.seen.place, (&token.baseline, &token.attack)),
        Note::Deviates(one) => {
            let is_value = matches!(one.variation, Variation::Values { .. })
                && matches!(one.explanation, None | Some(Explanation::Varies))
                && one.deviation.kind != DeviationKind::CutShort;
            let (baseline, other) = one.pair.as_ref().filter(|_| is_value)?;
            (one.deviation.exchange?, &one.deviation.place, (baseline, other))
        }
        _ => return None,
    };
    Some((Spot { exchange, place: place.clone(), value: baseline.clone() }, other))
}

/// The texts of a response by their places.
pub(super) type Texts = BTreeMap<String, String>;

pub(super) fn texts(run: &ParsedRun, at: usize) -> Texts {
    let mut texts = Texts::new();
    for (root, node) in run.response(at).iter().flat_map(|response| &response.parts) {
        node.leaves(&mut Place::root(root.clone()), &mut |place, text| {
            texts.insert(place.to_string(), text.to_owned());
        });
    }
    texts
}
