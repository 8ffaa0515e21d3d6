//! Walks two trees side by side and notes where they are unequal. Texts are compared in `text`, the items of lists are
//! matched in `list`; this is the only place that goes down.

use std::borrow::Cow;

use super::list::{self, LARGEST_TABLE, Pairs};
use super::noise::{Variation, class_of};
use super::notes::{Explanation, Note};
use super::state::{Checkpoint, Diff, Part, key};
use super::{number, text, token_format};
use crate::prove::deviation::DeviationKind;
use crate::prove::parse::{
    Meaning, Node, Segment, around, is_heartbeat, labels, looks_random, metric_name, place_means, plain,
    says_that_cached, says_whether_cached, sends_to_port,
};

/// Lists within items that are only matched, with more parts than this, are compared in the order in which they stand.
const LARGEST_PROBED: usize = 32;

/// Compares one part of two responses, under a root such as `header location` or `body`.
pub(super) fn part(diff: &mut Diff<'_>, root: &str, baseline: Option<&Node>, attack: Option<&Node>) {
    diff.begin_part(root);
    match (baseline, attack) {
        (Some(baseline), Some(attack)) => walk(diff, baseline, attack),
        (Some(baseline), None) => one_sided(diff, None, Some(baseline), None),
        (None, Some(attack)) => one_sided(diff, None, None, Some(attack)),
        (None, None) => {}
    }
}

fn walk(diff: &mut Diff<'_>, baseline: &Node, attack: &Node) {
    if diff.has_failed() {
        return;
    }
    diff.visit();
    match (baseline, attack) {
        (Node::Text(r), Node::Text(a)) | (Node::Number(r), Node::Number(a)) => leaf(diff, r, a),
        (Node::Map(r), Node::Map(a)) => map(diff, r, a, Segment::Key),
        (Node::Metrics(r), Node::Metrics(a)) => map(diff, r, a, Segment::Metric),
        (Node::List(r), Node::List(a)) => items(diff, r, a, |at, _| Segment::Index(at)),
        (Node::Lines(r), Node::Lines(a)) => items(diff, r, a, |at, _| Segment::Line(at)),
        (
            Node::Element { name: r, attributes: of_r, children: in_r },
            Node::Element { name: a, attributes: of_a, children: in_a },
        ) if r == a => {
            map(diff, of_r, of_a, Segment::Attribute);
            items(diff, in_r, in_a, |at, node| node.segment(at));
        }
        (r, a) if r == a => {}
        (Node::Bool(r), Node::Bool(a)) if says_whether_cached(&diff.place, &r.to_string(), &a.to_string()) => {
            diff.passes(diff.kind(), Explanation::Cached);
        }
        (r, a) => unequal_whole(diff, r, a),
    }
}

/// Whether two nodes would pass as one in this segment of the place.
fn alike(diff: &mut Diff<'_>, segment: Segment, baseline: &Node, attack: &Node) -> bool {
    baseline == attack || diff.would_pass(|diff| diff.within(segment, |diff| walk(diff, baseline, attack)))
}

fn leaf(diff: &mut Diff<'_>, baseline: &str, attack: &str) {
    if baseline == attack {
        return number::identity(diff, baseline);
    }
    let (baseline, attack) = (plain(baseline), plain(attack));
    if baseline == attack {
        return;
    }
    let own_port = diff.ports.iter().find(|port| sends_to_port(diff.place.name(), &attack, port));
    if let Some(found) = own_port.map(|port| around(&attack, port)) {
        return diff.deviates(DeviationKind::OwnPort, (&baseline, &found), Variation::Nothing, None);
    }
    if let (Some(r), Some(a)) = (embedded(&baseline), embedded(&attack)) {
        return walk(diff, &r, &a);
    }
    if place_means(Meaning::ProcessFigure, &diff.place) {
        return diff.passes(diff.kind(), Explanation::Measured);
    }
    if says_whether_cached(&diff.place, &baseline, &attack) {
        return diff.passes(diff.kind(), Explanation::Cached);
    }
    if tells_nothing(diff, &baseline) {
        return diff.passes(diff.kind(), Explanation::Derived);
    }
    let baseline = without_host(diff, &baseline, &attack);
    if baseline == attack || diff.renaming.translate(&baseline).as_deref() == Some(&attack) {
        return;
    }
    let checkpoint = diff.checkpoint();
    for (r, a) in text::compare(diff, &baseline, &attack) {
        diff.within(Segment::Key("signed".to_owned()), |diff| match (embedded(&r), embedded(&a)) {
            (Some(r), Some(a)) => walk(diff, &r, &a),
            _ => leaf(diff, &r, &a),
        });
    }
    token_format::note(diff, &baseline, &attack);
    by_format(diff, checkpoint, &baseline, &attack);
}

