//! Tokens by their make: where each reference has another one, an attack may have one that looks like words, or is cut into
//! pieces at its marks. Only a few letters decide how such a token looks.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::judge::{Judge, Mode, key};
use super::parallel::parallel;
use super::token::{Kind, atoms};

/// Fewer letters and digits make a word.
const SHORTEST: usize = 8;

/// Two texts that are the same but for one run of letters, digits and marks.
struct Run<'t> {
    before: &'t str,
    reference: &'t str,
    attack: &'t str,
    after: &'t str,
}

impl Judge<'_> {
    /// Notes of which make a token is that two references have there.
    pub(super) fn learn_make(&mut self, reference: &str, attack: &str) {
        let Some(run) = differing(reference, attack) else { return };
        let (r, a) = (run.reference.len(), run.attack.len());
        if (may_be_random(run.reference) || may_be_random(run.attack)) && r.abs_diff(a) * 4 <= r.max(a) {
            let keys = [run.key(), self.kind() ^ run.key()];
            if let Mode::Learn(unstable) = &mut self.mode {
                for key in keys {
                    unstable.add_make(key, r.min(a), r.max(a));
                }
            }
        }
    }

    /// Judges the two again as tokens of a make that references have there; whether they are such.
    pub(super) fn by_make(&mut self, reference: &str, attack: &str) -> bool {
        let Some(run) = differing(reference, attack) else { return false };
        let there = self.kind() ^ run.key();
        if are_tokens(reference, attack) || !self.is_made_so(there, &run) {
            return false;
        }
        self.token(key(there, usize::MAX), run.reference, run.attack);
        true
    }

    /// Whether the two would pass as tokens of a make that references have anywhere, without binding them.
    pub(super) fn alike_by_make(&self, reference: &str, attack: &str) -> bool {
        let Some(run) = differing(reference, attack) else { return false };
        let (r, a) = (run.reference, run.attack);
        let free = || self.renaming.name(r).is_none() && self.renaming.holder(a).is_none();
        !are_tokens(reference, attack) && self.is_made_so(run.key(), &run) && (self.renaming.knows(r, a) || free())
    }

    /// Whether references have tokens of this make there.
    fn is_made_so(&self, key: u64, run: &Run<'_>) -> bool {
        let fits = |(shortest, longest)| (shortest * 3 / 4..=longest * 5 / 4).contains(&run.attack.len());
        self.mode.unstable().make(key).is_some_and(fits)
    }
}

impl Run<'_> {
    fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.before, self.after).hash(&mut hasher);
        hasher.finish()
    }
}

/// Whether all that differs looks like a token on both sides: such are judged one by one.
fn are_tokens(reference: &str, attack: &str) -> bool {
    parallel(&atoms(reference), &atoms(attack)).is_some_and(|pairs| {
        let mut unequal = pairs.iter().filter(|(r, a)| r.text != a.text);
        unequal.all(|(r, a)| r.kind == Kind::Opaque && a.kind == Kind::Opaque)
    })
}

fn differing<'t>(reference: &'t str, attack: &'t str) -> Option<Run<'t>> {
    // Base64 has two marks of its own, which stand between words elsewhere.
    ["-_", "-_+/"].into_iter().find_map(|marks| {
        let inside = |letter: char| letter.is_ascii_alphanumeric() || marks.contains(letter);
        let same = reference.chars().zip(attack.chars()).take_while(|(r, a)| r == a);
        let same: usize = same.map(|(letter, _)| letter.len_utf8()).sum();
        let start = reference[..same].trim_end_matches(inside).len();
        let (r, a) = (&reference[start..], &attack[start..]);
        let same = r.chars().rev().zip(a.chars().rev()).take_while(|(r, a)| r == a);
        let same: usize = same.map(|(letter, _)| letter.len_utf8()).sum();
        let after = r[r.len() - same..].trim_start_matches(inside);
        let (r, a) = (&r[..r.len() - after.len()], &a[..a.len().checked_sub(after.len())?]);
        let is_run = |text: &str| !text.is_empty() && text.trim_end_matches('=').chars().all(inside);
        (is_run(r) && is_run(a)).then_some(Run { before: &reference[..start], reference: r, attack: a, after })
    })
}

/// Whether it has the letters and digits of a token, whichever way it came out.
fn may_be_random(text: &str) -> bool {
    let some = |of: fn(&u8) -> bool| text.bytes().filter(of).count();
    let (digits, lower, upper) = (some(u8::is_ascii_digit), some(u8::is_ascii_lowercase), some(u8::is_ascii_uppercase));
    let is_name = digits == 0 && upper == 1 && text.starts_with(|first: char| first.is_ascii_uppercase());
    digits + lower + upper >= SHORTEST
        && [digits, lower, upper].iter().filter(|count| **count > 0).count() > 1
        && !is_name
}
