//! Whether two texts are built alike, and then which atom of the one stands where which of the other does.

use super::lexer::{Atom, Kind, atoms, looks_random};

/// Pairs of atoms where both texts are built alike.
pub(crate) fn same_structure<'t>(baseline: &[Atom<'t>], attack: &[Atom<'t>]) -> Option<Vec<(Atom<'t>, Atom<'t>)>> {
    let gap = |atom: &Atom<'_>| atom.text.trim().to_owned();
    let fits = baseline.len() == attack.len()
        && baseline.iter().zip(attack).all(|(r, a)| match (r.kind, a.kind) {
            (Kind::Separator, Kind::Separator) => r.text == a.text || gap(r) == gap(a),
            (Kind::Separator, _) | (_, Kind::Separator) => false,
            _ => true,
        });
    fits.then(|| {
        let pairs = baseline.iter().copied().zip(attack.iter().copied());
        pairs.filter(|(r, _)| r.kind != Kind::Separator).collect()
    })
}

/// Texts whose pieces between blanks and marks have the same structure each, or are random tokens of one format.
pub(crate) fn by_chunks<'t>(baseline: &'t str, attack: &'t str) -> Option<Vec<(&'t str, &'t str)>> {
    let fit = |(r, a): &(&str, &str)| {
        let random = looks_random(r) || looks_random(a);
        r == a || same_structure(&atoms(r), &atoms(a)).is_some() || random && of_one_format(r, a)
    };
    // Base64 has two marks of its own, which stand between words elsewhere.
    ["-_", "-_+/"].into_iter().find_map(|own| pieces(baseline, attack, own).filter(|pieces| pieces.iter().all(fit)))
}

/// Values with random tokens that are opaque to whoever carries them, cut only at marks that no base64 alphabet has:
/// each piece, and whether it is a token as a whole. Tokens that say when they were signed are no such values.
pub(crate) fn sealed<'t>(baseline: &'t str, attack: &'t str) -> Option<Vec<((&'t str, &'t str), bool)>> {
    let says_when = |text: &str| atoms(text).iter().any(|atom| atom.kind == Kind::Signed);
    let judged = pieces(baseline, attack, "-_+/")?.into_iter().map(|(r, a)| {
        let prefix = readable_prefix(r, a);
        let (r, a) = (&r[prefix..], &a[prefix..]);
        ((r, a), r != a && (looks_random(r) || looks_random(a)))
    });
    let judged: Vec<_> = judged.collect();
    (judged.iter().any(|(_, is_token)| *is_token) && !says_when(baseline) && !says_when(attack)).then_some(judged)
}

/// The length of the readable prefix that both have: `cus_`, or the folder of a path.
fn readable_prefix(baseline: &str, attack: &str) -> usize {
    let same = baseline.bytes().zip(attack.bytes()).take_while(|(r, a)| r == a).count();
    baseline.get(..same).and_then(|same| same.rfind(['-', '_', '/', '+'])).map_or(0, |at| at + 1)
}

/// The pieces of letters, digits and these marks, where both texts have the same other marks.
fn pieces<'t>(baseline: &'t str, attack: &'t str, own: &str) -> Option<Vec<(&'t str, &'t str)>> {
    let inside = |letter: char| letter.is_alphanumeric() || own.contains(letter);
    // The padding of base64 hangs on its length.
    let marks = |text: &'t str| {
        let marks = text.split(inside).filter(|mark| !mark.is_empty());
        marks.map(|mark| mark.trim_start_matches('=')).filter(|mark| !mark.is_empty()).collect::<Vec<_>>()
    };
    let pieces = |text: &'t str| -> Vec<&'t str> {
        text.split(|letter| !inside(letter)).filter(|piece| !piece.is_empty()).collect()
    };
    let (r, a) = (pieces(baseline), pieces(attack));
    (marks(baseline) == marks(attack) && r.len() == a.len()).then(|| r.into_iter().zip(a).collect())
}

/// Whether two tokens are of about the same length, and long.
pub(crate) fn of_one_format(baseline: &str, attack: &str) -> bool {
    let (r, a) = (baseline.len(), attack.len());
    r.min(a) >= 10 && r.abs_diff(a) * 8 <= r.max(a)
}
