//! Judges one answer against its counterpart, part by part. It does not know which exchanges belong together.

use std::borrow::Cow;
use std::time::Duration;

use super::super::journal::Journal;
use super::answer::{self, Answer};
use super::finding::DifferenceKind;
use super::judge::{Facts, Judge, Mode};
use super::names::sends_to_port;
use super::node::{Node, Place};
use super::token::plain;
use crate::exchange::{Body, Exchange, Frame, Headers, Outcome, is_safe};

/// Judges two answers; `skip` gets what could not be compared, and why.
pub(super) fn answers(judge: &mut Judge<'_>, reference: &Answer, attack: &Answer, skip: &mut impl FnMut(&str, String)) {
    if reference.status != attack.status {
        return status(judge, reference.status, attack.status);
    }
    let whole = reference.complete && attack.complete;
    if reference.complete != attack.complete {
        judge.place = Place::root("end of the answer");
        let print = |complete| Node::Text(if complete { "complete" } else { "cut-short" }.to_owned());
        let (was, is) = (print(reference.complete), print(attack.complete));
        let before = judge.found.len();
        judge.walk(&was, &is);
        judge.found[before..].iter_mut().for_each(|unequal| unequal.kind = DifferenceKind::CutShort);
    }
    let roots = reference.parts.iter().map(|(root, _)| root);
    let more = attack.parts.iter().map(|(root, _)| root);
    let more = more.filter(|root| !reference.parts.iter().any(|(other, _)| other == *root));
    for root in roots.chain(more) {
        let part = |answer: &'_ Answer| answer.parts.iter().position(|(other, _)| other == root);
        let r = part(reference).map(|at| &reference.parts[at].1);
        let a = part(attack).map(|at| &attack.parts[at].1);
        if root == "body" && !whole {
            skip(root, "its answer broke off".to_owned());
            continue;
        }
        let before = judge.found.len();
        if root == "body" && reference.is_of_the_process && attack.is_of_the_process {
            judge.place = Place::root("body");
            judge.mask(judge.kind(), "what a process tells a monitor of itself");
            continue;
        }
        judge.part(root, r, a);
        let passed = judge.found.len() == before;
        if passed && binaries(r) != binaries(a) {
            let reason = reference.unread.clone().or_else(|| attack.unread.clone());
            let why = reason.map(|r| format!(": {r}")).unwrap_or_default();
            skip(root, format!("its {root} is another in each run and cannot be looked into{why}"));
        }
        if passed && root == "frames" && count(r) != count(a) {
            skip(root, "the number of its frames varies".to_owned());
        }
    }
    own_port(judge, attack);
}

/// The number of the first request that wrote while another did.
pub(super) fn first_parallel_write(exchanges: &[Exchange]) -> Option<usize> {
    let mut busy_until = Duration::ZERO;
    exchanges.iter().filter(|exchange| !is_safe(&exchange.request.method)).find_map(|exchange| {
        let together = exchange.arrived < busy_until;
        busy_until = busy_until.max(exchange.ended);
        together.then_some(exchange.number)
    })
}

/// A client that went away saw as much as it happened to see. Of a body only the lines that both have seen are judged. Of
/// messages and events it is known when they came: one is missing where the client waited for it twice as long as
/// it took on the other side, and what came after that is neither judged nor missing.
pub(super) fn as_far_as_seen(one: &Exchange, two: &Exchange, reference: &mut Answer, attack: &mut Answer) {
    if !(reference.complete && attack.complete) {
        let lines = lines_of_body(reference).min(lines_of_body(attack));
        for answer in [&mut *reference, &mut *attack] {
            answer.complete = true;
            for (root, node) in &mut answer.parts {
                if let (true, Node::List(pieces) | Node::Lines(pieces)) = (root == "body", node) {
                    pieces.truncate(lines);
                }
            }
            answer.parts.retain(|(root, _)| root != "body" || lines > 0);
        }
    }
    let came = |exchange: &Exchange| exchange.frames.iter().filter(|frame| !frame.from_client).count();
    let due = |there: &Exchange, here: &Exchange| {
        let waited = if here.left { here.ended.saturating_sub(here.arrived) } else { Duration::MAX };
        let is_due = |frame: &&Frame| frame.at.saturating_sub(there.arrived).saturating_mul(2) <= waited;
        there.frames.iter().filter(|frame| !frame.from_client).take_while(is_due).count()
    };
    let seen = came(one).min(came(two)).max(due(one, two)).max(due(two, one));
    for answer in [reference, attack] {
        for (root, node) in &mut answer.parts {
            if let (true, Node::List(messages)) = (root == "frames", node) {
                messages.truncate(seen);
            }
        }
        answer.parts.retain(|(root, _)| root != "frames" || seen > 0);
    }
}

/// How many lines or items of its body were seen; none where it has no such parts.
fn lines_of_body(answer: &Answer) -> usize {
    let body = answer.parts.iter().find(|(root, _)| root == "body");
    match body.map(|(_, node)| node) {
        Some(Node::List(pieces) | Node::Lines(pieces)) => pieces.len(),
        _ => 0,
    }
}

