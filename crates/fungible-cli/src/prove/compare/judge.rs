//! Walks two trees side by side and notes where they are unequal without leave. Text is judged in `leaf`.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::super::renaming::Renaming;
use super::finding::{DifferenceKind, Label};
use super::measured::{says_that_cached, says_whether_cached};
use super::moment::Shift;
use super::node::{Node, Place, Step};
use super::survey::Survey;
use super::token;
use super::unstable::{Unstable, class_of};

/// Lists within lists, and texts, with more parts than this are compared in the order in which they stand.
pub(super) const LARGEST_SET: usize = 32;
/// More findings within one exchange tell nobody more.
const MOST_FINDINGS: usize = 50;
/// Longer values are cut for printing.
const LONGEST_PRINT: usize = 300;

/// What is done with what is unequal.
pub(super) enum Mode<'b> {
    /// References against each other: it becomes unstable.
    Learn(&'b mut Unstable),
    /// An attack against them: it becomes a finding unless it is unstable.
    Judge(&'b Unstable),
}

impl Mode<'_> {
    pub(super) fn unstable(&self) -> &Unstable {
        match self {
            Mode::Learn(unstable) => unstable,
            Mode::Judge(unstable) => unstable,
        }
    }
}

/// What an instance would name itself by.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) instance: String,
    pub(super) port: String,
    pub(super) pids: Vec<String>,
    pub(super) host_name: String,
}

/// One unequal place.
#[derive(Debug)]
pub(super) struct Unequal {
    pub(super) exchange: usize,
    pub(super) place: String,
    pub(super) kind: DifferenceKind,
    pub(super) reference: String,
    pub(super) attack: String,
    /// The token of the reference, where only its name is in question: it may turn out to be a label.
    pub(super) token: Option<String>,
    /// A word and its counterpart that may still turn out to be known.
    pub(super) pair: Option<(String, String)>,
}

/// The judge of one run.
pub(super) struct Judge<'b> {
    pub(super) mode: Mode<'b>,
    pub(super) renaming: Renaming,
    pub(super) shift: Shift,
    pub(super) survey: &'b Survey,
    /// Ports of the run that is judged, of every instance.
    pub(super) ports: Vec<String>,

    /// In the reference and in the attack: the first request that wrote while another did.
    pub(super) parallel_writes: (Option<usize>, Option<usize>),

    // Of the exchange at hand.
    pub(super) exchange: usize,
    pub(super) signature: u64,
    pub(super) safe: bool,
    /// Requests wrote at the same time before.
    pub(super) after_parallel_writes: bool,
    pub(super) path: String,
    /// Numbers of things that both requests name.
    pub(super) asked_for: HashSet<String>,
    pub(super) reference: Facts,
    pub(super) attack: Facts,
    pub(super) place: Place,
    /// The two texts that are judged there, where they are more than a number each.
    pub(super) texts: Option<(String, String)>,
    pub(super) found: Vec<Unequal>,

    // Of the whole run.
    /// Every name that a token got, and the instance it came from (`None`: several).
    pub(super) observed: HashMap<String, HashMap<String, Option<String>>>,
    /// The reference's tokens by their place.
    pub(super) tokens_at: HashMap<u64, HashSet<String>>,
    /// In which exchange each was seen first, and where there.
    pub(super) observed_at: HashMap<String, (usize, String)>,
    /// Where each token stood, for those that turn out to be fickle.
    pub(super) stood: Vec<(String, u64, usize)>,
    pub(super) masks: HashMap<u64, (usize, String, &'static str)>,
    pub(super) labels: Vec<Label>,
    /// By place in the list of ignores: how often each took effect.
    pub(super) ignored: Vec<usize>,
}

