//! What all baselines show at one place, side by side: the values that vary from run to run. It judges nothing.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::prove::diff::{Explanation, Note, plainly_equal};
use crate::prove::parse::{
    Atom, Kind, Moment, Node, ParsedRun, Place, Response, atoms, looks_random, measured, plain, ties_elements,
};

/// Longer texts are no values.
const LONGEST: usize = 300;

/// The first baseline and all others.
pub(super) struct Table<'a> {
    /// Each with its exchanges by those of the first: places in both journals, from 0.
    runs: Vec<(&'a ParsedRun, HashMap<usize, usize>)>,
    /// Exchanges of the first that some other baseline answers otherwise.
    varying: BTreeSet<usize>,
    /// Where a rule explains how baselines differ: exchange and place.
    explained: BTreeSet<(usize, String)>,
    /// Where they say the same time, seen from the beginnings of their runs.
    timed: BTreeSet<(usize, String)>,
    /// Lists that come in any order.
    unordered: BTreeSet<(usize, String)>,
}

/// A text that varies from baseline to baseline, and where it stands in the first one.
pub(super) struct Varying {
    pub(super) spot: Spot,
    /// See [`kind_of`].
    pub(super) kind: u64,
    /// What each baseline has there.
    pub(super) values: Vec<String>,
}

/// Where a value stands.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// Its place in the journal of the first baseline, from 0.
    pub(super) exchange: usize,
    /// The part of the response, what the form of that part is, and which of its texts it is.
    pub(super) root: String,
    pub(super) form: u64,
    pub(super) text: usize,
    /// As a deviation prints it.
    pub(super) place: String,
    /// What stands around the value in the text, in every baseline.
    head: String,
    tail: String,
}

impl Spot {
    /// The value in the text that another run has there.
    pub(super) fn value<'t>(&self, text: &'t str) -> Option<&'t str> {
        let value = text.strip_prefix(&self.head)?.strip_suffix(&self.tail)?;
        Some(without_stops(value)).filter(|value| !value.is_empty())
    }
}

/// The texts of a part of a response.
pub(super) struct Texts {
    /// Where they stand, in one number.
    pub(super) form: u64,
    /// Each with the kind of its place.
    pub(super) all: Vec<(u64, String)>,
}

impl Texts {
    pub(super) fn of(root: &str, node: &Node) -> Texts {
        let mut hasher = DefaultHasher::new();
        let mut all = Vec::new();
        node.leaves(&mut Place::root(root), &mut |place, text| {
            place.hash(&mut hasher);
            // Of longer ones it is only told where they stand.
            let is_value = text.len() <= LONGEST;
            all.push(if is_value { (kind_of(place, text), plain(text).into_owned()) } else { (0, String::new()) });
        });
        Texts { form: hasher.finish(), all }
    }
}

/// What is drawn alike: at one kind of place in any response, values that look alike.
pub(super) fn kind_of(place: &Place, text: &str) -> u64 {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    let mut hasher = DefaultHasher::new();
    (place.kind_of_any(), is_number, looks_random(text)).hash(&mut hasher);
    hasher.finish()
}

