//! Tokens by their make: where each reference has another one, an attack may have one that looks like words, or is cut into
//! pieces at its marks. Only a few letters decide how such a token looks.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::judge::{Judge, Mode, key};
use super::parallel::readable_prefix;
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
            let key = self.key_of(&run);
            if let Mode::Learn(unstable) = &mut self.mode {
                unstable.add_make(key, r.min(a), r.max(a));
            }
        }
    }

    /// Judges the two again as tokens of a make that references have there; whether they are such.
    pub(super) fn by_make(&mut self, reference: &str, attack: &str) -> bool {
        let Some(run) = differing(reference, attack) else { return false };
        let prefix = readable_prefix(run.reference, run.attack);
        let is_one = |text: &str| matches!(&atoms(&text[prefix..])[..], [atom] if atom.kind == Kind::Opaque);
        let key = self.key_of(&run);
        let Some((shortest, longest)) = self.mode.unstable().make(key) else { return false };
        let fits = (shortest * 3 / 4..=longest * 5 / 4).contains(&run.attack.len());
        // Two whole tokens have been judged as such.
        if !fits || is_one(run.reference) && is_one(run.attack) {
            return false;
        }
        self.token(key, run.reference, run.attack);
        true
    }

    fn key_of(&self, run: &Run<'_>) -> u64 {
        let mut hasher = DefaultHasher::new();
        (run.before, run.after).hash(&mut hasher);
        key(self.kind() ^ hasher.finish(), usize::MAX)
    }
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
