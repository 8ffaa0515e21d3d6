//! The map between what the baseline called a thing and what another run calls it: one to one over a whole run. What was
//! bound since a checkpoint can be taken back. It does not decide what may be renamed.

use std::collections::{HashMap, HashSet};

/// Longer values of requests are not looked for in answers.
const LONGEST_PHRASE: usize = 200;

/// The names of one run.
#[derive(Debug, Default)]
pub(crate) struct Renaming {
    forward: HashMap<String, String>,
    backward: HashMap<String, String>,
    /// Numbers mean something only in their kind of place.
    numbers: HashMap<(u64, String), String>,
    numbers_back: HashMap<(u64, String), String>,
    /// Pairs that a request showed or a number was bound by: they hold wherever they stand.
    pairs: HashSet<(String, String)>,
    /// Whole values that the driver made up, by their first two letters.
    phrases: HashMap<(char, char), Vec<(String, String)>>,
    /// What was bound, in this order, since the outermost checkpoint that is open.
    bound: Vec<Bound>,
    /// How many checkpoints are open.
    checkpoints: usize,
}

/// Something that was bound, as far as it is needed to take it back.
#[derive(Debug)]
enum Bound {
    Token(String, String),
    Number((u64, String), (u64, String)),
    Pair((String, String)),
}

/// A state of a [`Renaming`] to which it can be rolled back.
#[derive(Debug)]
pub(crate) struct RenamingMark(usize);

/// Why a pair does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// The baseline's value has another name in this run.
    Moved,
    /// The name belongs to another value of the baseline.
    Taken,
}

impl Renaming {
    /// Opens a checkpoint; each must be closed by [`Renaming::rollback`] or [`Renaming::keep`], the last one first.
    pub(crate) fn checkpoint(&mut self) -> RenamingMark {
        self.checkpoints += 1;
        RenamingMark(self.bound.len())
    }

    /// Takes back all that was bound since, and closes the checkpoint.
    pub(crate) fn rollback(&mut self, to: &RenamingMark) {
        for bound in self.bound.drain(to.0..).rev() {
            match bound {
                Bound::Token(baseline, attack) => {
                    self.forward.remove(&baseline);
                    self.backward.remove(&attack);
                }
                Bound::Number(forth, back) => {
                    self.numbers.remove(&forth);
                    self.numbers_back.remove(&back);
                }
                Bound::Pair(pair) => _ = self.pairs.remove(&pair),
            }
        }
        self.checkpoints -= 1;
    }

    /// Keeps what was bound since, and closes the checkpoint.
    pub(crate) fn keep(&mut self) {
        self.checkpoints -= 1;
        if self.checkpoints == 0 {
            self.bound.clear();
        }
    }

    fn note(&mut self, bound: impl FnOnce() -> Bound) {
        if self.checkpoints > 0 {
            self.bound.push(bound());
        }
    }

    /// Binds two tokens, for the whole run.
    pub(crate) fn bind(&mut self, baseline: &str, attack: &str) -> Result<(), Conflict> {
        match (self.forward.get(baseline), self.backward.get(attack)) {
            (Some(bound), _) if bound != attack => Err(Conflict::Moved),
            (_, Some(holder)) if holder != baseline => Err(Conflict::Taken),
            (Some(_), Some(_)) => Ok(()),
            _ => {
                self.forward.insert(baseline.to_owned(), attack.to_owned());
                self.backward.insert(attack.to_owned(), baseline.to_owned());
                self.note(|| Bound::Token(baseline.to_owned(), attack.to_owned()));
                Ok(())
            }
        }
    }

    /// Binds two numbers within one kind of place.
    pub(crate) fn bind_number(&mut self, kind: u64, baseline: &str, attack: &str) -> Result<(), Conflict> {
        let (back, forth) = ((kind, attack.to_owned()), (kind, baseline.to_owned()));
        match self.numbers_back.get(&back) {
            Some(taken) if taken != baseline => return Err(Conflict::Taken),
            _ => {}
        }
        match self.numbers.get(&forth) {
            Some(moved) if moved != attack => return Err(Conflict::Moved),
            _ => {}
        }
        if self.numbers.insert(forth.clone(), attack.to_owned()).is_none() {
            self.numbers_back.insert(back.clone(), baseline.to_owned());
            self.note(|| Bound::Number(forth, back));
        }
        if baseline != attack {
            self.add_pair((baseline.to_owned(), attack.to_owned()));
        }
        Ok(())
    }