/// What the instance that answered would name itself by.
pub(super) fn facts(journal: &Journal, exchange: &Exchange) -> Facts {
    let name = exchange.instance.as_deref().unwrap_or_default();
    let Some(record) = journal.instances.iter().find(|record| record.name == name) else {
        return Facts { instance: name.to_owned(), ..Facts::default() };
    };
    Facts {
        instance: record.name.clone(),
        port: record.port.to_string(),
        pids: record.pids.iter().map(ToString::to_string).collect(),
        host_name: record.host_name.clone(),
    }
}

/// Whether there is nothing to look at: the same bytes, and no address in them that could be an instance's own.
pub(super) fn plainly_equal(one: &Exchange, two: &Exchange, attack: &Facts) -> bool {
    let (
        Outcome::Answered { status: of_one, headers: one_headers, body: one_body, complete: one_complete },
        Outcome::Answered { status: of_two, headers: two_headers, body: two_body, complete: two_complete },
    ) = (&one.outcome, &two.outcome)
    else {
        return false;
    };
    let told = |headers: &'_ Headers| -> Vec<(String, Vec<u8>)> {
        headers.iter().filter(|(name, _)| name != "date" && name != "etag").cloned().collect()
    };
    let frames = |exchange: &Exchange| {
        exchange.frames.iter().map(|frame| (frame.from_client, frame.data.clone())).collect::<Vec<_>>()
    };
    of_one == of_two
        && one_complete == two_complete
        && one_body == two_body
        && told(one_headers) == told(two_headers)
        && frames(one) == frames(two)
        && !holds_port(two, &attack.port)
}

fn holds_port(exchange: &Exchange, port: &str) -> bool {
    let Outcome::Answered { headers, body, .. } = &exchange.outcome else { return false };
    let holds = |bytes: &[u8]| {
        !port.is_empty()
            && bytes.windows(port.len() + 1).any(|window| window[0] == b':' && &window[1..] == port.as_bytes())
    };
    headers.iter().any(|(_, value)| holds(value)) || matches!(body, Body::Kept(bytes) if holds(bytes))
}

/// An address with the port of the instance that answered is a finding also where the references have it too.
fn own_port(judge: &mut Judge<'_>, attack: &Answer) {
    if judge.is_learning() || judge.found.iter().any(|unequal| unequal.kind == DifferenceKind::OwnPort) {
        return;
    }
    let port = judge.attack.port.clone();
    for (root, node) in &attack.parts {
        let mut named = Vec::new();
        node.leaves(&mut Place::root(root.clone()), &mut |place, text| {
            if text.contains(&port) && sends_to_port(place.name(), &plain(text), &port) {
                named.push((place.clone(), text.to_owned()));
            }
        });
        for (place, text) in named.into_iter().take(1) {
            judge.place = place;
            judge.note(DifferenceKind::OwnPort, "an address that clients can use", &text);
        }
    }
}

fn status(judge: &mut Judge<'_>, reference: u16, attack: u16) {
    judge.place = Place::root("status");
    let exchange = judge.exchange;
    match &mut judge.mode {
        Mode::Learn(unstable) => unstable.add_status(exchange, attack),
        Mode::Judge(unstable) if unstable.has_status(exchange, attack) => {
            judge.mask(0, "a reference answered this status too");
        }
        Mode::Judge(_) => judge.note(DifferenceKind::Status, &print_status(reference), &print_status(attack)),
    }
}

fn print_status(status: u16) -> String {
    if status == answer::NO_ANSWER { "no answer".to_owned() } else { status.to_string() }
}

/// `304 Not Modified` means the answer that the client has: where the other run answered in full, it is put in its
/// place. (A process may make its own entity tags.)
pub(super) fn not_modified(journal: &Journal, exchange: &Exchange, answer: &mut Answer, other: &Answer) {
    if answer.status != 304 || other.status != 200 {
        return;
    }
    let before = journal.exchanges.iter().rev().filter(|earlier| earlier.number < exchange.number);
    let same = |earlier: &&Exchange| {
        earlier.request.method == exchange.request.method && earlier.request.target == exchange.request.target
    };
    let full = before.filter(same).filter_map(answer::read).find(|earlier| earlier.status == 200);
    if let Some(full) = full {
        *answer = full;
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

/// An exchange of which is known by its hash alone what is so of its counterpart: which of them was still kept when
/// much had been kept already is chance.
pub(super) fn kept_like<'e>(exchange: &'e Exchange, other: &Exchange) -> Cow<'e, Exchange> {
    let is_less = |one: &Body, two: &Body| matches!((one, two), (Body::Kept(_), Body::Hashed { .. }));
    let mut like = Cow::Borrowed(exchange);
    if let (Outcome::Answered { body: one, .. }, Outcome::Answered { body: two, .. }) =
        (&exchange.outcome, &other.outcome)
        && is_less(one, two)
        && let Outcome::Answered { body, .. } = &mut like.to_mut().outcome
    {
        *body = one.by_hash();
    }
    for (at, (one, two)) in exchange.frames.iter().zip(&other.frames).enumerate() {
        if is_less(&one.data, &two.data) {
            like.to_mut().frames[at].data = one.data.by_hash();
        }
    }
    like
}

fn count(node: Option<&Node>) -> usize {
    match node {
        Some(Node::List(items)) => items.iter().filter(|item| !item.is_heartbeat()).count(),
        _ => 0,
    }
}
