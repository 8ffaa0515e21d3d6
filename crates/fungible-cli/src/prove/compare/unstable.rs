//! Where the references disagree among themselves. Filled while they are held against each other, asked when an
//! attack is held against them.

use std::collections::{HashMap, HashSet};

use super::node::Node;

/// The places where values need not be equal.
#[derive(Debug, Default)]
pub(super) struct Unstable {
    /// By kind of place and atom: the classes of the values that were seen there.
    seen: HashMap<u64, u16>,
    /// Texts of other lengths: how many atoms they have in common at their beginnings and ends.
    holes: HashMap<u64, (usize, usize)>,
    /// Tokens that are another in each reference: their lengths.
    makes: HashMap<u64, (usize, usize)>,
    /// Parts that are there in one reference and not in another, by kind of the whole and shape of the part.
    optional: HashSet<(u64, u64)>,
    /// Lists whose items come in any order.
    unordered: HashSet<u64>,
    /// Other statuses of an exchange.
    statuses: HashSet<(usize, u16)>,
    /// Tokens of the first reference that are another in each: minted in the run.
    pub(super) minted: HashSet<String>,
    /// Tokens that no one-to-one map holds together.
    pub(super) fickle: HashSet<String>,
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
        Node::List(_) | Node::Map(_) | Node::Lines(_) | Node::Element { .. } => class::TREE,
        Node::Binary { .. } => class::BINARY,
    }
}

impl Unstable {
    pub(super) fn add(&mut self, key: u64, classes: u16) {
        *self.seen.entry(key).or_default() |= classes;
    }

    /// Whether the references had other values there too, and such ones.
    pub(super) fn covers(&self, key: u64, class: u16) -> bool {
        let Some(seen) = self.seen.get(&key).copied() else { return false };
        // What was letters here and digits there may be either, or both mixed.
        let mixed = seen & class::MIXED != 0 || seen & class::TEXT == class::NUMBER | class::LETTERS;
        let wide = if mixed { seen | class::NUMBER | class::LETTERS | class::MIXED } else { seen };
        wide & class == class
    }

    /// Notes that a text varies, but for so many atoms at its beginning and its end.
    pub(super) fn add_hole(&mut self, key: u64, head: usize, tail: usize) {
        let hole = self.holes.entry(key).or_insert((head, tail));
        *hole = (hole.0.min(head), hole.1.min(tail));
    }

    pub(super) fn hole(&self, key: u64) -> (usize, usize) {
        self.holes.get(&key).copied().unwrap_or_default()
    }

    /// Notes that tokens of such lengths stand there.
    pub(super) fn add_make(&mut self, key: u64, shortest: usize, longest: usize) {
        let make = self.makes.entry(key).or_insert((shortest, longest));
        *make = (make.0.min(shortest), make.1.max(longest));
    }

    pub(super) fn make(&self, key: u64) -> Option<(usize, usize)> {
        self.makes.get(&key).copied()
    }

    pub(super) fn varies(&self, key: u64) -> bool {
        self.seen.contains_key(&key)
    }

    pub(super) fn add_optional(&mut self, whole: u64, part: u64) {
        self.optional.insert((whole, part));
    }

    pub(super) fn is_optional(&self, whole: u64, part: u64) -> bool {
        self.optional.contains(&(whole, part))
    }

    pub(super) fn add_unordered(&mut self, list: u64) {
        self.unordered.insert(list);
    }

    pub(super) fn is_unordered(&self, list: u64) -> bool {
        self.unordered.contains(&list)
    }

    /// What decides which items of two lists are alike: as long as there is more of it, more may be learned.
    pub(super) fn count_of_kinds(&self) -> usize {
        self.unordered.len() + self.makes.len()
    }

    pub(super) fn add_status(&mut self, exchange: usize, status: u16) {
        self.statuses.insert((exchange, status));
    }

    pub(super) fn has_status(&self, exchange: usize, status: u16) -> bool {
        self.statuses.contains(&(exchange, status))
    }
}
