//! Tokens by their format: where each baseline has another one, an attack may have one that looks like words, or is cut
//! into pieces at its marks. Only a few letters decide how such a token looks.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::notes::Note;
use super::state::Diff;
use crate::prove::parse::{Kind, atoms, same_structure};

/// Fewer letters and digits make a word.
const SHORTEST: usize = 8;

/// Two texts that are the same but for one run of letters, digits and marks.
pub(super) struct Differing<'t> {
    before: &'t str,
    pub(super) baseline: &'t str,
    pub(super) attack: &'t str,
    after: &'t str,
}

/// Notes of which format a token is that two runs have at this place.
pub(super) fn note(diff: &mut Diff<'_>, baseline: &str, attack: &str) {
    let Some(run) = differing(baseline, attack) else { return };
    let (r, a) = (run.baseline.len(), run.attack.len());
    if (may_be_random(run.baseline) || may_be_random(run.attack)) && r.abs_diff(a) * 4 <= r.max(a) {
        let keys = [run.key(), diff.kind() ^ run.key()];
        diff.notes.push(Note::Format { keys, shortest: r.min(a), longest: r.max(a) });
    }
}

/// The tokens in which two texts differ, with the key of their place, where baselines have tokens of this format there.
pub(super) fn known_here<'t>(diff: &Diff<'_>, baseline: &'t str, attack: &'t str) -> Option<(u64, Differing<'t>)> {
    let run = differing(baseline, attack)?;
    let there = diff.kind() ^ run.key();
    (!are_tokens(baseline, attack) && is_of_format(diff, there, &run)).then_some((there, run))
}

/// Whether two texts may differ in a token that nothing is bound to yet, where baselines have tokens of this format at any
/// place: a list is matched before it is known where its items stand.
pub(super) fn known_anywhere(diff: &Diff<'_>, baseline: &str, attack: &str) -> bool {
    let Some(run) = differing(baseline, attack) else { return false };
    let (r, a) = (run.baseline, run.attack);
    let free = || diff.renaming.name(r).is_none() && diff.renaming.holder(a).is_none();
    !are_tokens(baseline, attack) && is_of_format(diff, run.key(), &run) && (diff.renaming.knows(r, a) || free())
}

fn is_of_format(diff: &Diff<'_>, key: u64, run: &Differing<'_>) -> bool {
    let fits = |(shortest, longest)| (shortest * 3 / 4..=longest * 5 / 4).contains(&run.attack.len());
    diff.noise.format(key).is_some_and(fits)
}

impl Differing<'_> {
    fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.before, self.after).hash(&mut hasher);
        hasher.finish()
    }
}

/// Whether all that differs looks like a token on both sides: such are compared one by one.
fn are_tokens(baseline: &str, attack: &str) -> bool {
    same_structure(&atoms(baseline), &atoms(attack)).is_some_and(|pairs| {
        let mut unequal = pairs.iter().filter(|(r, a)| r.text != a.text);
        unequal.all(|(r, a)| r.kind == a.kind && matches!(r.kind, Kind::Opaque | Kind::Signed))
    })
}

fn differing<'t>(baseline: &'t str, attack: &'t str) -> Option<Differing<'t>> {
    // Base64 has two marks of its own, which stand between words elsewhere.
    ["-_", "-_+/"].into_iter().find_map(|marks| {
        let inside = |letter: char| letter.is_ascii_alphanumeric() || marks.contains(letter);
        let same = baseline.chars().zip(attack.chars()).take_while(|(r, a)| r == a);
        let same: usize = same.map(|(letter, _)| letter.len_utf8()).sum();
        let start = baseline[..same].trim_end_matches(inside).len();
        let (r, a) = (&baseline[start..], &attack[start..]);
        let same = r.chars().rev().zip(a.chars().rev()).take_while(|(r, a)| r == a);
        let same: usize = same.map(|(letter, _)| letter.len_utf8()).sum();
        let after = r[r.len() - same..].trim_start_matches(inside);
        let (r, a) = (&r[..r.len() - after.len()], &a[..a.len().checked_sub(after.len())?]);
        let is_run = |text: &str| !text.is_empty() && text.trim_end_matches('=').chars().all(inside);
        let before = &baseline[..start];
        (is_run(r) && is_run(a)).then_some(Differing { before, baseline: r, attack: a, after })
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
