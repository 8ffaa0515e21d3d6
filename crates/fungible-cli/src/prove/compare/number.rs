//! Numbers and times: which stand for things, which measure, which say when. What looks random is not its business.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::super::renaming::Conflict;
use super::finding::DifferenceKind;
use super::judge::{Judge, key};
use super::leaf::Verdict;
use super::measured::{Measured, measured};
use super::moment::Moment;
use super::names::{is_address, is_bare, is_id};
use super::token::{Atom, Kind, atoms, plain};
use super::unstable::class;

/// Names of elements hold within one page.
const ELEMENTS: u64 = 1;
/// In place of an atom's place: the whole text.
const WHOLE: usize = usize::MAX - 2;

impl Judge<'_> {
    pub(super) fn number(&mut self, at: usize, key: u64, reference: &str, attack: &str) -> Verdict {
        let finding = Verdict::Finding(self.kind_of_finding());
        let known = self.renaming.knows(reference, attack);
        // Of ORD-7f3a-0002 and /orders/2 the whole is one thing's own, not the number.
        let texts = self.texts.clone();
        let (at, one, two) = texts
            .as_ref()
            .map_or((at, reference, attack), |(reference, attack)| (WHOLE, reference.trim(), attack.trim()));
        if self.place.names_an_element() && !self.survey.numbers.contains(reference) {
            let within_the_page = super::judge::key(ELEMENTS, self.exchange);
            let bound = self.renaming.bind_number(within_the_page, one, two);
            return if bound.is_ok() { Verdict::Pass } else { finding };
        }
        if self.names_a_thing() && (known || !self.asked_for.contains(reference) && self.may_rename_number(reference)) {
            let bound = self.renaming.bind_number(self.numbered_in(at), one, two);
            if bound.is_ok() {
                self.renaming.request_pair(reference, attack);
            }
            return match bound {
                Ok(()) => Verdict::Pass,
                Err(Conflict::Taken) => Verdict::Finding(DifferenceKind::Collision),
                Err(Conflict::Moved) if known => Verdict::Pass,
                Err(Conflict::Moved) => finding,
            };
        }
        if known {
            return Verdict::Pass;
        }
        if self.names_a_span(reference, attack) || self.mode.unstable().covers(key, class::NUMBER) {
            return if self.is_learning() { finding } else { Verdict::Mask("a time, or unequal in references") };
        }
        finding
    }

    /// Equal numbers that name things are bound too: another thing must not get the same one.
    pub(super) fn identity(&mut self, text: &str) {
        if self.is_learning() || text.len() > 2000 || !text.bytes().any(|byte| byte.is_ascii_digit()) {
            return;
        }
        // Most that is equal names nothing: it need not be cut.
        self.texts = Some(Default::default());
        if !self.names_a_thing() {
            return;
        }
        let text = plain(text);
        let is_one = atoms(&text).iter().filter(|atom| atom.kind != Kind::Gap).count() == 1;
        self.texts = (!is_one).then(|| (text.clone().into_owned(), text.clone().into_owned()));
        self.bind_whole(&text, &text);
    }

    /// What names a thing may name no other one.
    pub(super) fn bind_whole(&mut self, reference: &str, attack: &str) {
        if !self.names_a_thing() {
            return;
        }
        let may_rename = |atom: &Atom<'_>| atom.kind == Kind::Number && self.may_rename_number(atom.text);
        if !atoms(reference).iter().any(may_rename) {
            return;
        }
        let at = if self.texts.is_some() { WHOLE } else { 0 };
        if self.renaming.bind_number(self.numbered_in(at), reference.trim(), attack.trim()) == Err(Conflict::Taken) {
            self.note(DifferenceKind::Collision, reference, attack);
        }
    }

    /// Where a number there must be one thing's own: among those of its kind of place, or of its name.
    fn numbered_in(&self, at: usize) -> u64 {
        let name = self.place.name().to_ascii_lowercase();
        if self.survey.sequences.contains(&name) {
            let mut hasher = DefaultHasher::new();
            name.hash(&mut hasher);
            return hasher.finish();
        }
        key(self.kind(), at)
    }

    /// A number that a later request carries, or that an answer to a write gives to what it made.
    fn may_rename_number(&self, reference: &str) -> bool {
        if self.survey.numbers.contains(reference) {
            return true;
        }
        let name = self.place.name().to_ascii_lowercase();
        let stem = name.trim_end_matches("id").trim_end_matches(['_', '-']);
        !self.safe && is_id(self.place.name()) && (is_bare(&name) || self.path.to_ascii_lowercase().contains(stem))
    }

    /// Whether a number here stands for a thing: an id, or a part of an address. What is no more than a number under a
    /// name of addresses (`value`, `next`) is one where the traffic took such a number from there.
    fn names_a_thing(&self) -> bool {
        let name = self.place.name().to_ascii_lowercase();
        is_id(self.place.name())
            || self.survey.carriers.contains(&name)
            || is_address(&name) && (self.texts.is_some() || self.survey.minted_under.contains(&name))
    }

    fn names_a_span(&self, reference: &str, attack: &str) -> bool {
        let Some(measured) = measured(&self.place) else { return false };
        let (Ok(r), Ok(a)) = (reference.parse::<f64>(), attack.parse::<f64>()) else { return false };
        let apart = (r - a).abs();
        let said = self.survey.said.contains(reference);
        match measured {
            Measured::Always => true,
            Measured::Bytes => r.min(a) >= 1000.0,
            // Minutes are no time that an exchange takes.
            Measured::Span => !said && r.max(a) <= 10_000.0,
            Measured::PerhapsSpan => !said && r.max(a) < 10.0,
            Measured::Until => apart <= self.shift.slack,
            Measured::CountsDown => !said && apart <= self.shift.slack && apart <= r.max(a) / 2.0,
        }
    }

    /// Whether two times are the same. A span that a request named is a setting, unless it says how long ago.
    pub(super) fn same_time(&self, (r, reference): (Moment, &str), (a, attack): (Moment, &str)) -> bool {
        let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
        let is_setting = matches!(r, Moment::Span(seconds) if seconds >= 1.0)
            && !reference.ends_with("ago")
            && !attack.ends_with("ago")
            && self.survey.said.contains(&number(reference));
        !is_setting && self.shift.same(r, a)
    }
}
