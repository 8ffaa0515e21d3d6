//! The baselines so far, and what they teach. Runs are judged here, each once for each state of that knowledge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::journal::Journal;
use super::model::{Comparison, Ignore, Model};
use super::parse::{Atom, Kind, ParsedRun, Place, Response, atoms, plain, tokens};
use super::request_key::{RequestKey, RequestKeys, RequestPatterns};
use super::verdict::Step;
use crate::exchange::{Body, Exchange, Outcome};

/// Runs on one undisturbed instance: at least one.
pub(crate) struct Baselines {
    runs: Vec<Arc<ParsedRun>>,
    ignores: Vec<Ignore>,
    model: Model,
    /// There will be no more of them.
    are_all: bool,
}

/// A run, and what is to be said of it by what the baselines taught so far.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) run: ParsedRun,
    pub(crate) comparison: Comparison,
}

impl Baselines {
    pub(crate) fn new(first: Journal, ignores: Vec<Ignore>) -> Baselines {
        let runs = vec![Arc::new(ParsedRun::new(first))];
        let model = Model::new(&runs, &ignores);
        Baselines { runs, ignores, model, are_all: false }
    }

    /// Adds one more, and learns from it.
    pub(crate) fn add(&mut self, baseline: Journal) {
        self.runs.push(Arc::new(ParsedRun::new(baseline)));
        self.model = Model::new(&self.runs, &self.ignores);
        if self.are_all {
            self.model.settle();
        }
    }

    /// There will be no more of them, or none that is to tell what they have in common by chance.
    pub(crate) fn settle(&mut self) {
        self.are_all = true;
        self.model.settle();
    }

    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    pub(crate) fn ignores(&self) -> &[Ignore] {
        &self.ignores
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.runs.len()
    }

    /// Their journals, in the order in which they were run.
    pub(crate) fn journals(&self) -> impl DoubleEndedIterator<Item = &Journal> {
        self.runs.iter().map(|run| &run.journal)
    }

    /// Whether the app died by itself in one of them.
    pub(crate) fn has_crashed(&self) -> bool {
        self.journals().any(|one| one.crash().is_some())
    }

    /// Judges a run.
    pub(crate) fn judge(&self, journal: Journal) -> Observed {
        let run = ParsedRun::new(journal);
        Observed { comparison: self.model.judge(&run), run }
    }

    /// Judges runs again, by what was learned since.
    pub(crate) fn judge_again(&self, runs: &mut [Observed]) {
        for one in runs {
            one.comparison = self.model.judge(&one.run);
        }
    }

    /// A request of the first baseline, by its number; the first one where there is no such number.
    pub(crate) fn step(&self, number: Option<usize>) -> Step {
        let exchanges = self.model.exchanges();
        let number = number.unwrap_or(1).clamp(1, exchanges.len().max(1));
        Step { number, exchange: exchanges[number - 1].clone() }
    }

    /// The keys of the requests of the first baseline, in their order.
    pub(crate) fn keys(&self, patterns: &RequestPatterns) -> Vec<RequestKey> {
        let mut keys = RequestKeys::new(patterns.clone());
        self.model.exchanges().iter().map(|one| keys.next(&one.request)).collect()
    }

    /// The statuses that each request of the first baseline got in all of them.
    pub(crate) fn statuses(&self) -> Vec<Vec<u16>> {
        let status = |exchange: &Exchange| match exchange.outcome {
            Outcome::Answered { status, .. } | Outcome::Failed { status, .. } => Some(status),
            Outcome::Ours { .. } | Outcome::Abandoned => None,
        };
        let mut statuses: Vec<Vec<u16>> =
            self.model.exchanges().iter().map(|one| status(one).into_iter().collect()).collect();
        for other in self.runs.iter().skip(1) {
            for (here, there) in self.model.judge(other).pairs {
                statuses[here - 1].extend(status(&other.exchanges()[there - 1]));
            }
        }
        statuses
    }

