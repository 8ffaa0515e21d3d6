//! Numbers and times: which stand for things, which measure, which say when. What looks random is not its business.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::noise::{Variation, class, class_of_text};
use super::notes::Explanation;
use super::renaming::Conflict;
use super::state::{Diff, Part, key};
use crate::prove::deviation::DeviationKind;
use crate::prove::parse::{
    Atom, Kind, Meaning, Measured, Moment, Scope, atoms, is_id, means, measured, place_means, plain, ties_elements,
};

/// Longer equal texts name no thing.
const LONGEST_NAME: usize = 2000;

/// Compares two unequal numbers (or a number and a time), which are this part of their texts.
pub(super) fn compare(diff: &mut Diff<'_>, part: Part, baseline: &str, attack: &str) {
    let atom = key(diff.kind(), part);
    let kind = diff.deviation_kind();
    let known = diff.renaming.knows(baseline, attack);
    // Of ORD-7f3a-0002 and /orders/2 the whole is one thing's own, not the number.
    let texts = diff.texts.clone();
    let (part, one, two) = texts
        .as_ref()
        .map_or((part, baseline, attack), |(baseline, attack)| (Part::Name, baseline.trim(), attack.trim()));
    if ties_elements(&diff.place) && !diff.dataflow.numbers.contains(baseline) {
        // Names of elements hold within one page.
        let page = key(diff.at.exchange as u64, Part::Whole);
        if diff.renaming.bind_number(page, one, two).is_err() {
            diff.value_deviates(kind, atom, (baseline, attack), None);
        }
        return;
    }
    if names_a_thing(diff) && (known || !diff.at.asked_for.contains(baseline) && may_be_renamed(diff, baseline)) {
        match diff.renaming.bind_number(numbered_in(diff, part), one, two) {
            Ok(()) => diff.renaming.request_pair(baseline, attack),
            Err(Conflict::Taken) => diff.value_deviates(DeviationKind::Collision, atom, (baseline, attack), None),
            Err(Conflict::Moved) if known => {}
            Err(Conflict::Moved) => diff.value_deviates(kind, atom, (baseline, attack), None),
        }
        return;
    }
    if known {
        return;
    }
    let explanation = if is_measured(diff, baseline, attack) {
        Some(Explanation::Measured)
    } else {
        diff.noise.covers(atom, class::NUMBER).then_some(Explanation::Varies)
    };
    match explanation {
        Some(_) => {
            let classes = class_of_text(baseline) | class_of_text(attack);
            let variation = Variation::Values { key: atom, classes, fickle: Vec::new() };
            diff.deviates(kind, (baseline, attack), variation, explanation);
        }
        None => diff.value_deviates(kind, atom, (baseline, attack), None),
    }
}

/// Equal numbers that name things are bound too: another thing must not get the same one.
pub(super) fn identity(diff: &mut Diff<'_>, text: &str) {
    let may_name = text.len() <= LONGEST_NAME && text.bytes().any(|byte| byte.is_ascii_digit());
    if !diff.strictness.binds_equal_numbers() || !may_name {
        return;
    }
    // Most that is equal names nothing: it need not be cut.
    diff.texts = Some(Default::default());
    if !names_a_thing(diff) {
        return;
    }
    let text = plain(text);
    let is_one = atoms(&text).iter().filter(|atom| atom.kind != Kind::Separator).count() == 1;
    diff.texts = (!is_one).then(|| (text.clone().into_owned(), text.clone().into_owned()));
    bind_whole(diff, &text, &text);
}

/// What names a thing may name no other one.
pub(super) fn bind_whole(diff: &mut Diff<'_>, baseline: &str, attack: &str) {
    if !names_a_thing(diff) {
        return;
    }
    let renamed = |atom: &Atom<'_>| atom.kind == Kind::Number && may_be_renamed(diff, atom.text);
    if !atoms(baseline).iter().any(renamed) {
        return;
    }
    let part = if diff.texts.is_some() { Part::Name } else { Part::Atom(0) };
    let bound = diff.renaming.bind_number(numbered_in(diff, part), baseline.trim(), attack.trim());
    if bound == Err(Conflict::Taken) {
        diff.deviates(DeviationKind::Collision, (baseline, attack), Variation::Nothing, None);
    }
}

/// Where a number there must be one thing's own: among those of its kind of place, or of its name.
fn numbered_in(diff: &Diff<'_>, part: Part) -> u64 {
    let name = diff.place.name().to_ascii_lowercase();
    if diff.dataflow.sequences.contains(&name) {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        return hasher.finish();
    }
    key(diff.kind(), part)
}

/// A number that a later request carries, or that a response to a write gives to what it made.
fn may_be_renamed(diff: &Diff<'_>, baseline: &str) -> bool {
    if diff.dataflow.numbers.contains(baseline) {
        return true;
    }
    let name = diff.place.name().to_ascii_lowercase();
    let stem = name.trim_end_matches("id").trim_end_matches(['_', '-']);
    let is_bare = means(Meaning::BareId, Scope::Anywhere, &name);
    !diff.at.safe && is_id(diff.place.name()) && (is_bare || diff.at.path.to_ascii_lowercase().contains(stem))
}

/// Whether a number here stands for a thing: an id, or a part of an address. What is no more than a number under a
/// name of addresses (`value`, `next`) is one where the traffic took such a number from there.
fn names_a_thing(diff: &Diff<'_>) -> bool {
    let name = diff.place.name().to_ascii_lowercase();
    is_id(diff.place.name())
        || diff.dataflow.carriers.contains(&name)
        || place_means(Meaning::Address, &diff.place)
            && (diff.texts.is_some() || diff.dataflow.minted_under.contains(&name))
}

/// Whether two numbers differ no more than their name promises.
fn is_measured(diff: &Diff<'_>, baseline: &str, attack: &str) -> bool {
    let Some(measured) = measured(&diff.place) else { return false };
    let (Ok(r), Ok(a)) = (baseline.parse::<f64>(), attack.parse::<f64>()) else { return false };
    let apart = (r - a).abs();
    let said = diff.dataflow.said.contains(baseline);
    match measured {
        Measured::Always => true,
        Measured::Bytes => r.min(a) >= 1000.0,
        // Minutes are no time that an exchange takes.
        Measured::Span => !said && r.max(a) <= 10_000.0,
        Measured::PerhapsSpan => !said && r.max(a) < 10.0,
        Measured::Until => apart <= diff.shift.slack,
        Measured::CountsDown => !said && apart <= diff.shift.slack && apart <= r.max(a) / 2.0,
    }
}

/// Whether two times are the same. A span that a request named is a setting, unless it says how long ago.
pub(super) fn same_time(diff: &Diff<'_>, (r, baseline): (Moment, &str), (a, attack): (Moment, &str)) -> bool {
    let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    let is_setting = matches!(r, Moment::Span(seconds) if seconds >= 1.0)
        && !baseline.ends_with("ago")
        && !attack.ends_with("ago")
        && diff.dataflow.said.contains(&number(baseline));
    !is_setting && diff.shift.same(r, a)
}
