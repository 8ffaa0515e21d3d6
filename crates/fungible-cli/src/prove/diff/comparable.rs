//! Two responses made comparable: what only one client saw, kept or had before is left out of both, or put in.

use std::sync::Arc;
use std::time::Duration;

use memchr::memmem;

use super::notes::Explanation;
use crate::exchange::{Body, Exchange, Frame, Headers, Outcome};
use crate::prove::align::Pairing;
use crate::prove::parse::{Meaning, Node, ParsedRun, Response, Scope, means};

/// Fewer bytes stand in a longer body by chance.
const SHORTEST_ECHO: usize = 16;

/// An exchange of a run: its place there, from 0.
#[derive(Clone, Copy)]
pub(super) struct Of<'r> {
    pub(super) run: &'r ParsedRun,
    pub(super) at: usize,
}

impl<'r> Of<'r> {
    pub(super) fn exchange(self) -> &'r Exchange {
        &self.run.exchanges()[self.at]
    }

    /// Its response, as far as that of its counterpart can be read: which of two equal bodies was still kept when much had
    /// been kept already is chance.
    fn response(self, other: Of<'_>) -> Option<Arc<Response>> {
        match kept_like(self.exchange(), other.exchange()) {
            None => self.run.response(self.at),
            Some(like) => Response::of(&like).map(Arc::new),
        }
    }
}

