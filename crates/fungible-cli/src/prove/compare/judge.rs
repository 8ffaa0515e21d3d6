//! Walks two trees side by side and notes where they are unequal without leave. Text is judged in `leaf`.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::super::renaming::Renaming;
use super::finding::{DifferenceKind, Label};
use super::measured::says_whether_cached;
use super::moment::Shift;
use super::node::{Node, Place, Step};
use super::sequence::longest;
use super::survey::Survey;
use super::token;
use super::unstable::{Unstable, class_of};

/// Lists with more possible pairs of items than this are compared in the order in which they stand.
const LARGEST_TABLE: usize = 60_000;
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
    pub(super) found: Vec<Unequal>,

    // Of the whole run.
    /// Every name that a token got, and the instance it came from (`None`: several).
    pub(super) observed: HashMap<String, HashMap<String, Option<String>>>,
    /// The reference's tokens by their place.
    pub(super) tokens_at: HashMap<u64, HashSet<String>>,
    /// Where each was seen first.
    pub(super) observed_at: HashMap<String, String>,
    /// Where each token stood, for those that turn out to be fickle.
    pub(super) stood: Vec<(String, u64, usize, String)>,
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

    fn within(&mut self, step: Step, walk: impl FnOnce(&mut Self)) {
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
            (Node::Bool(r), Node::Bool(a))
                if says_whether_cached(self.place.name(), &r.to_string(), &a.to_string()) =>
            {
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

    fn list(&mut self, reference: &[Node], attack: &[Node], step: impl Fn(usize, &Node) -> Step) {
        let kind = self.kind();
        if self.mode.unstable().is_unordered(kind) || self.is_reordered(reference, attack) {
            match &mut self.mode {
                Mode::Learn(unstable) => unstable.add_unordered(kind, self.exchange, self.place.to_string()),
                Mode::Judge(_) if self.after_parallel_writes => {
                    self.mask(kind, "written by requests in flight together");
                }
                Mode::Judge(_) => self.mask(kind, "in any order"),
            }
            let anywhere = |at: usize, part: &Node| step(at, part).anywhere();
            return self.pairs(reference, attack, &self.any_order(reference, attack), anywhere);
        }
        if reference.len() == attack.len() {
            let pairs: Vec<_> = (0..reference.len()).map(|at| (Some(at), Some(at))).collect();
            return self.pairs(reference, attack, &pairs, step);
        }
        let pairs = self.in_order(reference, attack);
        self.pairs(reference, attack, &pairs, step);
    }

    fn pairs(
        &mut self,
        reference: &[Node],
        attack: &[Node],
        pairs: &[(Option<usize>, Option<usize>)],
        step: impl Fn(usize, &Node) -> Step,
    ) {
        let whole = self.kind();
        for pair in pairs {
            match *pair {
                (Some(r), Some(a)) => {
                    self.within(step(r, &reference[r]), |judge| judge.walk(&reference[r], &attack[a]));
                }
                (Some(r), None) => {
                    let part = &reference[r];
                    self.within(step(r, part), |judge| judge.one_sided(whole, Some(part), None));
                }
                (None, Some(a)) => {
                    let part = &attack[a];
                    self.within(step(a, part), |judge| judge.one_sided(whole, None, Some(part)));
                }
                (None, None) => {}
            }
        }
    }

    /// Whether both hold the same items in another order. That says something of the app only where references always
    /// have one order, and where nothing was written by requests that may come in either order.
    fn is_reordered(&self, reference: &[Node], attack: &[Node]) -> bool {
        (self.is_learning() || self.after_parallel_writes)
            && reference.len() == attack.len()
            && reference.len() > 1
            && reference.len() * attack.len() <= LARGEST_TABLE
            && reference.iter().zip(attack).any(|(r, a)| !self.alike(r, a))
            && self
                .any_order(reference, attack)
                .iter()
                .all(|pair| matches!(pair, (Some(r), Some(a)) if self.alike(&reference[*r], &attack[*a])))
    }

    /// Each item with the first that is alike, then what is left in order.
    fn any_order(&self, reference: &[Node], attack: &[Node]) -> Vec<(Option<usize>, Option<usize>)> {
        // Most are the very same, and need not be looked for among all others.
        let mut same: HashMap<&Node, Vec<usize>> = HashMap::new();
        for (a, item) in attack.iter().enumerate().rev() {
            same.entry(item).or_default().push(a);
        }
        let mut pairs = Vec::new();
        let mut others = Vec::new();
        for (r, item) in reference.iter().enumerate() {
            match same.get_mut(item).and_then(Vec::pop) {
                Some(a) => pairs.push((Some(r), Some(a))),
                None => others.push(r),
            }
        }
        let mut free: Vec<usize> = same.into_values().flatten().collect();
        free.sort_unstable();
        let mut left = Vec::new();
        for r in others {
            match free.iter().position(|a| self.alike(&reference[r], &attack[*a])) {
                Some(at) => pairs.push((Some(r), Some(free.remove(at)))),
                None => left.push(r),
            }
        }
        let mut free = free.into_iter();
        pairs.extend(left.into_iter().map(|r| (Some(r), free.next())));
        pairs.extend(free.map(|a| (None, Some(a))));
        pairs.sort_unstable_by_key(|(r, a)| (r.is_none(), *r, *a));
        pairs
    }

    /// The longest common sequence of items that are alike; what stands between two of them is paired where it fits.
    fn in_order(&self, reference: &[Node], attack: &[Node]) -> Vec<(Option<usize>, Option<usize>)> {
        let head = reference.iter().zip(attack).take_while(|(r, a)| self.alike_as_it_stands(r, a)).count();
        let (rest_r, rest_a) = (&reference[head..], &attack[head..]);
        let tail =
            rest_r.iter().rev().zip(rest_a.iter().rev()).take_while(|(r, a)| self.alike_as_it_stands(r, a)).count();
        let (rows, columns) = (rest_r.len() - tail, rest_a.len() - tail);
        let mut anchors: Vec<(usize, usize)> = (0..head).map(|at| (at, at)).collect();
        if rows * columns <= LARGEST_TABLE {
            let common = longest(rows, columns, |r, a| self.alike_as_it_stands(&rest_r[r], &rest_a[a]));
            anchors.extend(common.into_iter().map(|(r, a)| (r + head, a + head)));
        }
        anchors.extend((0..tail).map(|at| (head + rows + at, head + columns + at)));
        anchors.push((reference.len(), attack.len()));

        let mut pairs = Vec::new();
        let (mut r, mut a) = (0, 0);
        for (next_r, next_a) in anchors {
            while r < next_r && a < next_a && next_r - r == next_a - a {
                pairs.push((Some(r), Some(a)));
                (r, a) = (r + 1, a + 1);
            }
            // Parts that say something else may still be the same parts.
            let shapes = |nodes: &[Node]| nodes.iter().map(Node::shape).collect::<Vec<_>>();
            let (in_r, in_a) = (shapes(&reference[r..next_r]), shapes(&attack[a..next_a]));
            let mut common = Vec::new();
            if in_r.len() * in_a.len() <= LARGEST_TABLE {
                common = longest(in_r.len(), in_a.len(), |one, two| in_r[one] == in_a[two]);
            }
            common.push((in_r.len(), in_a.len()));
            let (from_r, from_a) = (r, a);
            for (of_r, of_a) in common {
                pairs.extend((r..from_r + of_r).map(|r| (Some(r), None)));
                pairs.extend((a..from_a + of_a).map(|a| (None, Some(a))));
                if of_r < in_r.len() {
                    pairs.push((Some(from_r + of_r), Some(from_a + of_a)));
                }
                (r, a) = (from_r + of_r + 1, from_a + of_a + 1);
            }
            if next_r < reference.len() {
                pairs.push((Some(next_r), Some(next_a)));
            }
            (r, a) = (next_r + 1, next_a + 1);
        }
        pairs
    }

    /// Whether the two would be let pass as one, without binding anything.
    pub(super) fn alike(&self, reference: &Node, attack: &Node) -> bool {
        self.alike_if(reference, attack, true)
    }

    /// As `alike`, with everything in one order: for large tables.
    fn alike_as_it_stands(&self, reference: &Node, attack: &Node) -> bool {
        self.alike_if(reference, attack, false)
    }

    pub(super) fn alike_if(&self, reference: &Node, attack: &Node, any_order: bool) -> bool {
        let entries = |r: &[(String, Node)], a: &[(String, Node)]| {
            r.len() == a.len() && r.iter().zip(a).all(|(r, a)| r.0 == a.0 && self.alike_if(&r.1, &a.1, any_order))
        };
        let all = |r: &[Node], a: &[Node]| {
            r.len() == a.len()
                && (r.iter().zip(a).all(|(r, a)| self.alike_if(r, a, any_order))
                    || any_order && self.alike_in_another_order(r, a))
        };
        if reference == attack {
            return true;
        }
        match (reference, attack) {
            (Node::Text(r), Node::Text(a)) | (Node::Number(r), Node::Number(a)) => self.leaf_alike(r, a, any_order),
            (Node::Map(r), Node::Map(a)) => entries(r, a),
            (Node::List(r), Node::List(a)) | (Node::Lines(r), Node::Lines(a)) => all(r, a),
            (
                Node::Element { name: r, attributes: of_r, children: in_r },
                Node::Element { name: a, attributes: of_a, children: in_a },
            ) => r == a && entries(of_r, of_a) && all(in_r, in_a),
            (r, a) => r == a,
        }
    }

    /// Lists within lists may have an order of their own.
    fn alike_in_another_order(&self, reference: &[Node], attack: &[Node]) -> bool {
        let mut free: Vec<&Node> = if attack.len() <= LARGEST_SET { attack.iter().collect() } else { return false };
        reference.iter().all(|r| free.iter().position(|a| self.alike(r, a)).map(|at| free.swap_remove(at)).is_some())
    }

    /// Something that only one side has.
    fn one_sided(&mut self, whole: u64, reference: Option<&Node>, attack: Option<&Node>) {
        let part = reference.or(attack).map(Node::shape).unwrap_or_default();
        // A part of a list is known by its shape, a key or a header by its name.
        let (whole, part) = if whole == 0 { (self.kind(), 0) } else { (whole, part) };
        let place = self.place.to_string();
        if self.place.is_frame() && reference.or(attack).is_some_and(Node::is_heartbeat) {
            return self.mask(whole ^ part, "keeps a connection open");
        }
        match &mut self.mode {
            Mode::Learn(unstable) => unstable.add_optional(whole, part, self.exchange, place),
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
        let place = self.place.to_string();
        match &mut self.mode {
            Mode::Learn(unstable) => {
                unstable.add(key, self.exchange, place, class_of(reference) | class_of(attack));
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