    /// Notes that a request carried the one where the other run's carried the other.
    pub(crate) fn request_pair(&mut self, baseline: &str, attack: &str) {
        if baseline != attack {
            self.add_pair((baseline.to_lowercase(), attack.to_lowercase()));
        }
    }

    fn add_pair(&mut self, pair: (String, String)) {
        if self.pairs.insert(pair.clone()) {
            self.note(|| Bound::Pair(pair));
        }
    }

    /// Notes two whole values of a request.
    pub(crate) fn phrase(&mut self, baseline: &str, attack: &str) {
        let lengths = 2..=LONGEST_PHRASE;
        if baseline == attack || !lengths.contains(&baseline.len()) || !lengths.contains(&attack.len()) {
            return;
        }
        let mut forms = vec![(baseline.to_owned(), attack.to_owned())];
        forms.push((baseline.to_lowercase(), attack.to_lowercase()));
        forms.push((baseline.to_uppercase(), attack.to_uppercase()));
        forms.push((slug(baseline, '-'), slug(attack, '-')));
        forms.push((slug(baseline, '_'), slug(attack, '_')));
        for form in forms {
            let Some(start) = start(&form.0) else { continue };
            let alike = self.phrases.entry(start).or_default();
            if !alike.contains(&form) {
                // The longest first: a name may hold another.
                let at = alike.partition_point(|(baseline, _)| baseline.len() >= form.0.len());
                alike.insert(at, form);
            }
        }
    }

    /// Whether requests of the other run carried something else where those of the baseline carried this whole value.
    pub(crate) fn is_sent_as_another(&self, baseline: &str, attack: &str) -> bool {
        let alike = start(baseline).and_then(|start| self.phrases.get(&start));
        alike.is_some_and(|alike| alike.iter().any(|(one, other)| one == baseline && other != attack))
    }

    /// Whether the two are known to be the same thing.
    pub(crate) fn knows(&self, baseline: &str, attack: &str) -> bool {
        self.forward.get(baseline).is_some_and(|bound| bound == attack)
            || self.pairs.contains(&(baseline.to_owned(), attack.to_owned()))
            || self.pairs.contains(&(baseline.to_lowercase(), attack.to_lowercase()))
    }

    /// The name of a token of the baseline in this run.
    pub(crate) fn name(&self, baseline: &str) -> Option<&str> {
        self.forward.get(baseline).map(String::as_str)
    }

    /// The token of the baseline that has this name in this run.
    pub(crate) fn holder(&self, attack: &str) -> Option<&str> {
        self.backward.get(attack).map(String::as_str)
    }

    /// Text of the baseline with the driver's own values as this run has them.
    pub(crate) fn translate(&self, text: &str) -> Option<String> {
        if self.phrases.is_empty() {
            return None;
        }
        let mut out = String::new();
        let mut rest = text;
        let mut changed = false;
        // One pass from left to right: what was put in is not looked at again.
        while let Some(first) = rest.chars().next() {
            let alike = start(rest).and_then(|start| self.phrases.get(&start));
            if let Some((baseline, attack)) =
                alike.and_then(|alike| alike.iter().find(|(baseline, _)| rest.starts_with(baseline.as_str())))
            {
                out.push_str(attack);
                rest = &rest[baseline.len()..];
                changed = true;
            } else {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        changed.then_some(out)
    }

    /// Everything that was renamed, sorted.
    pub(crate) fn print(&self) -> Vec<(String, String)> {
        let bound = self.forward.iter().filter(|(baseline, attack)| baseline != attack);
        let mut all: Vec<(String, String)> =
            bound.map(|(baseline, attack)| (baseline.clone(), attack.clone())).collect();
        all.extend(self.pairs.iter().cloned());
        all.sort();
        all.dedup();
        all
    }
}

fn start(text: &str) -> Option<(char, char)> {
    let mut letters = text.chars();
    Some((letters.next()?, letters.next()?))
}

/// `My First Post!` as `my-first-post`.
fn slug(text: &str, mark: char) -> String {
    let mut slug = String::new();
    for letter in text.chars() {
        if letter.is_alphanumeric() {
            slug.extend(letter.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with(mark) {
            slug.push(mark);
        }
    }
    slug.trim_end_matches(mark).to_owned()
}
