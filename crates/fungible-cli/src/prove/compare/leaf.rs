//! Judges two texts atom by atom: the same, renamed, a time, a label, noise, or a difference.

use std::borrow::Cow;

use serde_json::from_str;

use super::super::renaming::Conflict;
use super::finding::{DifferenceKind, Label};
use super::judge::{Judge, Mode, Unequal, key};
use super::measured::{is_entity_tag, is_software, names_the_exchange, says_whether_cached};
use super::moment::Moment;
use super::names::{around, sends_to_port};
use super::node::{Node, Step};
use super::parallel::{by_chunks, of_one_make, parallel, sealed};
use super::token::{Atom, Kind, atoms, plain, take_apart};
use super::unstable::class_of_text;

/// Texts of fewer words are words, not sentences.
const A_FEW: usize = 3;
/// Places of atoms within chunks are counted from here, apart from those of whole texts.
const CHUNKS: usize = 1 << 20;

/// A word or token that stands where another stood, with the leave it would need.
#[derive(Clone, Copy)]
pub(super) enum Verdict {
    Pass,
    Mask(&'static str),
    Finding(DifferenceKind),
}

impl Judge<'_> {
    pub(super) fn leaf(&mut self, reference: &str, attack: &str) {
        if reference == attack {
            return self.identity(reference);
        }
        let (reference, attack) = (plain(reference), plain(attack));
        if reference == attack {
            return;
        }
        if !self.is_learning()
            && let Some(port) = self.ports.iter().find(|port| sends_to_port(self.place.name(), &attack, port))
        {
            let port = port.clone();
            return self.note(DifferenceKind::OwnPort, &reference, &around(&attack, &port));
        }
        if let (Some(r), Some(a)) = (embedded(&reference), embedded(&attack)) {
            return self.walk(&r, &a);
        }
        if self.tells_nothing(&reference, &attack) {
            return self.mask(self.kind(), "it follows from the rest, or names the exchange or the software");
        }
        let reference = self.without_host(&reference, attack.as_ref());
        if reference == attack || self.renaming.translate(&reference).as_deref() == Some(&attack) {
            return;
        }
        let before = self.found.len();
        self.unequal(&reference, &attack);
        if self.is_learning() {
            self.learn_make(&reference, &attack);
        } else if self.found.len() > before {
            let found = self.found.split_off(before);
            let collides = found.iter().any(|unequal| unequal.kind == DifferenceKind::Collision);
            if collides || !self.by_make(&reference, &attack) {
                self.found.extend(found);
            }
        } else {
            self.bind_whole(&reference, &attack);
        }
    }

