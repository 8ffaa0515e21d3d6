//! Two runs while they are compared: what is known of them, the place at hand, what was bound and noted so far. It decides
//! nothing.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::noise::{Noise, Variation, class_of_text};
use super::notes::{Deviates, Explanation, Note, Seen, SeenToken};
use super::renaming::{self, Conflict, Renaming};
use crate::prove::deviation::{Deviation, DeviationKind};
use crate::prove::parse::{Dataflow, Place, Segment, Shift};

/// Longer values are cut for printing.
const LONGEST_PRINT: usize = 300;

/// Questions within questions, from which on lists are taken in the order in which they stand.
const DEEPEST_QUESTION: usize = 2;

/// So many nodes of a part of a response are visited to answer such questions, then its lists are taken so, too: without a
/// limit, lists within lists cost the cube of their depth.
const MOST_VISITED: usize = 50_000;

/// How strictly two runs are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Two baselines: what differs is noise.
    Baseline,
    /// A run under attack: what differs, and is no noise, is a deviation.
    Attack,
}

impl Strictness {
    /// Lists may come in any order, to learn which of them do.
    pub(super) fn allows_any_order(self) -> bool {
        self == Strictness::Baseline
    }

    /// Equal numbers that name things are bound, too: another thing must not get the same one.
    pub(super) fn binds_equal_numbers(self) -> bool {
        self == Strictness::Attack
    }

    /// Tokens that look like words pass where baselines show tokens of their format.
    pub(super) fn goes_by_format(self) -> bool {
        self == Strictness::Attack
    }

    /// An address with the port of a single instance deviates: a client must not be sent there.
    pub(super) fn finds_own_ports(self) -> bool {
        self == Strictness::Attack
    }
}

/// What an instance would name itself by.
#[derive(Clone, Debug, Default)]
pub(crate) struct InstanceNames {
    /// As we call it.
    pub(crate) name: String,
    pub(crate) port: String,
    pub(crate) pids: Vec<String>,
    pub(crate) host_name: String,
}

/// The exchange at hand.
#[derive(Debug, Default)]
pub(crate) struct AtHand {
    /// The number of the baseline's exchange.
    pub(crate) exchange: usize,
    /// The kind of its request.
    pub(crate) kind: u64,
    pub(crate) safe: bool,
    /// Requests wrote at the same time before.
    pub(crate) after_parallel_writes: bool,
    pub(crate) path: String,
    /// Numbers of things that both requests name.
    pub(crate) asked_for: HashSet<String>,
    pub(crate) baseline: InstanceNames,
    pub(crate) attack: InstanceNames,
}

/// Two runs while they are compared.
#[derive(Debug)]
pub(crate) struct Diff<'a> {
    pub(crate) strictness: Strictness,
    pub(crate) dataflow: &'a Dataflow,
    pub(crate) noise: &'a Noise,
    pub(crate) shift: Shift,
    /// Ports of the instances of the run that is compared: an address with one of them is a deviation.
    pub(crate) ports: Vec<String>,
    pub(crate) renaming: Renaming,
    pub(crate) notes: Vec<Note>,
    pub(crate) at: AtHand,
    pub(crate) place: Place,
    /// The two texts that are compared there, where they are more than a number each.
    pub(crate) texts: Option<(String, String)>,
    /// Deviations so far that nothing explains.
    unexplained: usize,
    /// It is only asked whether two parts are alike, and nothing of it will stay: so many such questions within each other.
    probing: usize,
    /// How many deviations nothing explained when that was asked.
    probed_from: usize,
    /// Nodes of this part that were visited to answer such questions.
    visited: usize,
}

/// A state to which the comparison can be rolled back.
pub(crate) struct Checkpoint {
    renaming: renaming::RenamingMark,
    notes: usize,
    unexplained: usize,
}

