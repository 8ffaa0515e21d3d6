//! Two unequal texts, atom by atom: a time, one thing under another name, what an instance calls itself, noise, or a
//! deviation.

use super::noise::{Variation, class_of_text};
use super::notes::{Explanation, Note};
use super::number;
use super::renaming::Conflict;
use super::state::{Diff, Part, key};
use crate::prove::deviation::DeviationKind;
use crate::prove::parse::{
    Atom, Kind, Meaning, Moment, atoms, by_chunks, of_one_format, place_means, same_structure, sealed, take_apart,
};

/// Texts of fewer words are words, not sentences.
const A_FEW: usize = 3;

/// Texts with more words than this are compared in the order in which they stand.
const MOST_WORDS: usize = 32;

/// What two signed tokens say: to be compared in its turn.
pub(super) type Payloads = Vec<(String, String)>;

/// Two pieces that belong together, and whether they are tokens as a whole.
type Piece<'t> = ((&'t str, &'t str), bool);

/// Compares two unequal texts; gives what the signed tokens in them say.
pub(super) fn compare(diff: &mut Diff<'_>, baseline: &str, attack: &str) -> Payloads {
    let mut payloads = Payloads::new();
    let (r, a) = (atoms(baseline), atoms(attack));
    diff.texts = (is_more(&r) || is_more(&a)).then(|| (baseline.to_owned(), attack.to_owned()));
    if let Some(pieces) = opaque_pieces(diff, (baseline, attack), (&r, &a)) {
        for (at, ((r, a), is_token)) in pieces.into_iter().enumerate() {
            if is_token {
                token(diff, key(diff.kind(), Part::Chunk(at)), r, a);
            } else {
                chunks(diff, &[(r, a)], &mut payloads);
            }
        }
        return payloads;
    }
    let pairs = words_in_any_order(diff, &r, &a).or_else(|| same_structure(&r, &a));
    match pairs {
        // By chance it has as many words this time.
        Some(pairs) if pairs.len() >= A_FEW && is_free_text_of_one_length(diff, attack, &r, &a) => {}
        Some(pairs) => {
            for (at, (r, a)) in pairs.into_iter().enumerate() {
                if r.text != a.text {
                    atom(diff, Part::Atom(at), (&r, &a), &mut payloads);
                }
            }
        }
        None => match by_chunks(baseline, attack) {
            Some(found) => chunks(diff, &found, &mut payloads),
            None => unequal_text(diff, (baseline, attack), &r, &a),
        },
    }
    payloads
}

fn is_more(atoms: &[Atom<'_>]) -> bool {
    atoms.iter().filter(|atom| atom.kind != Kind::Separator).count() > 1
}

/// The pieces of a text that is opaque to whoever carries it, as the value of a cookie is: a token in it is not cut where it
/// happens to look like words. Elsewhere, too, where nothing else is unequal: a piece of base64 between two of its marks may
/// look like a word.
fn opaque_pieces<'t>(
    diff: &Diff<'_>,
    (baseline, attack): (&'t str, &'t str),
    (r, a): (&[Atom<'_>], &[Atom<'_>]),
) -> Option<Vec<Piece<'t>>> {
    let is_cookie = diff.place.is_cookie();
    if !is_cookie && !words_differ(r, a) {
        return None;
    }
    let only_tokens = |((r, a), is_token): &Piece<'_>| r == a || *is_token && of_one_format(r, a);
    sealed(baseline, attack).filter(|pieces| is_cookie || pieces.iter().all(only_tokens))
}

fn is_free_text_of_one_length(diff: &mut Diff<'_>, attack: &str, r: &[Atom<'_>], a: &[Atom<'_>]) -> bool {
    let whole = key(diff.kind(), Part::Whole);
    let is_free = words_differ(r, a) && {
        let in_common = in_common(diff, r, a);
        is_free_text(diff, whole, attack, r.len(), in_common)
    };
    if is_free {
        diff.passes(whole, Explanation::Varies);
    }
    is_free
}

/// Random tokens now and then look like words: then only the other run's shows what they are.
fn chunks(diff: &mut Diff<'_>, chunks: &[(&str, &str)], payloads: &mut Payloads) {
    for (at, (baseline, attack)) in chunks.iter().enumerate().filter(|(_, (r, a))| r != a) {
        let (r, a) = (atoms(baseline), atoms(attack));
        if let Some(pairs) = same_structure(&r, &a) {
            for (within, (r, a)) in pairs.into_iter().enumerate().filter(|(_, (r, a))| r.text != a.text) {
                atom(diff, Part::AtomOfChunk(at, within), (&r, &a), payloads);
            }
        } else {
            token(diff, key(diff.kind(), Part::Chunk(at)), baseline, attack);
        }
    }
}

