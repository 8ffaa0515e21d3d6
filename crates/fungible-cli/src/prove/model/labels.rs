//! Names that instances give themselves, among what differs. It decides nothing about a single place.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::comparison::{Label, NotCompared};
use crate::exchange::{Exchange, Outcome, field};
use crate::prove::deviation::DeviationKind;
use crate::prove::diff::{Deviates, Explanation, Note, Seen, Variation};
use crate::prove::parse::{Dataflow, Meaning, ParsedRun, Scope, means, sent};

/// A run under attack, aligned with the baseline.
pub(super) struct Aligned<'a> {
    pub(super) baseline: &'a ParsedRun,
    pub(super) dataflow: &'a Dataflow,
    /// Tokens that are another in each baseline; `None`: there is only one baseline.
    pub(super) minted: Option<&'a HashSet<String>>,
    pub(super) attack: &'a ParsedRun,
    pub(super) pairs: &'a [(usize, usize)],
}

/// What stood for each value of the baseline, and where.
#[derive(Debug, Default)]
pub(super) struct ObservedValues {
    /// Every name that a value got, and the instance it came from (`None`: several).
    names: HashMap<String, HashMap<String, Option<String>>>,
    /// Where each was seen first.
    at: HashMap<String, Seen>,
    /// The tokens of the baseline by their places.
    tokens: HashMap<u64, HashSet<String>>,
}

impl ObservedValues {
    /// Takes up the values that the notes of a comparison show.
    pub(super) fn of(run: &Aligned<'_>, notes: &[Note]) -> ObservedValues {
        let instances: HashMap<usize, &str> = run
            .pairs
            .iter()
            .map(|(r, a)| {
                let instance = run.attack.exchanges()[*a].instance.as_deref();
                (run.baseline.exchanges()[*r].number, instance.unwrap_or_default())
            })
            .collect();
        let mut observed = ObservedValues::default();
        for note in notes {
            match note {
                Note::Token(token) => {
                    observed.add(&instances, (&token.baseline, &token.attack), &token.seen);
                    observed.tokens.entry(token.key).or_default().insert(token.baseline.clone());
                }
                Note::Deviates(one) if is_observed(one) => {
                    let Some((baseline, attack)) = &one.pair else { continue };
                    let place = one.deviation.place.clone();
                    let seen = Seen { exchange: one.deviation.exchange.unwrap_or_default(), place };
                    observed.add(&instances, (baseline, attack), &seen);
                }
                _ => {}
            }
        }
        observed
    }

    fn add(&mut self, instances: &HashMap<usize, &str>, (baseline, attack): (&str, &str), seen: &Seen) {
        let instance = instances.get(&seen.exchange).copied().unwrap_or_default();
        self.at.entry(baseline.to_owned()).or_insert_with(|| seen.clone());
        self.names
            .entry(baseline.to_owned())
            .or_default()
            .entry(attack.to_owned())
            .and_modify(|from| {
                from.take_if(|from| from != instance);
            })
            .or_insert_with(|| Some(instance.to_owned()));
    }

    /// Values that several names stood for.
    fn moves(&self, value: &str) -> bool {
        self.names.get(value).is_some_and(|names| names.len() > 1)
    }
}

/// A value that differs between baselines, and is another one here.
fn is_observed(one: &Deviates) -> bool {
    one.explanation == Some(Explanation::Varies) && matches!(one.variation, Variation::Values { .. })
}

/// Names that instances give themselves, among what no one-to-one map holds together. Takes from `found` what they explain.
pub(super) fn labels(run: &Aligned<'_>, observed: &ObservedValues, found: &mut Vec<Deviates>) -> Vec<Label> {
    let sent_there = sent(&run.attack.requests);
    let differing: HashSet<usize> = found.iter().filter_map(|one| one.deviation.exchange).collect();
    // The one instance of a baseline has one name: where several values move at once, they are of other things.
    let moving =
        observed.tokens.values().map(|tokens| tokens.iter().filter(|one| observed.moves(one)).collect::<Vec<_>>());
    let several: HashSet<&str> = moving.filter(|moving| moving.len() > 1).flatten().map(String::as_str).collect();
    let is_label = |value: &str| {
        let Some(names) = observed.names.get(value) else { return false };
        let instances: HashSet<_> = names.values().flatten().collect();
        let differs = run.minted.is_none_or(|minted| minted.contains(value));
        let is_sent = run.dataflow.sent.contains(value) || names.keys().any(|name| sent_there.contains(name));
        differs
            && (!is_sent || does_no_harm(run, names, &differing))
            && !several.contains(value)
            && names.len() > 1
            && instances.len() == names.len()
    };
    let mut labels = Vec::new();
    for (value, names) in observed.names.iter().filter(|(value, _)| is_label(value)) {
        let place = observed.at.get(value).map(|seen| seen.place.clone()).unwrap_or_default();
        labels.extend(names.iter().map(|(value, instance)| Label {
            place: place.clone(),
            instance: instance.clone().unwrap_or_default(),
            value: value.clone(),
        }));
    }
    found.retain(|one| !one.pair.as_ref().is_some_and(|(value, _)| one.is_token && is_label(value)));
    labels
}