/// Where two texts deviate since the checkpoint, compares them again as tokens of a format that baselines have there.
fn by_format(diff: &mut Diff<'_>, checkpoint: Checkpoint, baseline: &str, attack: &str) {
    if diff.is_clean_since(&checkpoint) {
        diff.keep(checkpoint);
        if diff.strictness.binds_equal_numbers() {
            number::bind_whole(diff, baseline, attack);
        }
        return;
    }
    if diff.is_probing() && token_format::known_anywhere(diff, baseline, attack) {
        return diff.rollback(&checkpoint);
    }
    let known = if diff.strictness.goes_by_format() { token_format::known_here(diff, baseline, attack) } else { None };
    match known.filter(|_| !diff.collides_since(&checkpoint)) {
        Some((there, run)) => {
            diff.rollback(&checkpoint);
            text::token(diff, key(there, Part::Whole), run.baseline, run.attack);
        }
        None => diff.keep(checkpoint),
    }
}

/// Whether what stands here follows from the rest of the response, or names only the exchange.
fn tells_nothing(diff: &Diff<'_>, baseline: &str) -> bool {
    let place = &diff.place;
    let carried = |text: &str| diff.dataflow.sent.contains(text) || diff.dataflow.said.contains(text);
    place_means(Meaning::EntityTag, place)
        || place_means(Meaning::Software, place)
        || place_means(Meaning::ExchangeId, place) && !carried(baseline)
}

/// The baseline's text with the attack's host name where each names its own.
fn without_host<'t>(diff: &mut Diff<'_>, baseline: &'t str, attack: &str) -> Cow<'t, str> {
    let (own, other) = (&diff.at.baseline.host_name, &diff.at.attack.host_name);
    if own.len() >= 3 && other.len() >= 3 && own != other && baseline.contains(own) && attack.contains(other) {
        let renamed = Cow::Owned(baseline.replace(own, other));
        let other = other.clone();
        diff.label(&other);
        return renamed;
    }
    Cow::Borrowed(baseline)
}

/// JSON within a text.
fn embedded(text: &str) -> Option<Node> {
    let text = text.trim();
    if !(text.starts_with('{') && text.ends_with('}') || text.starts_with('[') && text.ends_with(']')) {
        return None;
    }
    serde_json::from_str(text).ok()
}

type Entries<'n> = &'n [(String, Node)];

fn map(diff: &mut Diff<'_>, baseline: Entries<'_>, attack: Entries<'_>, segment: fn(String) -> Segment) {
    let find = |entries: Entries<'_>, key: &str| entries.binary_search_by(|(k, _)| k.as_str().cmp(key)).ok();
    let mut answered = vec![false; attack.len()];
    let mut left = Vec::new();
    for (key, value) in baseline {
        match find(attack, key) {
            Some(at) => {
                answered[at] = true;
                diff.within(segment(key.clone()), |diff| walk(diff, value, &attack[at].1));
            }
            None => left.push((key, value)),
        }
    }
    // Keys may be identifiers themselves.
    for (key, value) in left {
        let here = segment(key.clone());
        let open: Vec<usize> =
            (0..attack.len()).filter(|at| !answered[*at] && may_be_same_entry(diff, &here, &attack[*at].0)).collect();
        let same = open
            .iter()
            .copied()
            .find(|at| alike(diff, here.clone(), value, &attack[*at].1))
            .or_else(|| open.first().copied());
        match same.filter(|at| bind_entry(diff, &here, &attack[*at].0)) {
            Some(at) => {
                answered[at] = true;
                diff.within(here, |diff| walk(diff, value, &attack[at].1));
            }
            None => diff.within(here, |diff| one_sided(diff, None, Some(value), None)),
        }
    }
    for (at, (key, value)) in attack.iter().enumerate() {
        if !answered[at] {
            diff.within(segment(key.clone()), |diff| one_sided(diff, None, None, Some(value)));
        }
    }
}