/// Two texts that do not even have the same number of words.
fn unequal_text(diff: &mut Diff<'_>, (baseline, attack): (&str, &str), r: &[Atom<'_>], a: &[Atom<'_>]) {
    let kind = diff.kind();
    let whole = key(kind, Part::Whole);
    let (head, tail) = in_common(diff, r, a);
    let telling = |atom: &Atom<'_>| matches!(atom.kind, Kind::Word | Kind::Number | Kind::Opaque);
    let counted: Vec<_> = r.iter().filter(|atom| atom.kind != Kind::Separator).enumerate().collect();
    let counted: Vec<usize> = counted.into_iter().filter(|(_, atom)| telling(atom)).map(|(at, _)| at).collect();
    let varied = counted.iter().filter(|at| diff.noise.varies(key(kind, Part::Atom(**at)))).count();
    let random_text = varied >= 2 && varied * 2 >= counted.len() && !attack.is_empty();
    let is_noise = random_text || is_free_text(diff, whole, attack, r.len(), (head, tail));
    let classes = class_of_text(baseline) | class_of_text(attack);
    let variation = Variation::Texts { key: whole, classes, head, tail };
    diff.deviates(diff.deviation_kind(), (baseline, attack), variation, is_noise.then_some(Explanation::Varies));
}

/// Whether baselines have texts of other lengths there, which differ where these do. A sentence with a hole keeps its
/// words; of random text little is the same twice.
fn is_free_text(diff: &Diff<'_>, whole: u64, attack: &str, atoms: usize, (head, tail): (usize, usize)) -> bool {
    let (kept_head, kept_tail) = diff.noise.hole(whole);
    let is_sentence = (kept_head + kept_tail) * 2 >= atoms;
    let keeps = head >= kept_head && tail >= kept_tail;
    diff.noise.covers(whole, class_of_text(attack)) && (keeps || !is_sentence)
}

/// How many atoms two texts have in common at their beginnings and at their ends.
fn in_common(diff: &mut Diff<'_>, baseline: &[Atom<'_>], attack: &[Atom<'_>]) -> (usize, usize) {
    let head = baseline.iter().zip(attack).take_while(|(r, a)| atoms_alike(diff, r, a)).count();
    let most = baseline.len().min(attack.len()) - head;
    let ends = baseline.iter().rev().zip(attack.iter().rev()).take(most);
    let tail = ends.take_while(|(r, a)| atoms_alike(diff, r, a)).count();
    (head, tail)
}

fn atoms_alike(diff: &mut Diff<'_>, baseline: &Atom<'_>, attack: &Atom<'_>) -> bool {
    let both = baseline.kind != Kind::Separator && attack.kind != Kind::Separator;
    baseline.text == attack.text
        || both && diff.would_pass(|diff| atom(diff, Part::Probe, (baseline, attack), &mut Payloads::new()))
}

fn atom(diff: &mut Diff<'_>, part: Part, (baseline, attack): (&Atom<'_>, &Atom<'_>), payloads: &mut Payloads) {
    let (r, a) = (baseline.text, attack.text);
    let key = key(diff.kind(), part);
    match (baseline.kind, attack.kind) {
        (Kind::Time(in_r), Kind::Time(in_a)) if number::same_time(diff, (in_r, r), (in_a, a)) => {
            diff.passes(key, Explanation::SameTime);
        }
        (Kind::Signed, Kind::Signed) => payloads.extend(signed(diff, r, a)),
        _ if names_its_own(diff, r, a) => diff.label(a),
        (Kind::Number | Kind::Time(_), Kind::Number | Kind::Time(_)) => number::compare(diff, part, r, a),
        (Kind::Opaque | Kind::Signed | Kind::Number, Kind::Opaque | Kind::Signed | Kind::Number) => {
            token(diff, key, r, a);
        }
        _ if diff.renaming.knows(r, a) => {}
        (Kind::Opaque, _) | (_, Kind::Opaque) if of_one_format(r, a) => token(diff, key, r, a),
        _ => diff.value_deviates(diff.deviation_kind(), key, (r, a), None),
    }
}