/// Whether names that requests carry do no harm, as the version of an asset: whoever is asked for it by another's name answers
/// all the same.
fn does_no_harm(run: &Aligned<'_>, names: &HashMap<String, Option<String>>, differing: &HashSet<usize>) -> bool {
    let number: HashMap<usize, usize> =
        run.pairs.iter().map(|(r, a)| (*a, run.baseline.exchanges()[*r].number)).collect();
    let exchanges = run.attack.exchanges().iter().zip(&run.attack.requests).enumerate();
    let carriers = exchanges.filter_map(|(at, (exchange, request))| {
        let carried = sent([request]);
        let (_, minted) = names.iter().find(|(name, _)| carried.contains(*name))?;
        Some((at, run.attack.writes(at), exchange.instance.is_some() && exchange.instance != *minted))
    });
    let carriers: Vec<_> = carriers.collect();
    let alike = |at: &usize| number.get(at).is_some_and(|number| !differing.contains(number));
    carriers.iter().any(|(.., elsewhere)| *elsewhere) && carriers.iter().all(|(at, writes, _)| !writes && alike(at))
}

/// Fields that say the same in all responses of one instance and something else in those of each other one, as where
/// instances are counted in the shared store: in each baseline the only one is the first. Takes what was found there.
pub(super) fn ordinals(run: &Aligned<'_>, found: &mut Vec<Deviates>) -> Vec<Label> {
    let mut labels = Vec::new();
    let mut names: Vec<String> = found
        .iter()
        .filter(|one| one.deviation.kind == DeviationKind::Header)
        .filter_map(|one| one.deviation.place.strip_prefix("header "))
        .filter(|name| !means(Meaning::ForClients, Scope::ResponseHeader, name))
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    for name in names {
        let here = by_instance(run.baseline.exchanges(), &name);
        let there = by_instance(run.attack.exchanges(), &name);
        let (Some(here), Some(there)) = (here, there) else { continue };
        let values: HashSet<&String> = there.values().collect();
        let sent = |value: &String| run.dataflow.said.contains(&value.to_lowercase());
        if here.len() == 1 && there.len() > 1 && values.len() == there.len() && !there.values().any(sent) {
            let place = format!("header {name}");
            found.retain(|one| one.deviation.place != place);
            labels.extend(there.into_iter().map(|(instance, value)| Label { place: place.clone(), instance, value }));
        }
    }
    labels
}

/// Labels that stand in one kind of response only, under a key that does not speak of instances: they may as well be what
/// an instance made up for a thing and kept.
pub(super) fn doubtful(observed: &ObservedValues, labels: &[Label]) -> Vec<NotCompared> {
    let mut doubts: Vec<NotCompared> = Vec::new();
    for (value, names) in &observed.names {
        let Some(Seen { exchange, place }) = observed.at.get(value) else { continue };
        let is_label = labels.iter().any(|label| label.place == *place && names.contains_key(&label.value));
        let kinds = observed.tokens.values().filter(|tokens| tokens.contains(value)).count();
        let key = place.rsplit(['.', ' ']).next().unwrap_or_default();
        if is_label && kinds == 1 && place.starts_with("body $.") && !means(Meaning::Instance, Scope::Body, key) {
            let reason = format!(
                "its {place} is another on each instance and stands nowhere else: either a name of the instance, or \
                 something that each made up and kept"
            );
            doubts.push(NotCompared { exchange: *exchange, reason });
        }
    }
    doubts.sort_by_key(|doubt| doubt.exchange);
    doubts
}

/// The one value that the field has in all responses of each instance; nothing where one has several, or none.
fn by_instance(exchanges: &[Exchange], name: &str) -> Option<BTreeMap<String, String>> {
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for exchange in exchanges {
        let (Outcome::Answered { headers, .. }, Some(instance)) = (&exchange.outcome, &exchange.instance) else {
            continue;
        };
        let value = field(headers, name);
        if value.is_empty() || values.entry(instance.clone()).or_insert_with(|| value.clone()) != &value {
            return None;
        }
    }
    Some(values)
}