    /// For each request of the first baseline that writes: the places in its answer of new tokens that are others in the second one. Whether
    /// a request carries them later or only the client looks at them, they are what the client was given.
    pub(crate) fn given_by_writes(&self) -> Vec<Vec<String>> {
        let [first, second, ..] = &self.runs[..] else { return vec![Vec::new(); self.model.exchanges().len()] };
        let pairs: BTreeMap<usize, usize> = self.model.judge(second).pairs.into_iter().collect();
        let mut known: BTreeSet<String> = BTreeSet::new();
        let given = (1..=self.model.exchanges().len()).map(|here| {
            known.extend(first.requests[here - 1].values.iter().map(|value| value.text.clone()));
            let there = pairs.get(&here).filter(|_| self.model.is_write(here));
            let responses = there.and_then(|there| first.response(here - 1).zip(second.response(there - 1)));
            let alike = responses.filter(|(one, other)| one.status == other.status);
            let places = alike.map(|(one, other)| differing_tokens(&one, &other, &known)).unwrap_or_default();
            tokens(first, here - 1, &mut |token| _ = known.insert(token.to_owned()));
            places
        });
        given.collect()
    }

    /// What the requests look like in any run.
    pub(crate) fn patterns(&self) -> RequestPatterns {
        let mut patterns = RequestPatterns::default();
        let others: Vec<(&ParsedRun, Vec<(usize, usize)>)> =
            self.runs.iter().skip(1).map(|other| (other.as_ref(), self.model.judge(other).pairs)).collect();
        for exchange in self.model.exchanges() {
            let number = exchange.number;
            let minted = self.model.carried().iter().filter(|one| one.sent.iter().any(|(by, _)| *by == number));
            let minted: Vec<&str> = minted.map(|one| one.value.as_str()).collect();
            let mut requests = vec![&exchange.request];
            for (other, pairs) in &others {
                let there = pairs.iter().find(|(one, _)| *one == number).map(|(_, there)| there - 1);
                requests.extend(there.map(|there| &other.exchanges()[there].request));
            }
            patterns.add(&requests, &minted);
        }
        for run in &self.runs {
            for row in rows(run.exchanges()) {
                patterns.add_row(row.len());
            }
            let given_up = run.exchanges().iter().filter(|one| one.outcome == Outcome::Abandoned);
            given_up.for_each(|one| patterns.add_given_up(&one.request));
        }
        patterns
    }

    /// How long a driver polled at most until the answer was another one.
    pub(crate) fn longest_change(&self) -> Duration {
        let rows = self.runs.iter().flat_map(|run| rows(run.exchanges()));
        let took = |row: Vec<&Exchange>| match row[..] {
            [first, .., last] if said(first) != said(last) => last.ended.saturating_sub(first.arrived),
            _ => Duration::ZERO,
        };
        rows.map(took).max().unwrap_or_default()
    }

    /// How many requests were in flight at once, at most.
    pub(crate) fn in_flight_at_once(&self) -> usize {
        let exchanges = self.model.exchanges();
        let during = |one: &Exchange| {
            exchanges.iter().filter(|other| other.arrived <= one.arrived && one.arrived < other.ended).count()
        };
        exchanges.iter().map(during).max().unwrap_or_default()
    }
}

/// The places of tokens in the body of a response that another one has otherwise, and that are not `known`.
fn differing_tokens(one: &Response, other: &Response, known: &BTreeSet<String>) -> Vec<String> {
    let with_tokens = |response: &Response| {
        let mut found = BTreeMap::new();
        if let Some(body) = response.part("body") {
            body.leaves(&mut Place::root("body"), &mut |place, text| {
                let text = plain(text).into_owned();
                let is_new =
                    |atom: &Atom<'_>| matches!(atom.kind, Kind::Opaque | Kind::Signed) && !known.contains(atom.text);
                if atoms(&text).iter().any(is_new) {
                    found.insert(place.to_string(), text);
                }
            });
        }
        found
    };
    let others = with_tokens(other);
    with_tokens(one)
        .into_iter()
        .filter(|(place, text)| others.get(place) != Some(text))
        .map(|(place, _)| place)
        .collect()
}

fn said(exchange: &Exchange) -> Option<(u16, &Body)> {
    match &exchange.outcome {
        Outcome::Answered { status, body, .. } => Some((*status, body)),
        Outcome::Ours { .. } | Outcome::Failed { .. } | Outcome::Abandoned => None,
    }
}

/// The requests one after the other that ask for the same and only read, however often a browser asks in between if it may.
fn rows(exchanges: &[Exchange]) -> Vec<Vec<&Exchange>> {
    let asked: Vec<&Exchange> = exchanges.iter().filter(|one| !one.request.is_preflight()).collect();
    let rows = asked.chunk_by(|one, next| one.request.is_safe() && one.request.asks_the_same(&next.request));
    rows.map(<[&Exchange]>::to_vec).collect()
}
