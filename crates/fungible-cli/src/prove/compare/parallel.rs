//! Whether two texts are built alike, and then which atom of the one stands where which of the other does.

use super::token::{Atom, Kind, atoms, looks_random};

/// Pairs of atoms where both texts are built alike.
pub(super) fn parallel<'t>(reference: &[Atom<'t>], attack: &[Atom<'t>]) -> Option<Vec<(Atom<'t>, Atom<'t>)>> {
    let gap = |atom: &Atom<'_>| atom.text.trim().to_owned();
    let fits = reference.len() == attack.len()
        && reference.iter().zip(attack).all(|(r, a)| match (r.kind, a.kind) {
            (Kind::Gap, Kind::Gap) => r.text == a.text || gap(r) == gap(a),
            (Kind::Gap, _) | (_, Kind::Gap) => false,
            _ => true,
        });
    fits.then(|| {
        let pairs = reference.iter().copied().zip(attack.iter().copied());
        pairs.filter(|(r, _)| r.kind != Kind::Gap).collect()
    })
}

/// Texts whose pieces between blanks and marks are parallel each, or random tokens of one make.
pub(super) fn by_chunks<'t>(reference: &'t str, attack: &'t str) -> Option<Vec<(&'t str, &'t str)>> {
    let inside = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
    let marks = |text: &'t str| text.split(inside).filter(|mark| !mark.is_empty()).collect::<Vec<_>>();
    let chunks = |text: &'t str| text.split(|letter| !inside(letter)).filter(|chunk| !chunk.is_empty()).collect();
    if marks(reference) != marks(attack) {
        return None;
    }
    let (r, a): (Vec<&str>, Vec<&str>) = (chunks(reference), chunks(attack));
    let fit = |r: &str, a: &str| {
        let random = looks_random(r) || looks_random(a);
        r == a || parallel(&atoms(r), &atoms(a)).is_some() || random && of_one_make(r, a)
    };
    (r.len() == a.len() && r.iter().zip(&a).all(|(r, a)| fit(r, a))).then(|| r.into_iter().zip(a).collect())
}

/// Whether two tokens are of about the same length, and long.
pub(super) fn of_one_make(reference: &str, attack: &str) -> bool {
    let (r, a) = (reference.len(), attack.len());
    r.min(a) >= 10 && r.abs_diff(a) * 8 <= r.max(a)
}
