//! The map between what the reference called a thing and what another run calls it: one to one over a whole run.
//! It does not decide what may be renamed.

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
}

/// Why a pair does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// The reference's value has another name in this run.
    Moved,
    /// The name belongs to another value of the reference.
    Taken,
}

impl Renaming {
    /// Binds two tokens, for the whole run.
    pub(crate) fn bind(&mut self, reference: &str, attack: &str) -> Result<(), Conflict> {
        bind(&mut self.forward, &mut self.backward, reference.to_owned(), attack.to_owned())
    }

    /// Binds two numbers within one kind of place.
    pub(crate) fn bind_number(&mut self, kind: u64, reference: &str, attack: &str) -> Result<(), Conflict> {
        let (back, forth) = ((kind, attack.to_owned()), (kind, reference.to_owned()));
        match self.numbers_back.get(&back) {
            Some(taken) if taken != reference => return Err(Conflict::Taken),
            _ => {}
        }
        match self.numbers.get(&forth) {
            Some(moved) if moved != attack => return Err(Conflict::Moved),
            _ => {}
        }
        self.numbers.insert(forth, attack.to_owned());
        self.numbers_back.insert(back, reference.to_owned());
        if reference != attack {
            self.pairs.insert((reference.to_owned(), attack.to_owned()));
        }
        Ok(())
    }

    /// Notes that a request carried the one where the other run's carried the other.
    pub(crate) fn request_pair(&mut self, reference: &str, attack: &str) {
        if reference != attack {
            self.pairs.insert((reference.to_lowercase(), attack.to_lowercase()));
        }
    }

    /// Notes two whole values of a request.
    pub(crate) fn phrase(&mut self, reference: &str, attack: &str) {
        let lengths = 2..=LONGEST_PHRASE;
        if reference == attack || !lengths.contains(&reference.len()) || !lengths.contains(&attack.len()) {
            return;
        }
        let mut forms = vec![(reference.to_owned(), attack.to_owned())];
        forms.push((reference.to_lowercase(), attack.to_lowercase()));
        forms.push((reference.to_uppercase(), attack.to_uppercase()));
        forms.push((slug(reference, '-'), slug(attack, '-')));
        forms.push((slug(reference, '_'), slug(attack, '_')));
        for form in forms {
            let Some(start) = start(&form.0) else { continue };
            let alike = self.phrases.entry(start).or_default();
            if !alike.contains(&form) {
                // The longest first: a name may hold another.
                let at = alike.partition_point(|(reference, _)| reference.len() >= form.0.len());
                alike.insert(at, form);
            }
        }
    }

    /// Whether the two are known to be the same thing.
    pub(crate) fn knows(&self, reference: &str, attack: &str) -> bool {
        self.forward.get(reference).is_some_and(|bound| bound == attack)
            || self.pairs.contains(&(reference.to_owned(), attack.to_owned()))
            || self.pairs.contains(&(reference.to_lowercase(), attack.to_lowercase()))
    }

    /// The name of a token of the reference in this run.
    pub(crate) fn name(&self, reference: &str) -> Option<&str> {
        self.forward.get(reference).map(String::as_str)
    }

    /// The token of the reference that has this name in this run.
    pub(crate) fn holder(&self, attack: &str) -> Option<&str> {
        self.backward.get(attack).map(String::as_str)
    }

    /// Text of the reference with the driver's own values as this run has them.
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
            if let Some((reference, attack)) =
                alike.and_then(|alike| alike.iter().find(|(reference, _)| rest.starts_with(reference.as_str())))
            {
                out.push_str(attack);
                rest = &rest[reference.len()..];
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
        let bound = self.forward.iter().filter(|(reference, attack)| reference != attack);
        let mut all: Vec<(String, String)> =
            bound.map(|(reference, attack)| (reference.clone(), attack.clone())).collect();
        all.extend(self.pairs.iter().cloned());
        all.sort();
        all.dedup();
        all
    }
}

fn bind(
    forward: &mut HashMap<String, String>,
    backward: &mut HashMap<String, String>,
    reference: String,
    attack: String,
) -> Result<(), Conflict> {
    if forward.get(&reference).is_some_and(|bound| *bound != attack) {
        return Err(Conflict::Moved);
    }
    if backward.get(&attack).is_some_and(|bound| *bound != reference) {
        return Err(Conflict::Taken);
    }
    backward.insert(attack.clone(), reference.clone());
    forward.insert(reference, attack);
    Ok(())
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