    fn unequal(&mut self, reference: &str, attack: &str) {
        let (r, a) = (atoms(reference), atoms(attack));
        let is_more = |atoms: &[Atom<'_>]| atoms.iter().filter(|atom| atom.kind != Kind::Gap).count() > 1;
        self.texts = (is_more(&r) || is_more(&a)).then(|| (reference.to_owned(), attack.to_owned()));
        if self.place.is_cookie()
            && let Some(pieces) = sealed(reference, attack)
        {
            return self.pieces(&pieces);
        }
        // Elsewhere, too, where nothing else is unequal: a piece of base64 between two of its marks may look like a word.
        if words_differ(&r, &a)
            && let Some(pieces) = sealed(reference, attack)
            && pieces.iter().all(|((r, a), is_token)| r == a || *is_token && of_one_make(r, a))
        {
            return self.pieces(&pieces);
        }
        let pairs = self.words_in_any_order(&r, &a).or_else(|| parallel(&r, &a));
        match pairs {
            // By chance it has as many words this time.
            Some(pairs) if pairs.len() >= A_FEW && self.is_free_text_of_one_length(attack, &r, &a) => {}
            Some(pairs) => {
                for (at, (r, a)) in pairs.into_iter().enumerate() {
                    if r.text != a.text {
                        self.atom(at, r, a);
                    }
                }
            }
            None => match by_chunks(reference, attack) {
                Some(chunks) => self.chunks(&chunks),
                None => self.unequal_text(reference, attack, &r, &a),
            },
        }
    }

    fn is_free_text_of_one_length(&mut self, attack: &str, atoms: &[Atom<'_>], others: &[Atom<'_>]) -> bool {
        let whole = key(self.kind(), usize::MAX);
        let is_free = !self.is_learning()
            && words_differ(atoms, others)
            && self.is_free_text(whole, attack, atoms.len(), self.in_common(atoms, others));
        if is_free {
            self.mask(whole, "unequal in references");
        }
        is_free
    }

    /// Random tokens now and then look like words: then only the other run's shows what they are.
    fn chunks(&mut self, chunks: &[(&str, &str)]) {
        for (at, (reference, attack)) in chunks.iter().enumerate().filter(|(_, (r, a))| r != a) {
            let (r, a) = (atoms(reference), atoms(attack));
            if let Some(pairs) = parallel(&r, &a) {
                for (within, (r, a)) in pairs.into_iter().enumerate().filter(|(_, (r, a))| r.text != a.text) {
                    self.atom(CHUNKS * (at + 1) + within, r, a);
                }
            } else {
                let key = key(self.kind(), CHUNKS * (at + 1));
                self.token(key, reference, attack);
            }
        }
    }

    /// Two texts that are one token each, whatever they look like.
    pub(super) fn token(&mut self, key: u64, reference: &str, attack: &str) {
        let verdict = self.opaque(key, reference, attack);
        self.settle(key, reference, attack, verdict, Some(reference.to_owned()));
    }

    /// The value of a cookie is opaque to the client: a token in it is not cut where it happens to look like words.
    fn pieces(&mut self, pieces: &[((&str, &str), bool)]) {
        for (at, ((reference, attack), is_token)) in pieces.iter().enumerate() {
            if *is_token {
                let key = key(self.kind(), CHUNKS * (at + 1));
                self.token(key, reference, attack);
            } else {
                self.chunks(&[(reference, attack)]);
            }
        }
    }

    /// The reference's text with the attack's host name where each names its own.
    fn without_host<'t>(&mut self, reference: &'t str, attack: &str) -> Cow<'t, str> {
        let (own, other) = (&self.reference.host_name, &self.attack.host_name);
        if own.len() >= 3 && other.len() >= 3 && own != other && reference.contains(own) && attack.contains(other) {
            let label = self.label(other.clone());
            let renamed = Cow::Owned(reference.replace(own, other));
            self.labels.push(label);
            return renamed;
        }
        Cow::Borrowed(reference)
    }

    fn label(&self, value: String) -> Label {
        Label { place: self.place.to_string(), instance: self.attack.instance.clone(), value }
    }

    /// Two texts that do not even have the same number of words.
    fn unequal_text(&mut self, reference: &str, attack: &str, atoms: &[Atom<'_>], others: &[Atom<'_>]) {
        let kind = self.kind();
        let whole = key(kind, usize::MAX);
        let (head, tail) = self.in_common(atoms, others);
        let classes = class_of_text(attack);
        match &mut self.mode {
            Mode::Learn(unstable) => {
                unstable.add(whole, class_of_text(reference) | classes);
                unstable.add_hole(whole, head, tail);
            }
            Mode::Judge(unstable) => {
                let telling = |atom: &Atom<'_>| matches!(atom.kind, Kind::Word | Kind::Number | Kind::Opaque);
                let counted: Vec<_> = atoms.iter().filter(|atom| atom.kind != Kind::Gap).enumerate().collect();
                let counted = counted.into_iter().filter(|(_, atom)| telling(atom));
                let varied = counted.clone().filter(|(at, _)| unstable.varies(key(kind, *at))).count();
                let counted = counted.count();
                let random_text = varied >= 2 && varied * 2 >= counted && !attack.is_empty();
                if random_text || self.is_free_text(whole, attack, atoms.len(), (head, tail)) {
                    self.mask(whole, "unequal in references");
                } else {
                    self.note(self.kind_of_finding(), reference, attack);
                }
            }
        }
    }

    /// Whether references have texts of other lengths there, which differ where these do. A sentence with a hole keeps its
    /// words; of random text little is the same twice.
    fn is_free_text(&self, whole: u64, attack: &str, atoms: usize, (head, tail): (usize, usize)) -> bool {
        let unstable = self.mode.unstable();
        let (kept_head, kept_tail) = unstable.hole(whole);
        let is_sentence = (kept_head + kept_tail) * 2 >= atoms;
        let keeps = head >= kept_head && tail >= kept_tail;
        unstable.covers(whole, class_of_text(attack)) && (keeps || !is_sentence)
    }

    /// How many atoms two texts have in common at their beginnings and at their ends.
    fn in_common(&self, reference: &[Atom<'_>], attack: &[Atom<'_>]) -> (usize, usize) {
        let same = |(r, a): &(&Atom<'_>, &Atom<'_>)| r.text == a.text || self.atoms_alike(r, a);
        let head = reference.iter().zip(attack).take_while(same).count();
        let most = reference.len().min(attack.len()) - head;
        let tail = reference.iter().rev().zip(attack.iter().rev()).take(most).take_while(same).count();
        (head, tail)
    }

    fn atom(&mut self, at: usize, reference: Atom<'_>, attack: Atom<'_>) {
        let (r, a) = (reference.text, attack.text);
        let key = key(self.kind(), at);
        let mut token = None;
        let verdict = match (reference.kind, attack.kind) {
            (Kind::Time(in_r), Kind::Time(in_a)) if self.same_time((in_r, r), (in_a, a)) => Verdict::Mask("a time"),
            (Kind::Signed, Kind::Signed) => return self.signed(r, a),
            _ if self.names_its_own(r, a) => {
                let label = self.label(a.to_owned());
                self.labels.push(label);
                Verdict::Pass
            }
            (Kind::Number | Kind::Time(_), Kind::Number | Kind::Time(_)) => self.number(at, key, r, a),
            (Kind::Opaque | Kind::Signed | Kind::Number, Kind::Opaque | Kind::Signed | Kind::Number) => {
                token = Some(r.to_owned());
                self.opaque(key, r, a)
            }
            _ if self.renaming.knows(r, a) => Verdict::Pass,
            (Kind::Opaque, _) | (_, Kind::Opaque) if of_one_make(r, a) => {
                token = Some(r.to_owned());
                self.opaque(key, r, a)
            }
            _ => Verdict::Finding(self.kind_of_finding()),
        };
        self.settle(key, r, a, verdict, token);
    }

    fn settle(&mut self, key: u64, reference: &str, attack: &str, verdict: Verdict, token: Option<String>) {
        let kind = match verdict {
            Verdict::Pass => return,
            Verdict::Mask(reason) => return self.mask(key, reason),
            Verdict::Finding(kind) => kind,
        };
        let place = self.place.to_string();
        match &mut self.mode {
            Mode::Learn(unstable) => {
                if let Some(token) = token {
                    unstable.fickle.insert(token);
                }
                unstable.add(key, class_of_text(reference) | class_of_text(attack));
            }
            Mode::Judge(unstable) if unstable.covers(key, class_of_text(attack)) => {
                self.observe(reference, attack);
                self.mask(key, "unequal in references");
            }
            Mode::Judge(_) => self.found.push(Unequal {
                exchange: self.exchange,
                place,
                kind,
                reference: reference.to_owned(),
                attack: attack.to_owned(),
                token,
                pair: Some((reference.to_owned(), attack.to_owned())),
            }),
        }
    }

    /// Remembers from which instance a value came.
    fn observe(&mut self, reference: &str, attack: &str) {
        let (instance, place) = (&self.attack.instance, &self.place);
        let exchange = self.exchange;
        self.observed_at.entry(reference.to_owned()).or_insert_with(|| (exchange, place.to_string()));
        self.observed
            .entry(reference.to_owned())
            .or_default()
            .entry(attack.to_owned())
            .and_modify(|from| {
                if from.as_ref() != Some(instance) {
                    *from = None;
                }
            })
            .or_insert_with(|| Some(instance.clone()));
    }

    fn opaque(&mut self, key: u64, reference: &str, attack: &str) -> Verdict {
        if self.is_learning() {
            self.stood.push((reference.to_owned(), key, self.exchange));
        } else {
            self.observe(reference, attack);
            self.tokens_at.entry(key).or_default().insert(reference.to_owned());
        }
        let finding = self.kind_of_finding();
        match self.renaming.bind(reference, attack) {
            Ok(()) => {
                if let Mode::Learn(unstable) = &mut self.mode {
                    unstable.minted.insert(reference.to_owned());
                }
                Verdict::Pass
            }
            Err(_) if self.renaming.knows(reference, attack) => Verdict::Pass,
            Err(Conflict::Moved) => Verdict::Finding(finding),
            Err(Conflict::Taken) => {
                // The other holder of the name is as fickle as this one.
                let other = self.renaming.holder(attack).map(str::to_owned);
                if let (Mode::Learn(unstable), Some(other)) = (&mut self.mode, other) {
                    unstable.fickle.insert(other);
                }
                Verdict::Finding(DifferenceKind::Collision)
            }
        }
    }

    /// Whether what stands here follows from the rest of the answer, or names only the exchange.
    fn tells_nothing(&self, reference: &str, attack: &str) -> bool {
        let name = self.place.name();
        let carried = |text: &str| self.survey.sent.contains(text) || self.survey.said.contains(text);
        is_entity_tag(name)
            || self.place.is_header() && is_software(name)
            || says_whether_cached(&self.place, reference, attack)
            || names_the_exchange(name) && !carried(reference)
    }

    /// Whether each side names its own instance by its port, process or host.
    fn names_its_own(&self, reference: &str, attack: &str) -> bool {
        let (r, a) = (&self.reference, &self.attack);
        let by_pid = |of: &[String], text: &str| {
            let tells = text.len() > 1 || self.place.name().to_ascii_lowercase().contains("pid");
            tells && of.iter().any(|pid| pid == text)
        };
        (r.port == reference && a.port == attack)
            || (by_pid(&r.pids, reference) && by_pid(&a.pids, attack))
            || (!r.host_name.is_empty() && r.host_name == reference && a.host_name == attack)
    }

    /// Tokens with a signature: what they say is compared, the signature follows from it and from the time.
    fn signed(&mut self, reference: &str, attack: &str) {
        let (Some(r), Some(a)) = (take_apart(reference), take_apart(attack)) else { return };
        let same_time = match (r.signed, a.signed) {
            (Some(r), Some(a)) => self.shift.same(Moment::Epoch(r), Moment::Epoch(a)),
            (None, None) => true,
            _ => false,
        };
        if !same_time && !self.is_learning() {
            return self.note(self.kind_of_finding(), reference, attack);
        }
        self.place.push(Step::Key("signed".to_owned()));
        match (embedded(&r.payload), embedded(&a.payload)) {
            (Some(r), Some(a)) => self.walk(&r, &a),
            _ => self.leaf(&r.payload, &a.payload),
        }
        self.place.pop();
    }

    /// Whether `leaf` would find nothing, without binding anything.
    pub(super) fn leaf_alike(&self, reference: &str, attack: &str, any_order: bool) -> bool {
        if reference == attack {
            return true;
        }
        let (reference, attack) = (plain(reference), plain(attack));
        if let (Some(r), Some(a)) = (embedded(&reference), embedded(&attack)) {
            return self.alike_if(&r, &a, any_order);
        }
        if self.renaming.translate(&reference).as_deref() == Some(&attack) {
            return true;
        }
        let (r, a) = (atoms(&reference), atoms(&attack));
        parallel(&r, &a).is_some_and(|pairs| pairs.iter().all(|(r, a)| r.text == a.text || self.atoms_alike(r, a)))
            || any_order && self.is_shuffled(&r, &a)
            || self.alike_by_make(&reference, &attack)
    }

    pub(super) fn atoms_alike(&self, reference: &Atom<'_>, attack: &Atom<'_>) -> bool {
        let (r, a) = (reference.text, attack.text);
        self.renaming.knows(r, a)
            || match (reference.kind, attack.kind) {
                (Kind::Time(in_r), Kind::Time(in_a)) => self.same_time((in_r, r), (in_a, a)),
                (Kind::Opaque, Kind::Opaque) => self.renaming.name(r).is_none() && self.renaming.holder(a).is_none(),
                (Kind::Signed, Kind::Signed) => true,
                _ => self.names_its_own(r, a),
            }
    }
}

/// JSON within a text.
fn embedded(text: &str) -> Option<Node> {
    let text = text.trim();
    if !(text.starts_with('{') && text.ends_with('}') || text.starts_with('[') && text.ends_with(']')) {
        return None;
    }
    from_str(text).ok()
}

/// Whether a word stands where the other text has another one, or nothing of its kind.
fn words_differ(reference: &[Atom<'_>], attack: &[Atom<'_>]) -> bool {
    let unequal = |(r, a): &(Atom<'_>, Atom<'_>)| r.kind == Kind::Word && a.kind == Kind::Word && r.text != a.text;
    parallel(reference, attack).is_none_or(|pairs| pairs.iter().any(unequal))
}
