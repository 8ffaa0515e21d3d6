//! Names that instances give themselves, among what differs. It decides nothing about a single place.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::comparison::Label;
use crate::exchange::{Exchange, Outcome, field};
use crate::prove::deviation::DeviationKind;
use crate::prove::diff::{Deviates, Explanation, Note, Seen, Variation};
use crate::prove::parse::{Dataflow, Meaning, ParsedRun, Place, Scope, Segment, means, sent, words};

/// So many words before a value may say what it is.
const WORDS_BEFORE: usize = 3;

/// A run under attack, aligned with the baseline.
pub(super) struct Aligned<'a> {
    pub(super) baseline: &'a ParsedRun,
    pub(super) dataflow: &'a Dataflow,
    /// Tokens that are another in each baseline; `None`: there is only one baseline.
    pub(super) minted: Option<&'a HashSet<String>>,
    pub(super) attack: &'a ParsedRun,
    pub(super) pairs: &'a [(usize, usize)],
    /// Those of them that are compared.
    pub(super) compared: &'a [(usize, usize)],
}

/// What stood for each value of the baseline, and where.
#[derive(Debug, Default)]
pub(super) struct ObservedValues {
    /// Every name that a value got, and the instance it came from (`None`: several).
    names: HashMap<String, HashMap<String, Option<String>>>,
    /// Where each was seen.
    at: HashMap<String, Vec<Seen>>,
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
        self.at.entry(baseline.to_owned()).or_default().push(seen.clone());
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
        let is_name = || {
            let mut at = observed.at.get(value).into_iter().flatten();
            at.any(|seen| names_instance(run.baseline, seen.exchange, &seen.place))
        };
        differs
            && if is_sent { does_no_harm(run, names, &differing) } else { is_name() }
            && !several.contains(value)
            && names.len() > 1
            && instances.len() == names.len()
    };
    let mut labels = Vec::new();
    for (value, names) in observed.names.iter().filter(|(value, _)| is_label(value)) {
        let place =
            observed.at.get(value).and_then(|seen| seen.first()).map(|seen| seen.place.clone()).unwrap_or_default();
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
pub(super) fn does_no_harm(
    run: &Aligned<'_>,
    names: &HashMap<String, Option<String>>,
    differing: &HashSet<usize>,
) -> bool {
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

/// Whether a value stands where services name their instances: in a field of the header that says nothing to clients, under
/// a name or among words that speak of instances, in a footer, or in the address of an asset. Elsewhere it is data: what an
/// instance made up and kept. `exchange`: its number in the baseline.
pub(super) fn names_instance(baseline: &ParsedRun, exchange: usize, place: &str) -> bool {
    let named = |name: &str| means(Meaning::Instance, Scope::Body, name);
    if let Some(cookie) = place.strip_prefix("header set-cookie ") {
        return named(cookie);
    }
    if let Some(field) = place.strip_prefix("header ") {
        return !means(Meaning::ForClients, Scope::ResponseHeader, field);
    }
    let mut parts = place.rsplit(['.', ' ']).map(|name| name.split('[').next().unwrap_or_default());
    let name = parts.next().unwrap_or_default();
    let is_bare = means(Meaning::BareId, Scope::Anywhere, name) || name.eq_ignore_ascii_case("name");
    named(name)
        || is_bare && parts.next().is_some_and(named)
        || place.contains(" footer[")
        || [" @href", " @src"].iter().any(|asset| place.ends_with(asset))
        || beside(baseline, exchange, place).iter().any(|word| means(Meaning::Instance, Scope::Value, word))
}

/// The words of the text at a place, and the last ones of the text before.
fn beside(run: &ParsedRun, exchange: usize, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    let response = exchange.checked_sub(1).and_then(|at| run.response(at));
    let parts = response.iter().flat_map(|response| &response.parts);
    for (root, node) in parts.filter(|(root, _)| place.starts_with(root)) {
        let mut before: Vec<String> = Vec::new();
        node.leaves(&mut Place::root(root.clone()), &mut |at, text| {
            let here = words(text);
            if at.to_string() == place {
                let is_text = matches!(at.last(), Some(Segment::Element(..) | Segment::Line(_)));
                found.extend(before.iter().rev().take(if is_text { WORDS_BEFORE } else { 0 }).cloned());
                found.extend(here.iter().cloned());
            }
            before = here;
        });
    }
    found
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