impl<'a> Diff<'a> {
    /// Begins to compare two runs that lie in time as `shift` says; `ports`: of the instances of the second one, where a
    /// client must not be sent to them.
    pub(crate) fn new(
        strictness: Strictness,
        (dataflow, noise): (&'a Dataflow, &'a Noise),
        shift: Shift,
        ports: Vec<String>,
        renaming: Renaming,
    ) -> Diff<'a> {
        Diff {
            strictness,
            dataflow,
            noise,
            shift,
            ports,
            renaming,
            notes: Vec::new(),
            at: AtHand::default(),
            place: Place::default(),
            texts: None,
            unexplained: 0,
            probing: 0,
            probed_from: 0,
            visited: 0,
        }
    }

    /// Opens a checkpoint, to be closed by [`Diff::rollback`] or [`Diff::keep`].
    pub(super) fn checkpoint(&mut self) -> Checkpoint {
        Checkpoint { renaming: self.renaming.checkpoint(), notes: self.notes.len(), unexplained: self.unexplained }
    }

    /// Takes back all that was bound and noted since.
    pub(super) fn rollback(&mut self, to: &Checkpoint) {
        self.renaming.rollback(&to.renaming);
        self.notes.truncate(to.notes);
        self.unexplained = to.unexplained;
    }

    /// Leaves all as it is.
    pub(super) fn keep(&mut self, _: Checkpoint) {
        self.renaming.keep();
    }

    /// Whether nothing deviates without an explanation that was seen since.
    pub(super) fn is_clean_since(&self, checkpoint: &Checkpoint) -> bool {
        self.unexplained == checkpoint.unexplained
    }

    /// Whether one value stood for two things since.
    pub(super) fn collides_since(&self, checkpoint: &Checkpoint) -> bool {
        self.notes[checkpoint.notes..].iter().any(|note| {
            matches!(note, Note::Deviates(one) if one.explanation.is_none() && one.deviation.kind == DeviationKind::Collision)
        })
    }

    /// Whether two parts would pass as one: they are compared, and all of that is taken back.
    pub(super) fn would_pass(&mut self, compare: impl FnOnce(&mut Self)) -> bool {
        let checkpoint = self.checkpoint();
        let before = (self.probing, self.probed_from, self.texts.take());
        (self.probing, self.probed_from) = (self.probing + 1, self.unexplained);
        compare(self);
        let clean = self.is_clean_since(&checkpoint);
        (self.probing, self.probed_from, self.texts) = before;
        self.rollback(&checkpoint);
        clean
    }

    pub(super) fn is_probing(&self) -> bool {
        self.probing > 0
    }

    /// Whether the question is so deep within others that lists are taken in the order in which they stand: else the work
    /// would double with each level.
    pub(super) fn is_deep(&self) -> bool {
        self.probing > DEEPEST_QUESTION || self.visited > MOST_VISITED
    }

    /// Turns to another part of the response.
    pub(super) fn begin_part(&mut self, root: &str) {
        self.place = Place::root(root);
        self.visited = 0;
    }

    /// Counts a node that is visited, if it is visited for a question only.
    pub(super) fn visit(&mut self) {
        self.visited += usize::from(self.is_probing());
    }

    /// Whether it is settled that two parts would not pass as one: looking further shows nothing more.
    pub(super) fn has_failed(&self) -> bool {
        self.is_probing() && self.unexplained > self.probed_from
    }

    /// The kind of the place at hand: all items of a list are one.
    pub(super) fn kind(&self) -> u64 {
        self.place.kind(self.at.kind)
    }

    pub(super) fn within(&mut self, segment: Segment, walk: impl FnOnce(&mut Self)) {
        self.place.push(segment);
        walk(self);
        self.place.pop();
    }

    fn seen(&self) -> Seen {
        if self.is_probing() {
            return Seen::default();
        }
        Seen { exchange: self.at.exchange, place: self.place.to_string() }
    }

    /// The kind of a deviation at this place, where nothing more is known of it.
    pub(super) fn deviation_kind(&self) -> DeviationKind {
        if self.place.is_header() {
            DeviationKind::Header
        } else if self.place.is_frame() {
            DeviationKind::Frames
        } else {
            DeviationKind::Body
        }
    }

    /// Notes two unequal places, with what they teach and why they may differ.
    pub(super) fn deviates(
        &mut self,
        kind: DeviationKind,
        (baseline, attack): (&str, &str),
        variation: Variation,
        explanation: Option<Explanation>,
    ) {
        self.push(Deviates {
            deviation: self.deviation(kind, baseline, attack),
            variation,
            explanation,
            pair: None,
            is_token: false,
        });
    }

    /// Notes two unequal words or tokens. Where baselines have other values, too, and such ones, they pass.
    pub(super) fn value_deviates(
        &mut self,
        kind: DeviationKind,
        key: u64,
        pair: (&str, &str),
        token: Option<Vec<String>>,
    ) {
        let (baseline, attack) = pair;
        let classes = class_of_text(baseline) | class_of_text(attack);
        let class = class_of_text(attack);
        let is_fickle = token.is_some() && self.noise.covers(any_token(self.kind()), class);
        let explanation = (is_fickle || self.noise.covers(key, class)).then_some(Explanation::Varies);
        self.push(Deviates {
            deviation: self.deviation(kind, baseline, attack),
            is_token: token.is_some(),
            variation: Variation::Values { key, classes, fickle: token.unwrap_or_default() },
            explanation,
            pair: Some((baseline.to_owned(), attack.to_owned())),
        });
    }

    fn deviation(&self, kind: DeviationKind, baseline: &str, attack: &str) -> Deviation {
        let Seen { exchange, place } = self.seen();
        Deviation { exchange: Some(exchange), place, kind, baseline: short(baseline), attack: short(attack) }
    }

    fn push(&mut self, deviates: Deviates) {
        self.unexplained += usize::from(deviates.explanation.is_none());
        self.notes.push(Note::Deviates(deviates));
    }

    /// Notes two unequal places that a rule lets pass.
    pub(super) fn passes(&mut self, key: u64, why: Explanation) {
        let seen = self.seen();
        self.notes.push(Note::Passes { key, seen, why });
    }

    /// Notes that an instance named itself here.
    pub(super) fn label(&mut self, value: &str) {
        let seen = self.seen();
        let instance = self.at.attack.name.clone();
        self.notes.push(Note::Label { seen, instance, value: value.to_owned() });
    }

    /// Binds two tokens and notes them.
    pub(super) fn bind_token(&mut self, key: u64, baseline: &str, attack: &str) -> Result<(), Conflict> {
        let bound = self.renaming.bind(baseline, attack);
        let seen = self.seen();
        self.notes.push(Note::Token(SeenToken {
            baseline: baseline.to_owned(),
            attack: attack.to_owned(),
            key,
            any_key: any_token(self.kind()),
            seen,
            bound: bound.is_ok(),
        }));
        bound
    }
}

/// The place of a part within a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// The atom that stands there.
    Atom(usize),
    /// A piece of an opaque text, and where within it.
    Chunk(usize),
    AtomOfChunk(usize, usize),
    /// The text as a whole.
    Whole,
    /// The text as the name of one thing.
    Name,
    /// Any token in the text: it is cut by how its letters happen to fall.
    AnyToken,
    /// The order of all.
    Order,
    /// An atom whose place in its text is not known yet: nothing is ever learned of it.
    Probe,
}

fn any_token(kind: u64) -> u64 {
    key(kind, Part::AnyToken)
}

/// The key of a part of a place of this kind.
pub(super) fn key(kind: u64, part: Part) -> u64 {
    let mut hasher = DefaultHasher::new();
    (kind, part).hash(&mut hasher);
    hasher.finish()
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST_PRINT) {
        Some((at, _)) => format!("{}..", &text[..at]),
        None => text.to_owned(),
    }
}