/// Both responses as they are to be compared.
pub(super) struct Comparable {
    pub(super) baseline: Arc<Response>,
    pub(super) attack: Arc<Response>,
    /// The parts that were left out or put in, and why.
    pub(super) passed: Vec<(&'static str, Explanation)>,
}

/// Makes two responses comparable; `None` where one of them is no answer of the app.
pub(super) fn comparable(one: Of<'_>, two: Of<'_>, pairing: &Pairing) -> Option<Comparable> {
    let (mut baseline, mut attack) = (one.response(two)?, two.response(one)?);
    let mut passed = Vec::new();
    if one.exchange().left || two.exchange().left {
        let before = [baseline.clone(), attack.clone()];
        as_far_as_seen(one.exchange(), two.exchange(), Arc::make_mut(&mut baseline), Arc::make_mut(&mut attack));
        for root in ["body", "frames"] {
            let is_cut = |(before, after): (&Arc<Response>, &Arc<Response>)| before.part(root) != after.part(root);
            if before.iter().zip([&baseline, &attack]).any(is_cut) {
                passed.push((root, Explanation::NotSeen));
            }
        }
    }
    if let Some(full) = not_modified(one, &baseline, &attack) {
        baseline = full;
        passed.push(("status", Explanation::NotModified));
    }
    if let Some(full) = not_modified(two, &attack, &baseline) {
        attack = full;
        passed.push(("status", Explanation::NotModified));
    }
    if baseline.has_binary_body() && attack.has_binary_body() && is_echo(one, two, pairing) {
        Arc::make_mut(&mut baseline).parts.retain(|(root, _)| root != "body");
        Arc::make_mut(&mut attack).parts.retain(|(root, _)| root != "body");
        passed.push(("body", Explanation::Sent));
    }
    Some(Comparable { baseline, attack, passed })
}

/// A client that went away saw as much as it happened to see. Of a body only the lines that both have seen are compared. Of
/// messages and events it is known when they came: one is missing where the client waited for it twice as long as
/// it took on the other side, and what came after that is neither compared nor missing.
fn as_far_as_seen(one: &Exchange, two: &Exchange, baseline: &mut Response, attack: &mut Response) {
    if !(baseline.complete && attack.complete) {
        let lines = lines_of_body(baseline).min(lines_of_body(attack));
        for response in [&mut *baseline, &mut *attack] {
            response.complete = true;
            for (root, node) in &mut response.parts {
                if let (true, Node::List(pieces) | Node::Lines(pieces)) = (root == "body", node) {
                    pieces.truncate(lines);
                }
            }
            response.parts.retain(|(root, _)| root != "body" || lines > 0);
        }
    }
    let came = |exchange: &Exchange| exchange.frames.iter().filter(|frame| !frame.from_client).count();
    let due = |there: &Exchange, here: &Exchange| {
        let waited = if here.left { here.ended.saturating_sub(here.arrived) } else { Duration::MAX };
        let is_due = |frame: &&Frame| frame.at.saturating_sub(there.arrived).saturating_mul(2) <= waited;
        there.frames.iter().filter(|frame| !frame.from_client).take_while(is_due).count()
    };
    let seen = came(one).min(came(two)).max(due(one, two)).max(due(two, one));
    for response in [baseline, attack] {
        for (root, node) in &mut response.parts {
            if let (true, Node::List(messages)) = (root == "frames", node) {
                messages.truncate(seen);
            }
        }
        response.parts.retain(|(root, _)| root != "frames" || seen > 0);
    }
}

/// How many lines or items of its body were seen; none where it has no such parts.
fn lines_of_body(response: &Response) -> usize {
    match response.part("body") {
        Some(Node::List(pieces) | Node::Lines(pieces)) => pieces.len(),
        _ => 0,
    }
}

/// `304 Not Modified` means the response that the client has: where the other run answered in full, it stands for it. (A
/// process may make its own entity tags.)
fn not_modified(of: Of<'_>, response: &Response, other: &Response) -> Option<Arc<Response>> {
    if response.status != Some(304) || other.status != Some(200) {
        return None;
    }
    let request = &of.exchange().request;
    let same = |at: &usize| {
        let earlier = &of.run.exchanges()[*at].request;
        earlier.method == request.method && earlier.target == request.target
    };
    (0..of.at).rev().filter(same).filter_map(|at| of.run.response(at)).find(|earlier| earlier.status == Some(200))
}

/// An exchange of which is known by its hash alone what is so of its counterpart; `None` where nothing is.
fn kept_like(exchange: &Exchange, other: &Exchange) -> Option<Exchange> {
    let is_less = |one: &Body, two: &Body| matches!((one, two), (Body::Kept(_), Body::Hashed { .. }));
    let mut like: Option<Exchange> = None;
    if let (Outcome::Answered { body: one, .. }, Outcome::Answered { body: two, .. }) =
        (&exchange.outcome, &other.outcome)
        && is_less(one, two)
        && let Outcome::Answered { body, .. } = &mut like.get_or_insert_with(|| exchange.clone()).outcome
    {
        *body = one.by_hash();
    }
    for (at, (one, two)) in exchange.frames.iter().zip(&other.frames).enumerate() {
        if is_less(&one.data, &two.data) {
            like.get_or_insert_with(|| exchange.clone()).frames[at].data = one.data.by_hash();
        }
    }
    like
}

/// Whether both responses hold what counterparts of requests sent before: then they are the same thing, whatever bytes.
fn is_echo(one: Of<'_>, two: Of<'_>, pairing: &Pairing) -> bool {
    let (Some(here), Some(there)) = (answered(one.exchange()), answered(two.exchange())) else { return false };
    let sent = |run: &'_ ParsedRun, at: usize| run.exchanges()[at].request.body.clone();
    pairing
        .pairs
        .iter()
        .filter(|(r, a)| *r <= one.at && *a <= two.at)
        .any(|(r, a)| holds(&sent(one.run, *r), here) && holds(&sent(two.run, *a), there))
}

fn answered(exchange: &Exchange) -> Option<&Body> {
    match &exchange.outcome {
        Outcome::Answered { body, .. } => Some(body),
        Outcome::Ours { .. } | Outcome::Failed { .. } | Outcome::Abandoned => None,
    }
}

/// Whether the one is the other, or has it among its parts, as a form with a file has.
fn holds(whole: &Body, part: &Body) -> bool {
    match (whole, part) {
        (Body::Kept(whole), Body::Kept(part)) => {
            part.len() >= SHORTEST_ECHO && whole.len() >= part.len() && memmem::find(whole, part).is_some()
        }
        (whole, part) => whole == part,
    }
}

/// Whether there is nothing to look at: the same bytes, and no address in them that could be an instance's own.
pub(crate) fn plainly_equal(one: &Exchange, two: &Exchange, port: &str) -> bool {
    let (
        Outcome::Answered { status: of_one, headers: one_headers, body: one_body, complete: one_complete },
        Outcome::Answered { status: of_two, headers: two_headers, body: two_body, complete: two_complete },
    ) = (&one.outcome, &two.outcome)
    else {
        return false;
    };
    of_one == of_two
        && one_complete == two_complete
        && one_body == two_body
        && compared(one_headers).eq(compared(two_headers))
        && messages(one).eq(messages(two))
        && !holds_port(two, port)
}

/// The fields that are compared at all.
fn compared(headers: &Headers) -> impl Iterator<Item = &(String, Vec<u8>)> {
    headers.iter().filter(|(name, _)| !means(Meaning::Transport, Scope::ResponseHeader, name))
}

/// What went through it, each with its direction.
fn messages(exchange: &Exchange) -> impl Iterator<Item = (bool, &Body)> {
    exchange.frames.iter().map(|frame| (frame.from_client, &frame.data))
}

fn holds_port(exchange: &Exchange, port: &str) -> bool {
    let Outcome::Answered { headers, body, .. } = &exchange.outcome else { return false };
    let holds = |bytes: &[u8]| {
        !port.is_empty()
            && bytes.windows(port.len() + 1).any(|window| window[0] == b':' && &window[1..] == port.as_bytes())
    };
    headers.iter().any(|(_, value)| holds(value)) || matches!(body, Body::Kept(bytes) if holds(bytes))
}