/// Whether an entry of the attack may be this one of the baseline under another name.
fn may_be_same_entry(diff: &mut Diff<'_>, baseline: &Segment, attack: &str) -> bool {
    match baseline {
        Segment::Metric(series) => may_be_same_series(diff, series, attack),
        Segment::Key(key) | Segment::Attribute(key) => may_be_same_key(diff, key, attack),
        Segment::Root(_) | Segment::Index(_) | Segment::Line(_) | Segment::Element(..) => false,
    }
}

/// Takes the two for one entry, if nothing contradicts that.
fn bind_entry(diff: &mut Diff<'_>, baseline: &Segment, attack: &str) -> bool {
    match baseline {
        Segment::Metric(series) => {
            compare_labels(diff, series, attack);
            true
        }
        Segment::Key(key) | Segment::Attribute(key) => bind_key(diff, key, attack),
        Segment::Root(_) | Segment::Index(_) | Segment::Line(_) | Segment::Element(..) => false,
    }
}

/// Whether two series are of one metric, and their labels differ only in what names an instance or was minted in the run.
fn may_be_same_series(diff: &mut Diff<'_>, baseline: &str, attack: &str) -> bool {
    metric_name(baseline) == metric_name(attack)
        && !diff.is_deep()
        && diff.would_pass(|diff| {
            diff.visit();
            compare_labels(diff, baseline, attack);
        })
}

fn compare_labels(diff: &mut Diff<'_>, baseline: &str, attack: &str) {
    let series = Segment::Metric(baseline.to_owned());
    diff.within(series, |diff| diff.within(labels(), |diff| leaf(diff, baseline, attack)));
}

fn may_be_same_key(diff: &Diff<'_>, baseline: &str, attack: &str) -> bool {
    diff.renaming.knows(baseline, attack)
        || diff.renaming.translate(baseline).as_deref() == Some(attack)
        || (diff.renaming.name(baseline).is_none()
            && (looks_random(baseline) && looks_random(attack)
                || is_number(baseline) && is_number(attack) && diff.dataflow.numbers.contains(baseline)))
}

fn bind_key(diff: &mut Diff<'_>, baseline: &str, attack: &str) -> bool {
    if is_number(baseline) && is_number(attack) {
        let kind = diff.kind();
        return diff.renaming.bind_number(kind, baseline, attack).is_ok();
    }
    !looks_random(baseline) || diff.renaming.bind(baseline, attack).is_ok()
}

fn is_number(key: &str) -> bool {
    key.bytes().all(|byte| byte.is_ascii_digit())
}

fn items(diff: &mut Diff<'_>, baseline: &[Node], attack: &[Node], segment: impl Fn(usize, &Node) -> Segment) {
    let kind = diff.kind();
    let anywhere = |at: usize, part: &Node| segment(at, part).anywhere();
    let known = diff.noise.is_unordered(kind);
    let reordered = if known { None } else { reordered(diff, baseline, attack, &anywhere) };
    if known || reordered.is_some() {
        let why =
            if known || !diff.at.after_parallel_writes { Explanation::AnyOrder } else { Explanation::InFlightTogether };
        diff.passes(kind, why);
        diff.notes.push(Note::AnyOrder { key: kind });
        let pairs = reordered.unwrap_or_else(|| match_items(diff, (baseline, attack), &anywhere, list::in_any_order));
        return compare_items(diff, (baseline, attack), &pairs, anywhere);
    }
    if baseline.len() == attack.len() {
        let pairs: Pairs = (0..baseline.len()).map(|at| (Some(at), Some(at))).collect();
        return compare_items(diff, (baseline, attack), &pairs, segment);
    }
    if diff.is_probing() {
        // What lacks a part is not the same: where it belongs is found out when it is compared in earnest.
        return diff.deviates(diff.deviation_kind(), ("", ""), Variation::Nothing, None);
    }
    let pairs = match_items(diff, (baseline, attack), &segment, list::in_order);
    compare_items(diff, (baseline, attack), &pairs, segment);
}

