//! What two requests tell about names: what the driver made up, and what it carries. It does not know responses.

use std::collections::HashSet;

use super::renaming::Renaming;
use crate::prove::parse::{Kind, RequestValue, atoms, plain, same_structure, sealed};

/// Binds the tokens that two requests carried. Only when their turn comes: an earlier answer says what they are.
pub(super) fn bind_tokens(renaming: &mut Renaming, baseline: &[RequestValue], attack: &[RequestValue]) {
    for value in baseline {
        let Some(there) = attack.iter().find(|there| there.place == value.place && there.text != value.text) else {
            continue;
        };
        let (r, a) = (plain(&value.text), plain(&there.text));
        let sealed = if value.place.starts_with("cookie ") { sealed(&r, &a) } else { None };
        if let Some(pieces) = sealed {
            for ((one, two), _) in pieces.into_iter().filter(|(_, is_token)| *is_token) {
                // As below.
                _ = renaming.bind(one, two);
            }
            continue;
        }
        let (in_r, in_a) = (atoms(&r), atoms(&a));
        for (one, two) in same_structure(&in_r, &in_a).unwrap_or_default() {
            if one.kind == Kind::Opaque && two.kind == Kind::Opaque {
                // A client that sends something else was given something else: the answers show it.
                _ = renaming.bind(one.text, two.text);
            }
        }
    }
}

/// Notes the words and numbers that two requests carried in one place.
pub(super) fn pair_words(renaming: &mut Renaming, baseline: &RequestValue, attack: &RequestValue) {
    let (r, a) = (plain(&baseline.text), plain(&attack.text));
    let (in_r, in_a) = (atoms(&r), atoms(&a));
    let pairs = same_structure(&in_r, &in_a);
    let words = in_r.iter().filter(|atom| atom.kind != Kind::Separator).count();
    if pairs.is_none() || words > 1 && !baseline.names_a_thing {
        renaming.phrase(r.trim(), a.trim());
    }
    for (one, two) in pairs.into_iter().flatten().filter(|(one, two)| one.text != two.text) {
        match (one.kind, two.kind) {
            (Kind::Opaque, Kind::Opaque) => {}
            // A short number in a body is an amount, not a name.
            (Kind::Number, _) | (_, Kind::Number) if !baseline.names_a_thing && one.text.len() < 4 => {}
            _ => renaming.request_pair(one.text, two.text),
        }
    }
}

/// Numbers of things that both requests carry alike: the answers must mean the same things.
pub(super) fn same_numbers(baseline: &[RequestValue], attack: &[RequestValue]) -> HashSet<String> {
    let is_number = |value: &&RequestValue| value.names_a_thing && value.text.bytes().all(|byte| byte.is_ascii_digit());
    let alike =
        |value: &&RequestValue| attack.iter().any(|there| there.place == value.place && there.text == value.text);
    baseline.iter().filter(is_number).filter(alike).map(|value| value.text.clone()).collect()
}
