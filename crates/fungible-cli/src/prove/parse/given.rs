//! What a response gives to a client that it may come back with. It does not know whether the client does.

use super::lexer::{Kind, atoms, plain};
use super::place::Place;
use super::response;
use super::run::ParsedRun;
use super::tree::Node;
use super::vocabulary::{Meaning, is_id, place_means};
use crate::exchange::{Body, Outcome, is_safe};

/// Longer bodies are lists of what was given before.
const MOST_GIVEN: usize = 4096;

/// Longer values are no names of anything.
const LONGEST: usize = 2000;

/// The tokens that look random in a response, for whoever asks where they came from.
pub(crate) fn tokens(run: &ParsedRun, at: usize, visit: &mut impl FnMut(&str)) {
    let Some(response) = run.response(at) else { return };
    for (root, node) in &response.parts {
        node.leaves(&mut Place::root(root.clone()), &mut |_, text| {
            if text.len() >= 11 {
                let text = plain(text);
                atoms(&text).into_iter().filter(|atom| atom.kind == Kind::Opaque).for_each(|atom| visit(atom.text));
            }
        });
    }
}

/// The tokens of a page or a list that was only read, each with its place: the text that has one, and the token alone.
pub(crate) fn shown(run: &ParsedRun, at: usize) -> Vec<(String, String)> {
    let exchange = &run.exchanges()[at];
    let Outcome::Answered { body: Body::Kept(bytes), .. } = &exchange.outcome else { return Vec::new() };
    let mut shown = Vec::new();
    if !is_safe(&exchange.request.method) || bytes.len() > MOST_GIVEN {
        return shown;
    }
    let response = run.response(at);
    for (root, node) in response.iter().flat_map(|response| &response.parts).filter(|(root, _)| root == "body") {
        node.leaves(&mut Place::root(root.clone()), &mut |place, text| {
            if !(11..=LONGEST).contains(&text.len()) {
                return;
            }
            let text = plain(text);
            let atoms = atoms(&text).into_iter().enumerate();
            let tokens = atoms.filter(|(_, atom)| matches!(atom.kind, Kind::Opaque | Kind::Signed));
            let before = shown.len();
            shown.extend(tokens.map(|(at, atom)| (format!("{place} {at}"), atom.text.to_owned())));
            if shown.len() > before && !text.contains(char::is_whitespace) {
                shown.push((place.to_string(), text.into_owned()));
            }
        });
    }
    shown
}

/// Cookies, addresses, ids and tokens, each with its place.
pub(crate) fn given(run: &ParsedRun, at: usize) -> Vec<(String, String)> {
    let exchange = &run.exchanges()[at];
    let Outcome::Answered { headers, body, .. } = &exchange.outcome else { return Vec::new() };
    let is_short = matches!(body, Body::Kept(bytes) if bytes.len() <= MOST_GIVEN);
    let fields = if is_short { Vec::new() } else { response::fields(headers) };
    let response = if is_short { run.response(at) } else { None };
    let mut given = Vec::new();
    for (root, node) in response.iter().flat_map(|response| &response.parts).chain(&fields) {
        let is_body = root == "body" || root == "frames";
        if is_body && (is_safe(&exchange.request.method) || matches!(node, Node::Element { .. })) {
            continue;
        }
        node.leaves(&mut Place::root(root.clone()), &mut |place, text| {
            // A client carries what it was given as it is, whatever it is made of.
            if (4..=LONGEST).contains(&text.len()) && !text.contains(char::is_whitespace) {
                given.push((place.to_string(), text.to_owned()));
            }
            if is_id(place.name()) || place_means(Meaning::Address, place) || text.len() >= 11 {
                for (at, atom) in atoms(&plain(text)).into_iter().enumerate() {
                    if matches!(atom.kind, Kind::Opaque | Kind::Signed | Kind::Number) {
                        given.push((format!("{place} {at}"), atom.text.to_owned()));
                    }
                }
            }
        });
    }
    given
}