impl Judge<'_> {
    pub(super) fn is_learning(&self) -> bool {
        matches!(self.mode, Mode::Learn(_))
    }

    pub(super) fn kind(&self) -> u64 {
        self.place.kind(self.signature)
    }

    pub(super) fn within(&mut self, step: Step, walk: impl FnOnce(&mut Self)) {
        self.place.push(step);
        walk(self);
        self.place.pop();
    }

    /// Judges one part of an answer, under a root such as `header location` or `body`.
    pub(super) fn part(&mut self, root: &str, reference: Option<&Node>, attack: Option<&Node>) {
        self.place = Place::root(root);
        match (reference, attack) {
            (Some(reference), Some(attack)) => self.walk(reference, attack),
            (Some(reference), None) => self.one_sided(0, Some(reference), None),
            (None, Some(attack)) => self.one_sided(0, None, Some(attack)),
            (None, None) => {}
        }
    }

    pub(super) fn walk(&mut self, reference: &Node, attack: &Node) {
        if self.found.len() >= MOST_FINDINGS {
            return;
        }
        match (reference, attack) {
            (Node::Text(r), Node::Text(a)) | (Node::Number(r), Node::Number(a)) => self.leaf(r, a),
            (Node::Null, Node::Null) => {}
            (Node::Bool(r), Node::Bool(a)) if r == a => {}
            (Node::Bool(r), Node::Bool(a)) if says_whether_cached(&self.place, &r.to_string(), &a.to_string()) => {
                self.mask(self.kind(), "whether a cache had it");
            }
            (Node::Map(r), Node::Map(a)) => self.map(r, a, Step::Key),
            (Node::List(r), Node::List(a)) => self.list(r, a, |at, _| Step::Index(at)),
            (Node::Lines(r), Node::Lines(a)) => self.list(r, a, |at, _| Step::Line(at)),
            (
                Node::Element { name: r, attributes: of_r, children: in_r },
                Node::Element { name: a, attributes: of_a, children: in_a },
            ) if r == a => {
                self.map(of_r, of_a, Step::Attribute);
                self.list(in_r, in_a, Step::child);
            }
            (r, a) if r == a => {}
            (r, a) => self.unequal_whole(r, a),
        }
    }

    fn map(&mut self, reference: &[(String, Node)], attack: &[(String, Node)], step: fn(String) -> Step) {
        let find = |entries: &[(String, Node)], key: &str| entries.binary_search_by(|(k, _)| k.as_str().cmp(key)).ok();
        let mut answered = vec![false; attack.len()];
        let mut left = Vec::new();
        for (key, value) in reference {
            match find(attack, key) {
                Some(at) => {
                    answered[at] = true;
                    self.within(step(key.clone()), |judge| judge.walk(value, &attack[at].1));
                }
                None => left.push((key, value)),
            }
        }
        // Keys may be identifiers themselves.
        for (key, value) in left {
            let open = |at: &usize| !answered[*at] && self.may_be_same_key(key, &attack[*at].0);
            let alike = (0..attack.len()).filter(open).find(|at| self.alike(value, &attack[*at].1));
            let same = alike.or_else(|| (0..attack.len()).find(open));
            match same.filter(|at| self.bind_key(key, &attack[*at].0)) {
                Some(at) => {
                    answered[at] = true;
                    self.within(step(key.clone()), |judge| judge.walk(value, &attack[at].1));
                }
                None => self.within(step(key.clone()), |judge| judge.one_sided(0, Some(value), None)),
            }
        }
        for (at, (key, value)) in attack.iter().enumerate() {
            if !answered[at] {
                self.within(step(key.clone()), |judge| judge.one_sided(0, None, Some(value)));
            }
        }
    }

    fn may_be_same_key(&self, reference: &str, attack: &str) -> bool {
        self.renaming.knows(reference, attack)
            || self.renaming.translate(reference).as_deref() == Some(attack)
            || (self.renaming.name(reference).is_none()
                && (token::looks_random(reference) && token::looks_random(attack)
                    || is_number(reference) && is_number(attack) && self.survey.numbers.contains(reference)))
    }

    fn bind_key(&mut self, reference: &str, attack: &str) -> bool {
        if is_number(reference) && is_number(attack) {
            let kind = self.kind();
            return self.renaming.bind_number(kind, reference, attack).is_ok();
        }
        !token::looks_random(reference) || self.renaming.bind(reference, attack).is_ok()
    }

    /// Something that only one side has.
    pub(super) fn one_sided(&mut self, whole: u64, reference: Option<&Node>, attack: Option<&Node>) {
        let part = reference.or(attack).map(Node::shape).unwrap_or_default();
        // A part of a list is known by its shape, a key or a header by its name.
        let (whole, part) = if whole == 0 { (self.kind(), 0) } else { (whole, part) };
        if self.place.is_frame() && reference.or(attack).is_some_and(Node::is_heartbeat) {
            return self.mask(whole ^ part, "keeps a connection open");
        }
        if reference.or(attack).is_some_and(|only| says_that_cached(&self.place, &only.print())) {
            return self.mask(whole ^ part, "whether a cache had it");
        }
        match &mut self.mode {
            Mode::Learn(unstable) => unstable.add_optional(whole, part),
            Mode::Judge(unstable) if unstable.is_optional(whole, part) => {
                self.mask(whole ^ part, "not in every reference");
            }
            Mode::Judge(_) => {
                let print = |node: Option<&Node>| node.map_or_else(|| "(absent)".to_owned(), Node::print);
                self.note(self.kind_of_finding(), &print(reference), &print(attack));
            }
        }
    }

    /// Two nodes of different kinds, or two that cannot be looked into.
    pub(super) fn unequal_whole(&mut self, reference: &Node, attack: &Node) {
        let key = key(self.kind(), usize::MAX);
        match &mut self.mode {
            Mode::Learn(unstable) => {
                unstable.add(key, class_of(reference) | class_of(attack));
            }
            Mode::Judge(unstable) if unstable.covers(key, class_of(attack)) => self.mask(key, "unequal in references"),
            Mode::Judge(_) => self.note(self.kind_of_finding(), &reference.print(), &attack.print()),
        }
    }

    pub(super) fn kind_of_finding(&self) -> DifferenceKind {
        if self.place.is_header() {
            DifferenceKind::Header
        } else if self.place.is_frame() {
            DifferenceKind::Frames
        } else {
            DifferenceKind::Body
        }
    }

    pub(super) fn note(&mut self, kind: DifferenceKind, reference: &str, attack: &str) {
        self.found.push(Unequal {
            exchange: self.exchange,
            place: self.place.to_string(),
            kind,
            reference: short(reference),
            attack: short(attack),
            token: None,
            pair: None,
        });
    }

    pub(super) fn mask(&mut self, key: u64, reason: &'static str) {
        let (exchange, place) = (self.exchange, &self.place);
        self.masks.entry(key).or_insert_with(|| (exchange, place.to_string(), reason));
    }
}

fn is_number(key: &str) -> bool {
    key.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn key(kind: u64, atom: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    (kind, atom).hash(&mut hasher);
    hasher.finish()
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST_PRINT) {
        Some((at, _)) => format!("{}..", &text[..at]),
        None => text.to_owned(),
    }
}
