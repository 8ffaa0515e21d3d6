//! Names that instances give themselves, among what differs. It decides nothing about a single place.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Baseline;
use super::finding::{DifferenceKind, Label, NotCompared};
use super::judge::{Judge, Unequal};
use super::request::Value;
use super::{answer, survey};
use crate::exchange::{Exchange, Outcome};
use crate::prove::journal::Journal;

/// Words in the names of keys under which an instance names itself.
const OF_INSTANCES: &[&str] = &[
    "instance",
    "server",
    "served",
    "host",
    "node",
    "worker",
    "machine",
    "replica",
    "container",
    "pod",
    "process",
    "pid",
    "boot",
    "backend",
    "shard",
    "cluster",
    "started",
    "build",
    "runtime",
    "hash",
];

/// Fields that say something to the client, whoever answers.
const TELLING: &[&str] =
    &["location", "link", "allow", "vary", "content-", "set-cookie", "www-", "retry-", "access-control-", "cache-"];

/// An attack, the places of its requests beside those of the reference's, and what its requests carry.
type Aligned<'a> = (&'a Journal, &'a [(usize, usize)], &'a [Vec<Value>]);

impl Baseline {
    /// Names that instances give themselves, among what no one-to-one map holds together.
    pub(super) fn labels(
        &self,
        judge: &Judge<'_>,
        (attack, pairs, values): Aligned<'_>,
        found: &mut Vec<Unequal>,
    ) -> Vec<Label> {
        let mut labels = Vec::new();
        let sent = survey::sent(values);
        let differing: HashSet<usize> = found.iter().map(|unequal| unequal.exchange).collect();
        let number: HashMap<usize, usize> = pairs.iter().map(|(r, a)| (*a, self.first.exchanges[*r].number)).collect();
        // The version of an asset: whoever is asked for it by another's name answers all the same.
        let does_no_harm = |names: &HashMap<String, Option<String>>| {
            let carriers = attack.exchanges.iter().zip(values).enumerate().filter_map(|(at, (exchange, values))| {
                let by = |name: &String| survey::sent(std::slice::from_ref(values)).contains(name);
                let (_, minted) = names.iter().find(|(name, _)| by(name))?;
                Some((at, exchange.writes(), exchange.instance.is_some() && exchange.instance != *minted))
            });
            let carriers: Vec<_> = carriers.collect();
            let alike = |at: &usize| number.get(at).is_some_and(|number| !differing.contains(number));
            carriers.iter().any(|(.., elsewhere)| *elsewhere)
                && carriers.iter().all(|(at, writes, _)| !writes && alike(at))
        };
        // The one instance of a reference has one name: where several values move at once, they are of other things.
        let moves = |token: &&String| judge.observed.get(*token).is_some_and(|names| names.len() > 1);
        let moving = judge.tokens_at.values().map(|tokens| tokens.iter().filter(moves).collect::<Vec<_>>());
        let several: HashSet<&str> = moving.filter(|moving| moving.len() > 1).flatten().map(String::as_str).collect();
        let is_label = |token: &str| {
            let Some(names) = judge.observed.get(token) else { return false };
            let instances: HashSet<_> = names.values().flatten().collect();
            let differs = self.references == 1 || self.unstable.minted.contains(token);
            let is_sent = self.survey.sent.contains(token) || names.keys().any(|name| sent.contains(name));
            differs
                && (!is_sent || does_no_harm(names))
                && !several.contains(token)
                && names.len() > 1
                && instances.len() == names.len()
        };
        for (token, names) in judge.observed.iter().filter(|(token, _)| is_label(token)) {
            for (value, instance) in names {
                labels.push(Label {
                    place: judge.observed_at.get(token).map(|(_, place)| place.clone()).unwrap_or_default(),
                    instance: instance.clone().unwrap_or_default(),
                    value: value.clone(),
                });
            }
        }
        found.retain(|unequal| !unequal.token.as_ref().is_some_and(|token| is_label(token)));
        labels
    }

    /// Fields that say the same in all answers of one instance and something else in those of each other one, as where
    /// instances are counted in the shared store: in each reference the only one is the first. Takes what was found there.
    pub(super) fn ordinals(&self, attack: &Journal, found: &mut Vec<Unequal>) -> Vec<Label> {
        let mut labels = Vec::new();
        let mut places: Vec<String> = found
            .iter()
            .filter(|one| one.kind == DifferenceKind::Header)
            .filter_map(|one| one.place.strip_prefix("header "))
            .filter(|name| !TELLING.iter().any(|start| name.starts_with(start)) && !name.contains("limit"))
            .map(str::to_owned)
            .collect();
        places.sort();
        places.dedup();
        for name in places {
            let here = by_instance(&self.first.exchanges, &name);
            let there = by_instance(&attack.exchanges, &name);
            let (Some(here), Some(there)) = (here, there) else { continue };
            let values: HashSet<&String> = there.values().collect();
            let sent = |value: &String| self.survey.said.contains(&value.to_lowercase());
            if here.len() == 1 && there.len() > 1 && values.len() == there.len() && !there.values().any(sent) {
                let place = format!("header {name}");
                found.retain(|one| one.place != place);
                labels.extend(there.into_iter().map(|(instance, value)| Label {
                    place: place.clone(),
                    instance,
                    value,
                }));
            }
        }
        labels
    }

    /// Labels that stand in one kind of answer only, under a key that does not speak of instances: they may as well be what
    /// an instance made up for a thing and kept.
    pub(super) fn doubtful(judge: &Judge<'_>, labels: &[Label]) -> Vec<NotCompared> {
        let mut doubts: Vec<NotCompared> = Vec::new();
        for (token, names) in &judge.observed {
            let Some((exchange, place)) = judge.observed_at.get(token) else { continue };
            let is_label = labels.iter().any(|label| label.place == *place && names.contains_key(&label.value));
            let kinds = judge.tokens_at.values().filter(|tokens| tokens.contains(token)).count();
            let key = place.rsplit(['.', ' ']).next().unwrap_or_default().to_lowercase();
            let speaks = OF_INSTANCES.iter().any(|word| key.contains(word));
            if is_label && kinds == 1 && place.starts_with("body $.") && !speaks {
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
}

/// The one value that the field has in all answers of each instance; nothing where one has several, or none.
fn by_instance(exchanges: &[Exchange], name: &str) -> Option<BTreeMap<String, String>> {
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for exchange in exchanges {
        let (Outcome::Answered { headers, .. }, Some(instance)) = (&exchange.outcome, &exchange.instance) else {
            continue;
        };
        let value = answer::field(headers, name);
        if value.is_empty() || values.entry(instance.clone()).or_insert_with(|| value.clone()) != &value {
            return None;
        }
    }
    Some(values)
}
