//! Compares one response with its counterpart, part by part. It does not know which exchanges belong together.

use super::noise::Variation;
use super::notes::{Explanation, Note};
use super::state::Diff;
use super::walk;
use crate::prove::deviation::DeviationKind;
use crate::prove::parse::{Node, Place, Response, is_heartbeat, plain, sends_to_port};

/// Compares two responses and notes what could not be compared, and why.
pub(super) fn compare_responses(diff: &mut Diff<'_>, baseline: &Response, attack: &Response) {
    if baseline.status != attack.status {
        return status(diff, baseline.status, attack.status);
    }
    let whole = baseline.complete && attack.complete;
    if baseline.complete != attack.complete {
        completeness(diff, baseline.complete, attack.complete);
    }
    for root in roots(baseline, attack) {
        let (r, a) = (baseline.part(root), attack.part(root));
        if root == "body" && !whole {
            not_compared(diff, root, "its response broke off".to_owned());
            continue;
        }
        let checkpoint = diff.checkpoint();
        walk::part(diff, root, r, a);
        let passed = diff.is_clean_since(&checkpoint);
        diff.keep(checkpoint);
        if passed && binaries(r) != binaries(a) {
            let reason = baseline.unread.as_ref().or(attack.unread.as_ref());
            let why = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            let what = format!("its {root} is another in each run and cannot be looked into{why}");
            not_compared(diff, root, what);
        }
        if passed && root == "body" && r.map(std::mem::discriminant) != a.map(std::mem::discriminant) {
            not_compared(diff, root, "its body is in another form in each run".to_owned());
        }
        let (said, says) = (messages(r), messages(a));
        if passed && root == "frames" && said.len() != says.len() && !ends_alike(&said, &says) {
            not_compared(diff, root, "the number of its frames varies".to_owned());
        }
    }
    own_port(diff, attack);
}

/// The names of all parts, those of the baseline first.
fn roots<'r>(baseline: &'r Response, attack: &'r Response) -> Vec<&'r str> {
    let mut roots: Vec<&str> = baseline.parts.iter().map(|(root, _)| root.as_str()).collect();
    for (root, _) in &attack.parts {
        if !roots.contains(&root.as_str()) {
            roots.push(root);
        }
    }
    roots
}

fn not_compared(diff: &mut Diff<'_>, root: &str, reason: String) {
    diff.notes.push(Note::NotCompared { exchange: diff.at.exchange, root: root.to_owned(), reason });
}

fn status(diff: &mut Diff<'_>, baseline: Option<u16>, attack: Option<u16>) {
    diff.place = Place::root("status");
    let exchange = diff.at.exchange;
    let print = |status: Option<u16>| status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let explanation = diff.noise.has_status(exchange, attack).then_some(Explanation::Varies);
    let variation = Variation::Status { exchange, status: attack };
    diff.deviates(DeviationKind::Status, (&print(baseline), &print(attack)), variation, explanation);
}

fn completeness(diff: &mut Diff<'_>, baseline: bool, attack: bool) {
    diff.place = Place::root("end of the answer");
    let print = |complete| if complete { "complete" } else { "cut-short" };
    let key = super::state::key(diff.kind(), super::state::Part::Whole);
    diff.value_deviates(DeviationKind::CutShort, key, (print(baseline), print(attack)), None);
}

/// An address with the port of the instance that answered deviates also where the baselines have it too.
fn own_port(diff: &mut Diff<'_>, attack: &Response) {
    let port = diff.at.attack.port.clone();
    let is_noted = |note: &Note| {
        matches!(note, Note::Deviates(one) if one.deviation.kind == DeviationKind::OwnPort
            && one.deviation.exchange == Some(diff.at.exchange))
    };
    if diff.ports.is_empty() || diff.notes.iter().rev().any(is_noted) {
        return;
    }
    for (root, node) in &attack.parts {
        let mut named = None;
        node.leaves(&mut Place::root(root.clone()), &mut |place, text| {
            if named.is_none() && text.contains(&port) && sends_to_port(place.name(), &plain(text), &port) {
                named = Some((place.clone(), text.to_owned()));
            }
        });
        if let Some((place, text)) = named {
            diff.place = place;
            let pair = ("an address that clients can use", text.as_str());
            diff.deviates(DeviationKind::OwnPort, pair, Variation::Nothing, None);
        }
    }
}

/// What nobody can look into: a body, or messages among others.
fn binaries(node: Option<&Node>) -> Vec<&Node> {
    let is_binary = |node: &&Node| matches!(node, Node::Binary { .. });
    match node {
        Some(Node::List(items)) => items.iter().filter(is_binary).collect(),
        node => node.into_iter().filter(is_binary).collect(),
    }
}

fn messages(node: Option<&Node>) -> Vec<&Node> {
    match node {
        Some(Node::List(items)) => items.iter().filter(|item| !is_heartbeat(item)).collect(),
        _ => Vec::new(),
    }
}

/// Two streams of which one ended sooner, by when it was told to: each of its messages stands where the other has it, and both
/// end alike.
fn ends_alike(one: &[&Node], other: &[&Node]) -> bool {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    short.split_last().is_some_and(|(end, before)| long.last() == Some(end) && long.starts_with(before))
}