/// Two texts that are one token each, whatever they look like.
pub(super) fn token(diff: &mut Diff<'_>, key: u64, baseline: &str, attack: &str) {
    let kind = match diff.bind_token(key, baseline, attack) {
        Ok(()) => return,
        Err(_) if diff.renaming.knows(baseline, attack) => return,
        Err(Conflict::Moved) => diff.deviation_kind(),
        Err(Conflict::Taken) => DeviationKind::Collision,
    };
    let mut fickle = vec![baseline.to_owned()];
    if kind == DeviationKind::Collision {
        // The other holder of the name is as fickle as this one.
        fickle.extend(diff.renaming.holder(attack).map(str::to_owned));
    }
    diff.value_deviates(kind, key, (baseline, attack), Some(fickle));
}

/// Tokens with a signature: what they say is to be compared, the signature follows from it and from the time.
fn signed(diff: &mut Diff<'_>, baseline: &str, attack: &str) -> Option<(String, String)> {
    let (r, a) = (take_apart(baseline)?, take_apart(attack)?);
    let same_time = match (r.signed, a.signed) {
        (Some(r), Some(a)) => diff.shift.same(Moment::Epoch(r), Moment::Epoch(a)),
        (None, None) => true,
        _ => false,
    };
    if !same_time {
        diff.deviates(diff.deviation_kind(), (baseline, attack), Variation::Nothing, None);
        return None;
    }
    Some((r.payload, a.payload))
}

/// Whether each side names its own instance by its port, process or host.
fn names_its_own(diff: &Diff<'_>, baseline: &str, attack: &str) -> bool {
    let (r, a) = (&diff.at.baseline, &diff.at.attack);
    let by_pid = |of: &[String], text: &str| {
        let tells = text.len() > 1 || place_means(Meaning::ProcessId, &diff.place);
        tells && of.iter().any(|pid| pid == text)
    };
    (r.port == baseline && a.port == attack)
        || (by_pid(&r.pids, baseline) && by_pid(&a.pids, attack))
        || (!r.host_name.is_empty() && r.host_name == baseline && a.host_name == attack)
}

/// Whether a word stands where the other text has another one, or nothing of its kind.
fn words_differ(baseline: &[Atom<'_>], attack: &[Atom<'_>]) -> bool {
    let unequal = |(r, a): &(Atom<'_>, Atom<'_>)| r.kind == Kind::Word && a.kind == Kind::Word && r.text != a.text;
    same_structure(baseline, attack).is_none_or(|pairs| pairs.iter().any(unequal))
}

/// Pairs of the words of a list that is written as a text (`soup vegan cold`), where baselines have it in another order.
fn words_in_any_order<'t>(
    diff: &mut Diff<'_>,
    baseline: &[Atom<'t>],
    attack: &[Atom<'t>],
) -> Option<Vec<(Atom<'t>, Atom<'t>)>> {
    let key = key(diff.kind(), Part::Order);
    let is_known = diff.noise.is_unordered(key);
    let any_order = is_known || diff.strictness.allows_any_order() && is_shuffled(diff, baseline, attack);
    if !any_order {
        return None;
    }
    same_structure(baseline, attack)?;
    diff.notes.push(Note::AnyOrder { key });
    let mut free: Vec<Atom<'t>> = attack.iter().filter(|atom| atom.kind != Kind::Separator).copied().collect();
    let mut pairs = Vec::new();
    let mut left = Vec::new();
    for r in baseline.iter().filter(|atom| atom.kind != Kind::Separator) {
        let same = free.iter().position(|a| r.text == a.text);
        match same.or_else(|| free.iter().position(|a| atoms_alike(diff, r, a))) {
            Some(at) => pairs.push((*r, free.remove(at))),
            None => left.push(*r),
        }
    }
    diff.passes(key, Explanation::AnyOrder);
    pairs.extend(left.into_iter().zip(free));
    Some(pairs)
}

/// Whether both are the same words in another order. Numbers that change their places are other numbers.
fn is_shuffled(diff: &mut Diff<'_>, baseline: &[Atom<'_>], attack: &[Atom<'_>]) -> bool {
    let Some(pairs) = same_structure(baseline, attack).filter(|pairs| pairs.len() <= MOST_WORDS) else { return false };
    let moved: Vec<_> = pairs.iter().filter(|(r, a)| !atoms_alike(diff, r, a)).collect();
    let mut free: Vec<&Atom<'_>> = moved.iter().map(|(_, a)| a).collect();
    !moved.is_empty()
        && moved.iter().all(|(r, _)| {
            let at = free.iter().position(|a| r.kind == Kind::Word && r.text == a.text);
            at.map(|at| free.swap_remove(at)).is_some()
        })
}