impl<'a> Table<'a> {
    pub(super) fn new(first: &'a ParsedRun) -> Table<'a> {
        let pairs = (0..first.exchanges().len()).map(|at| (at, at)).collect();
        Table {
            runs: vec![(first, pairs)],
            varying: BTreeSet::new(),
            explained: BTreeSet::new(),
            timed: BTreeSet::new(),
            unordered: BTreeSet::new(),
        }
    }

    /// Adds a baseline with its pairs and what was noted when it was compared with the first one.
    pub(super) fn add(&mut self, other: &'a ParsedRun, pairs: &[(usize, usize)], notes: &[Note]) {
        let first = self.runs[0].0;
        let differs = |(r, a): &&(usize, usize)| !plainly_equal(&first.exchanges()[*r], &other.exchanges()[*a], "");
        self.varying.extend(pairs.iter().filter(differs).map(|(r, _)| *r));
        self.runs.push((other, pairs.iter().copied().collect()));
        for note in notes {
            match note {
                Note::Passes { seen, why, .. } => {
                    let of = match why {
                        Explanation::AnyOrder => &mut self.unordered,
                        Explanation::SameTime => &mut self.timed,
                        _ => &mut self.explained,
                    };
                    of.extend(seen.exchange.checked_sub(1).map(|at| (at, seen.place.clone())));
                }
                Note::Label { seen, .. } => {
                    self.explained.extend(seen.exchange.checked_sub(1).map(|at| (at, seen.place.clone())));
                }
                Note::Deviates(_)
                | Note::Token(_)
                | Note::AnyOrder { .. }
                | Note::Format { .. }
                | Note::NotCompared { .. }
                | Note::GivenUp { .. } => {}
            }
        }
    }

    /// How many baselines there are.
    pub(super) fn baselines(&self) -> usize {
        self.runs.len()
    }

    /// The exchanges that vary and are there in all baselines, with the request's kind and the responses of all.
    pub(super) fn responses(&self) -> impl Iterator<Item = (usize, u64, Vec<Arc<Response>>)> {
        let first = self.runs[0].0;
        self.varying.iter().filter_map(move |at| {
            let responses = self.runs.iter().map(|(run, pairs)| run.response(*pairs.get(at)?));
            Some((*at, first.requests.get(*at)?.kind, responses.collect::<Option<_>>()?))
        })
    }

    /// The texts that vary, where all baselines have a part of one form.
    pub(super) fn varying(&self) -> Vec<Varying> {
        let mut found = Vec::new();
        for (exchange, _, responses) in self.responses() {
            for (root, node) in &responses[0].parts {
                let texts = responses.iter().map(|one| one.part(root).map(|node| Texts::of(root, node)));
                let Some(texts) = texts.collect::<Option<Vec<Texts>>>() else { continue };
                if texts.iter().all(|one| one.form == texts[0].form) {
                    self.varying_in(&mut found, exchange, (root.as_str(), node), &texts);
                }
            }
        }
        found
    }

    fn varying_in(&self, found: &mut Vec<Varying>, exchange: usize, (root, node): (&str, &Node), texts: &[Texts]) {
        let mut text = 0;
        node.leaves(&mut Place::root(root), &mut |place, _| {
            let all: Vec<&str> = texts.iter().map(|one| one.all[text].1.as_str()).collect();
            text += 1;
            let varies = all.iter().any(|one| *one != all[0]) && !all.iter().any(|one| one.is_empty());
            // Names of elements hold within one page; what is signed follows from what it says, and from the time.
            let is_signed = |text: &str| atoms(text).iter().any(|atom| atom.kind == Kind::Signed);
            if !varies || measured(place).is_some() || ties_elements(place) || is_signed(all[0]) {
                return;
            }
            let (head, tail) = around(&all);
            let spot = Spot {
                exchange,
                root: root.to_owned(),
                form: texts[0].form,
                text: text - 1,
                place: place.to_string(),
                head: head.to_owned(),
                tail: tail.to_owned(),
            };
            let values = all.iter().map(|one| spot.value(one).map(str::to_owned)).collect::<Option<Vec<_>>>();
            let is_explained = |values: &Vec<String>| {
                self.is_explained(exchange, &spot.place, false)
                    || covers(&self.timed, exchange, &spot.place) && !values.iter().all(|one| exact_time(one).is_some())
            };
            if let Some(values) = values.filter(|values| !is_explained(values)) {
                found.push(Varying { spot, kind: texts[0].all[text - 1].0, values });
            }
        });
    }

    /// Whether a rule explains how baselines differ at a place, in a part of it, or in what it is a part of, other than by the time. In
    /// `any_order`, the order of a list does not matter.
    pub(super) fn is_explained(&self, exchange: usize, place: &str, any_order: bool) -> bool {
        covers(&self.explained, exchange, place) || !any_order && covers(&self.unordered, exchange, place)
    }

    /// Whether baselines say the same time there.
    pub(super) fn is_timed(&self, exchange: usize, place: &str) -> bool {
        covers(&self.timed, exchange, place)
    }

    /// Whether a client asked for a change there.
    pub(super) fn is_write(&self, exchange: usize) -> bool {
        self.runs[0].0.exchanges().get(exchange).is_some_and(|one| !one.request.is_safe())
    }
}

/// Whether these places hold this one, a part of it, or what it is a part of.
fn covers(of: &BTreeSet<(usize, String)>, exchange: usize, place: &str) -> bool {
    let ends = place.char_indices().filter(|(_, mark)| matches!(mark, '.' | '[' | ' ')).map(|(at, _)| at);
    let after = of.range((exchange, place.to_owned())..).next();
    ends.chain([place.len()]).any(|end| of.contains(&(exchange, place[..end].to_owned())))
        || after.is_some_and(|(at, below)| *at == exchange && below.starts_with(place))
}

/// The time that a text is, in seconds since 1970, where it says parts of a second: two such times are not the same by chance.
pub(super) fn exact_time(text: &str) -> Option<f64> {
    let says_parts = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && text.len() >= 13
        || text
            .rsplit_once(['.', ','])
            .is_some_and(|(_, parts)| parts.bytes().take_while(u8::is_ascii_digit).count() > 2);
    let found = atoms(text);
    match found.iter().filter(|atom| atom.kind != Kind::Separator).collect::<Vec<_>>()[..] {
        [Atom { kind: Kind::Time(Moment::Epoch(at)), .. }] if says_parts => Some(*at),
        _ => None,
    }
}

/// What texts have in common before and after the words in which they differ.
fn around<'t>(texts: &[&'t str]) -> (&'t str, &'t str) {
    let within = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.' | ':' | '+');
    let first = texts[0];
    let head = texts.iter().fold(first.len(), |head, one| {
        let same = first[..head].chars().zip(one.chars()).take_while(|(a, b)| a == b);
        same.map(|(letter, _)| letter.len_utf8()).sum()
    });
    let head = first[..head].trim_end_matches(within).len();
    let tail = texts.iter().fold(first.len() - head, |tail, one| {
        let of_first = first[first.len() - tail..].chars().rev();
        let same = of_first.zip(one[head..].chars().rev()).take_while(|(a, b)| a == b);
        same.map(|(letter, _)| letter.len_utf8()).sum()
    });
    let tail = first[first.len() - tail..].trim_start_matches(within);
    (&first[..head], tail)
}

/// A value without the marks that end a sentence.
fn without_stops(value: &str) -> &str {
    value.trim_end_matches(['.', ':', '-', '+'])
}
