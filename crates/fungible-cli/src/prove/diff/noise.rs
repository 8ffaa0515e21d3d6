//! Where baselines differ from each other. Filled from what comparing them notes, asked while an attack is compared.

use std::collections::{HashMap, HashSet};

use crate::prove::parse::Node;

/// The places where values need not be equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noise {
    /// By kind of place and atom: the classes of the values that were seen there.
    values: HashMap<u64, u16>,
    /// Texts of other lengths: how many atoms they have in common at their beginnings and ends.
    holes: HashMap<u64, (usize, usize)>,
    /// Tokens that are another in each baseline: their lengths.
    formats: HashMap<u64, (usize, usize)>,
    /// Parts that are there in one baseline and not in another, by kind of the whole and shape of the part: the words of
    /// the one that was seen, `None` where several were.
    optional: HashMap<(u64, u64), Option<u64>>,
    /// Lists whose items come in any order.
    unordered: HashSet<u64>,
    /// Other statuses of an exchange; `None`: the instance broke off.
    statuses: HashSet<(usize, Option<u16>)>,
}

/// In which way two baselines differ at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Variation {
    /// Values of these classes. `fickle`: tokens that no one-to-one map holds together.
    Values {
        key: u64,
        classes: u16,
        fickle: Vec<String>,
    },
    /// Texts with so many equal atoms at their beginnings and ends.
    Texts {
        key: u64,
        classes: u16,
        head: usize,
        tail: usize,
    },
    /// A part that one of them lacks.
    Part {
        whole: u64,
        part: u64,
        words: u64,
    },
    Status {
        exchange: usize,
        status: Option<u16>,
    },
    /// It teaches nothing: whatever baselines show, an attack must not.
    Nothing,
}

impl Variation {
    /// The place that varies, for those who list each once.
    pub(crate) fn key(&self) -> u64 {
        match self {
            Variation::Values { key, .. } | Variation::Texts { key, .. } => *key,
            Variation::Part { whole, part, .. } => whole ^ part,
            Variation::Status { .. } | Variation::Nothing => 0,
        }
    }
}

/// What a value looks like, from afar.
pub(super) mod class {
    pub(crate) const EMPTY: u16 = 1;
    pub(crate) const NUMBER: u16 = 2;
    pub(crate) const LETTERS: u16 = 4;
    pub(crate) const MIXED: u16 = 8;
    pub(crate) const NULL: u16 = 16;
    pub(crate) const BOOL: u16 = 32;
    pub(crate) const TREE: u16 = 64;
    pub(crate) const BINARY: u16 = 128;
    pub(crate) const TEXT: u16 = EMPTY | NUMBER | LETTERS | MIXED;
}

pub(super) fn class_of_text(text: &str) -> u16 {
    if text.is_empty() {
        class::EMPTY
    } else if text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-')) {
        class::NUMBER
    } else if text.chars().all(char::is_alphabetic) {
        class::LETTERS
    } else {
        class::MIXED
    }
}

pub(super) fn class_of(node: &Node) -> u16 {
    match node {
        Node::Null => class::NULL,
        Node::Bool(_) => class::BOOL,
        Node::Number(_) => class::NUMBER,
        Node::Text(text) => class_of_text(text),
        Node::List(_) | Node::Map(_) | Node::Lines(_) | Node::Metrics(_) | Node::Element { .. } => class::TREE,
        Node::Binary { .. } => class::BINARY,
    }
}

impl Noise {
    /// What decides how two baselines are compared with each other: nothing that they differ in passes there.
    pub(crate) fn of_structure(&self) -> Noise {
        Noise { formats: self.formats.clone(), unordered: self.unordered.clone(), ..Noise::default() }
    }

    /// How much is known of structure: as long as there is more of it, more may be learned.
    pub(crate) fn structures(&self) -> usize {
        self.unordered.len() + self.formats.len()
    }

    /// Adds one way in which baselines differ.
    pub(crate) fn add(&mut self, variation: &Variation) {
        match variation {
            Variation::Values { key, classes, .. } => self.add_values(*key, *classes),
            Variation::Texts { key, classes, head, tail } => {
                self.add_values(*key, *classes);
                let hole = self.holes.entry(*key).or_insert((*head, *tail));
                *hole = (hole.0.min(*head), hole.1.min(*tail));
            }
            Variation::Part { whole, part, words } => {
                let seen = self.optional.entry((*whole, *part)).or_insert(Some(*words));
                seen.take_if(|seen| *seen != *words);
            }
            Variation::Status { exchange, status } => _ = self.statuses.insert((*exchange, *status)),
            Variation::Nothing => {}
        }
    }

    fn add_values(&mut self, key: u64, classes: u16) {
        *self.values.entry(key).or_default() |= classes;
    }

    /// Notes that the token at this place is another in each baseline, whatever it looks like.
    pub(crate) fn add_fickle(&mut self, key: u64) {
        self.add_values(key, class::MIXED);
    }

    pub(crate) fn add_unordered(&mut self, list: u64) {
        self.unordered.insert(list);
    }

    /// Notes that tokens of such lengths stand there.
    pub(crate) fn add_format(&mut self, key: u64, shortest: usize, longest: usize) {
        let format = self.formats.entry(key).or_insert((shortest, longest));
        *format = (format.0.min(shortest), format.1.max(longest));
    }

    /// Whether baselines had other values there too, and such ones.
    pub(super) fn covers(&self, key: u64, class: u16) -> bool {
        let Some(seen) = self.values.get(&key).copied() else { return false };
        // What was letters here and digits there may be either, or both mixed.
        let mixed = seen & class::MIXED != 0 || seen & class::TEXT == class::NUMBER | class::LETTERS;
        let wide = if mixed { seen | class::NUMBER | class::LETTERS | class::MIXED } else { seen };
        wide & class == class
    }

    pub(super) fn varies(&self, key: u64) -> bool {
        self.values.contains_key(&key)
    }

    pub(super) fn hole(&self, key: u64) -> (usize, usize) {
        self.holes.get(&key).copied().unwrap_or_default()
    }

    pub(super) fn format(&self, key: u64) -> Option<(usize, usize)> {
        self.formats.get(&key).copied()
    }

    /// Whether baselines lack such a part now and then: this very one, or any of several.
    pub(super) fn is_optional(&self, whole: u64, part: u64, words: u64) -> bool {
        self.optional.get(&(whole, part)).is_some_and(|seen| seen.is_none_or(|seen| seen == words))
    }

    pub(super) fn is_unordered(&self, list: u64) -> bool {
        self.unordered.contains(&list)
    }

    pub(super) fn has_status(&self, exchange: usize, status: Option<u16>) -> bool {
        self.statuses.contains(&(exchange, status))
    }
}
