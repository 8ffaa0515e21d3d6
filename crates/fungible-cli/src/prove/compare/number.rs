//! Numbers and times: which stand for things, which measure, which say when. What looks random is not its business.

use super::super::renaming::Conflict;
use super::finding::DifferenceKind;
use super::judge::{Judge, key};
use super::leaf::Verdict;
use super::measured::{Measured, measured};
use super::moment::Moment;
use super::names::{is_address, is_bare, is_id};
use super::token::{Kind, atoms, plain};
use super::unstable::class;

impl Judge<'_> {
    pub(super) fn number(&mut self, at: usize, key: u64, reference: &str, attack: &str) -> Verdict {
        let finding = Verdict::Finding(self.kind_of_finding());
        let known = self.renaming.knows(reference, attack);
        let asked_for = self.asked_for.contains(reference);
        if self.names_a_thing() && (known || !asked_for && self.may_rename_number(reference)) {
            let kind = super::judge::key(self.kind(), at);
            return match self.renaming.bind_number(kind, reference, attack) {
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
        if self.names_a_thing() {
            let text = plain(text);
            let telling = atoms(&text).into_iter().filter(|atom| atom.kind != Kind::Gap).enumerate();
            for (at, atom) in telling.filter(|(_, atom)| atom.kind == Kind::Number) {
                self.identity_number(at, atom.text);
            }
        }
    }

    pub(super) fn identity_number(&mut self, at: usize, number: &str) {
        if self.is_learning() || !self.names_a_thing() || !self.may_rename_number(number) {
            return;
        }
        let kind = key(self.kind(), at);
        if self.renaming.bind_number(kind, number, number) == Err(Conflict::Taken) {
            self.note(DifferenceKind::Collision, number, number);
        }
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

    /// Whether a number here stands for a thing: an id, or a part of an address.
    fn names_a_thing(&self) -> bool {
        let name = self.place.name();
        is_id(name) || is_address(name) || self.survey.carriers.contains(&name.to_ascii_lowercase())
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