/// How the items of two lists are matched, by their places.
type Match = fn(&[Node], &[Node], list::Alike<'_>) -> Pairs;

fn match_items(
    diff: &mut Diff<'_>,
    (baseline, attack): (&[Node], &[Node]),
    segment: &impl Fn(usize, &Node) -> Segment,
    how: Match,
) -> Pairs {
    how(baseline, attack, &mut |r, a| alike(diff, segment(r, &baseline[r]), &baseline[r], &attack[a]))
}

fn compare_items(
    diff: &mut Diff<'_>,
    (baseline, attack): (&[Node], &[Node]),
    pairs: &Pairs,
    segment: impl Fn(usize, &Node) -> Segment,
) {
    let whole = diff.kind();
    for pair in pairs {
        match *pair {
            (Some(r), Some(a)) => {
                diff.within(segment(r, &baseline[r]), |diff| walk(diff, &baseline[r], &attack[a]));
            }
            (Some(r), None) => {
                let part = &baseline[r];
                diff.within(segment(r, part), |diff| one_sided(diff, Some(whole), Some(part), None));
            }
            (None, Some(a)) => {
                let part = &attack[a];
                diff.within(segment(a, part), |diff| one_sided(diff, Some(whole), None, Some(part)));
            }
            (None, None) => {}
        }
    }
}

/// The pairs of two lists that hold the same items in another order. That says something of the app only where baselines
/// always have one order, and where nothing was written by requests that may come in either order.
fn reordered(
    diff: &mut Diff<'_>,
    baseline: &[Node],
    attack: &[Node],
    segment: &impl Fn(usize, &Node) -> Segment,
) -> Option<Pairs> {
    let largest = if diff.is_probing() { LARGEST_PROBED * LARGEST_PROBED } else { LARGEST_TABLE };
    let may_be = !diff.is_deep()
        && (diff.strictness.allows_any_order() || diff.at.after_parallel_writes)
        && baseline.len() == attack.len()
        && baseline.len() * attack.len() <= largest;
    // A single item that differs has changed places with none; most lists are settled by this, without a look inside.
    let unequal = baseline.iter().zip(attack).filter(|(r, a)| r != a).count();
    if !may_be || unequal < 2 {
        return None;
    }
    let mut alike = |r: usize, a: usize| alike(diff, segment(r, &baseline[r]), &baseline[r], &attack[a]);
    if (0..baseline.len()).all(|at| alike(at, at)) {
        return None;
    }
    let mut matched = 0;
    let pairs = list::in_any_order(baseline, attack, &mut |r, a| {
        let alike = alike(r, a);
        matched += usize::from(alike);
        alike
    });
    let same = pairs.iter().filter(|pair| matches!(pair, (Some(r), Some(a)) if baseline[*r] == attack[*a])).count();
    (same + matched == baseline.len()).then_some(pairs)
}

/// Something that only one side has; `whole`: the list that it is a part of.
fn one_sided(diff: &mut Diff<'_>, whole: Option<u64>, baseline: Option<&Node>, attack: Option<&Node>) {
    let Some(only) = baseline.or(attack) else { return };
    // A part of a list is known by its shape, a key or a header by its name.
    let (whole, part, words) = whole.map_or_else(|| (diff.kind(), 0, 0), |whole| (whole, only.shape(), only.wording()));
    if diff.place.is_frame() && is_heartbeat(only) && !diff.dataflow.said.contains(&only.print()) {
        return diff.passes(whole ^ part, Explanation::KeepsOpen);
    }
    if says_that_cached(&diff.place, &only.print()) {
        return diff.passes(whole ^ part, Explanation::Cached);
    }
    let print = |node: Option<&Node>| node.map_or_else(|| "(absent)".to_owned(), Node::print);
    let explanation = diff.noise.is_optional(whole, part, words).then_some(Explanation::NotAlways);
    let (one, other) = (print(baseline), print(attack));
    diff.deviates(diff.deviation_kind(), (&one, &other), Variation::Part { whole, part, words }, explanation);
}

/// Two nodes of different kinds, or two that cannot be looked into.
fn unequal_whole(diff: &mut Diff<'_>, baseline: &Node, attack: &Node) {
    let key = key(diff.kind(), Part::Whole);
    let classes = class_of(baseline) | class_of(attack);
    let explanation = diff.noise.covers(key, class_of(attack)).then_some(Explanation::Varies);
    let variation = Variation::Values { key, classes, fickle: Vec::new() };
    diff.deviates(diff.deviation_kind(), (&baseline.print(), &attack.print()), variation, explanation);
}
