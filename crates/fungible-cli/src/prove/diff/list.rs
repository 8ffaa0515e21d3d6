//! Lists: which item of the one is which of the other, in order or in any. Whether two items are alike is for the caller to
//! say.

use std::collections::HashMap;

use super::lcs::longest_common;
use crate::prove::parse::Node;

/// Lists with more possible pairs of items than this are compared in the order in which they stand.
pub(super) const LARGEST_TABLE: usize = 60_000;

/// Places in the two lists that belong together; `None`: it has no counterpart.
pub(super) type Pairs = Vec<(Option<usize>, Option<usize>)>;

/// Whether two items, by their places, are alike.
pub(super) type Alike<'f> = &'f mut dyn FnMut(usize, usize) -> bool;

/// Each item with the first that is alike, then what is left in order.
pub(super) fn in_any_order(baseline: &[Node], attack: &[Node], alike: Alike<'_>) -> Pairs {
    // Most are the very same, and need not be looked for among all others.
    let mut same: HashMap<&Node, Vec<usize>> = HashMap::new();
    for (a, item) in attack.iter().enumerate().rev() {
        same.entry(item).or_default().push(a);
    }
    let mut pairs = Vec::new();
    let mut others = Vec::new();
    for (r, item) in baseline.iter().enumerate() {
        match same.get_mut(item).and_then(Vec::pop) {
            Some(a) => pairs.push((Some(r), Some(a))),
            None => others.push(r),
        }
    }
    let mut free: Vec<usize> = same.into_values().flatten().collect();
    free.sort_unstable();
    let mut left = Vec::new();
    for r in others {
        match free.iter().position(|a| alike(r, *a)) {
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
pub(super) fn in_order(baseline: &[Node], attack: &[Node], alike: Alike<'_>) -> Pairs {
    let mut pairs = Vec::new();
    let (mut r, mut a) = (0, 0);
    for (next_r, next_a) in anchors(baseline, attack, alike) {
        while r < next_r && a < next_a && next_r - r == next_a - a {
            pairs.push((Some(r), Some(a)));
            (r, a) = (r + 1, a + 1);
        }
        pair_by_shape(&mut pairs, (&baseline[..next_r], r), (&attack[..next_a], a));
        if next_r < baseline.len() {
            pairs.push((Some(next_r), Some(next_a)));
        }
        (r, a) = (next_r + 1, next_a + 1);
    }
    pairs
}

/// The items that are alike in both, in order; at last the ends of both lists.
fn anchors(baseline: &[Node], attack: &[Node], alike: Alike<'_>) -> Vec<(usize, usize)> {
    let shorter = baseline.len().min(attack.len());
    let head = (0..shorter).take_while(|at| alike(*at, *at)).count();
    let ends = (1..=shorter - head).take_while(|end| alike(baseline.len() - end, attack.len() - end));
    let tail = ends.count();
    let (rows, columns) = (baseline.len() - head - tail, attack.len() - head - tail);
    let mut anchors: Vec<(usize, usize)> = (0..head).map(|at| (at, at)).collect();
    if rows * columns <= LARGEST_TABLE {
        let common = longest_common(rows, columns, |r, a| alike(r + head, a + head));
        anchors.extend(common.into_iter().map(|(r, a)| (r + head, a + head)));
    }
    anchors.extend((0..tail).map(|at| (head + rows + at, head + columns + at)));
    anchors.push((baseline.len(), attack.len()));
    anchors
}

/// Parts that say something else may still be the same parts: those of one shape. Both lists from these places on.
fn pair_by_shape(pairs: &mut Pairs, (baseline, from_r): (&[Node], usize), (attack, from_a): (&[Node], usize)) {
    let shapes = |nodes: &[Node]| nodes.iter().map(Node::shape).collect::<Vec<_>>();
    let (in_r, in_a) =
        (shapes(baseline.get(from_r..).unwrap_or_default()), shapes(attack.get(from_a..).unwrap_or_default()));
    let mut common = Vec::new();
    if in_r.len() * in_a.len() <= LARGEST_TABLE {
        common = longest_common(in_r.len(), in_a.len(), |one, two| in_r[one] == in_a[two]);
    }
    common.push((in_r.len(), in_a.len()));
    let (mut r, mut a) = (from_r, from_a);
    for (of_r, of_a) in common {
        pairs.extend((r..from_r + of_r).map(|r| (Some(r), None)));
        pairs.extend((a..from_a + of_a).map(|a| (None, Some(a))));
        if of_r < in_r.len() {
            pairs.push((Some(from_r + of_r), Some(from_a + of_a)));
        }
        (r, a) = (from_r + of_r + 1, from_a + of_a + 1);
    }
}
