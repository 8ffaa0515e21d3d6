//! Lists, also of words in one text: which item of the one is which of the other, in order or in any. It judges no item.

use std::collections::HashMap;

use super::judge::{Judge, LARGEST_SET, Mode, key};
use super::node::{Node, Step};
use super::parallel::parallel;
use super::sequence::longest;
use super::token::{Atom, Kind};

/// Lists with more possible pairs of items than this are compared in the order in which they stand.
const LARGEST_TABLE: usize = 60_000;

/// In place of an atom's place: the order of all.
const ORDER: usize = usize::MAX - 1;

impl Judge<'_> {
    pub(super) fn list(&mut self, reference: &[Node], attack: &[Node], step: impl Fn(usize, &Node) -> Step) {
        let kind = self.kind();
        if self.mode.unstable().is_unordered(kind) || self.is_reordered(reference, attack) {
            match &mut self.mode {
                Mode::Learn(unstable) => unstable.add_unordered(kind),
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

    /// Pairs of the words of a list that is written as a text (`soup vegan cold`), where references have it in
    /// another order.
    pub(super) fn words_in_any_order<'t>(
        &mut self,
        reference: &[Atom<'t>],
        attack: &[Atom<'t>],
    ) -> Option<Vec<(Atom<'t>, Atom<'t>)>> {
        let key = key(self.kind(), ORDER);
        let is_new = self.is_learning() && !self.mode.unstable().is_unordered(key);
        let shuffled = is_new && self.is_shuffled(reference, attack);
        if let (true, Mode::Learn(unstable)) = (shuffled, &mut self.mode) {
            unstable.add_unordered(key);
        }
        if !self.mode.unstable().is_unordered(key) {
            return None;
        }
        parallel(reference, attack)?;
        let mut free: Vec<Atom<'t>> = attack.iter().filter(|atom| atom.kind != Kind::Gap).copied().collect();
        let mut pairs = Vec::new();
        let mut left = Vec::new();
        for r in reference.iter().filter(|atom| atom.kind != Kind::Gap) {
            match free
                .iter()
                .position(|a| r.text == a.text)
                .or_else(|| free.iter().position(|a| self.atoms_alike(r, a)))
            {
                Some(at) => pairs.push((*r, free.remove(at))),
                None => left.push(*r),
            }
        }
        self.mask(key, "in any order");
        pairs.extend(left.into_iter().zip(free));
        Some(pairs)
    }

    /// Whether both are the same words in another order. Numbers that change their places are other numbers.
    pub(super) fn is_shuffled(&self, reference: &[Atom<'_>], attack: &[Atom<'_>]) -> bool {
        let Some(pairs) = parallel(reference, attack).filter(|pairs| pairs.len() <= LARGEST_SET) else { return false };
        let moved: Vec<_> = pairs.iter().filter(|(r, a)| r.text != a.text && !self.atoms_alike(r, a)).collect();
        let mut free: Vec<&Atom<'_>> = moved.iter().map(|(_, a)| a).collect();
        !moved.is_empty()
            && moved.iter().all(|(r, _)| {
                let at = free.iter().position(|a| r.kind == Kind::Word && r.text == a.text);
                at.map(|at| free.swap_remove(at)).is_some()
            })
    }
}
