//! What is known so far of who is who in two runs: values that were sent or given at the same place of a pair of requests.

use std::collections::{HashMap, HashSet};

use crate::prove::parse::{ParsedRun, RequestValue, given, shown};

/// Values of the baseline and what stood for them in the other run.
#[derive(Default)]
pub(super) struct Counterparts {
    forward: HashMap<String, HashSet<String>>,
    backward: HashSet<String>,
}

impl Counterparts {
    /// At first only the word that `{run}` stood for is known.
    pub(super) fn new(baseline: &ParsedRun, other: &ParsedRun) -> Counterparts {
        let mut counterparts = Counterparts::default();
        counterparts.add(&baseline.journal.run, &other.journal.run);
        counterparts
    }

    fn add(&mut self, baseline: &str, other: &str) {
        self.forward.entry(baseline.to_owned()).or_default().insert(other.to_owned());
        self.backward.insert(other.to_owned());
    }

    /// What a pair of requests tells: the values sent, and those given in the responses.
    pub(super) fn add_pair(&mut self, (baseline, r): (&ParsedRun, usize), (other, a): (&ParsedRun, usize)) {
        for value in &other.requests[a].values {
            if let Some(here) = baseline.requests[r].values.iter().find(|here| here.place == value.place)
                && here.text != value.text
            {
                self.add(&here.text, &value.text);
            }
        }
        let given_there = given(other, a);
        if given_there.is_empty() {
            return;
        }
        for (place, text) in given(baseline, r) {
            if let Some((_, there)) = given_there.iter().find(|(there, _)| *there == place) {
                self.add(&text, there);
            }
        }
    }

    /// What a page tells that both runs read at the same point: a token that either of them shows for the first time was made
    /// for this page, so the form that carries it belongs to the same page. Only for runs of one client: with several, the
    /// parts of a list may stand in another order.
    pub(super) fn add_page(&mut self, (baseline, r): (&ParsedRun, usize), (other, a): (&ParsedRun, usize)) {
        let there = shown(other, a);
        for (place, text) in if there.is_empty() { Vec::new() } else { shown(baseline, r) } {
            if let Some((_, there)) = there.iter().find(|(there, _)| *there == place)
                && (!self.forward.contains_key(&text) || !self.backward.contains(there))
            {
                self.add(&text, there);
            }
        }
    }

    /// How well the values of two requests fit each other: the higher, the better.
    pub(super) fn fit(&self, baseline: &[RequestValue], other: &[RequestValue]) -> i32 {
        let mut sum = 0;
        let mut at = 0;
        for value in other {
            // Both stand in the same order, so the counterpart is rarely far.
            let found = baseline[at..].iter().position(|here| here.place == value.place);
            match found {
                Some(ahead) => {
                    sum += self.fit_of(&baseline[at + ahead].text, &value.text);
                    at += ahead + 1;
                }
                None => sum -= 1,
            }
        }
        sum
    }

    fn fit_of(&self, baseline: &str, other: &str) -> i32 {
        match self.forward.get(baseline) {
            Some(names) if names.contains(other) => 8,
            Some(_) => -8,
            None if baseline == other => 3,
            None if self.backward.contains(other) => -8,
            None => -1,
        }
    }
}
