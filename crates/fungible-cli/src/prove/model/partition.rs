//! Lists that divide things among them, as the pages of one long list do: what each has varies from run to run, but in
//! every baseline each thing is in one of them. Under attack nothing may be in two.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::shown::{Shown, kind, texts};
use crate::exchange::{Exchange, Outcome};
use crate::prove::parse::ParsedRun;

/// Fewer things are divided alike by chance.
const FEWEST: usize = 4;

/// Lists of one kind that divide things among them.
#[derive(Debug)]
pub(super) struct Partition {
    /// The kind of place where they are listed.
    kind: String,
    /// Their numbers in the first baseline.
    exchanges: Vec<usize>,
}

/// What two lists have, though in no baseline anything is in two.
pub(super) struct Overlap {
    /// The later one.
    pub(super) exchange: usize,
    pub(super) place: String,
    pub(super) value: String,
    /// The earlier one.
    pub(super) before: usize,
}

/// What a run lists: by kind of request and of place, and by exchange of the first baseline, the places and what is there.
type Lists = BTreeMap<(u64, String), BTreeMap<usize, Vec<(String, String)>>>;

/// Learns from the first baseline and the others.
pub(super) fn learn(first: &ParsedRun, others: &[Shown<'_>]) -> Vec<Partition> {
    let varying: BTreeSet<usize> = others.iter().flat_map(|other| other.varying(first)).collect();
    let of_first = lists(first, first, varying.iter().map(|number| (*number, *number - 1)));
    let places = |other: &Shown<'_>| other.places().filter(|(number, _)| varying.contains(number)).collect::<Vec<_>>();
    let of_others: Vec<Lists> = others.iter().map(|other| lists(first, other.run, places(other).into_iter())).collect();
    of_first.iter().filter_map(|(key, lists)| partition(key, lists, &of_others)).collect()
}

fn partition(
    key: &(u64, String),
    of_first: &BTreeMap<usize, Vec<(String, String)>>,
    of_others: &[Lists],
) -> Option<Partition> {
    let others: Vec<_> = of_others.iter().map(|lists| lists.get(key)).collect::<Option<_>>()?;
    let at = |lists: &BTreeMap<usize, Vec<(String, String)>>, exchange: usize| -> Option<BTreeSet<String>> {
        lists.get(&exchange).map(|items| items.iter().map(|(_, value)| value.clone()).collect())
    };
    let varies = |exchange: &usize| others.iter().any(|other| at(other, *exchange) != at(of_first, *exchange));
    let exchanges: Vec<usize> = of_first.keys().copied().filter(varies).collect();
    let all = |lists: &BTreeMap<usize, Vec<(String, String)>>| -> Option<BTreeSet<String>> {
        let items: Vec<&String> = exchanges
            .iter()
            .map(|exchange| lists.get(exchange))
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .flat_map(|items| items.iter().map(|(_, value)| value))
            .collect();
        let set: BTreeSet<String> = items.iter().map(|value| (*value).clone()).collect();
        (set.len() == items.len()).then_some(set)
    };
    let things = all(of_first).filter(|things| exchanges.len() > 1 && things.len() >= FEWEST)?;
    let is_same = others.iter().all(|other| all(other).as_ref() == Some(&things));
    is_same.then(|| Partition { kind: key.1.clone(), exchanges })
}

impl Partition {
    /// The first thing that is in two of the lists.
    pub(super) fn overlap(&self, first: &ParsedRun, attack: &Shown<'_>) -> Option<Overlap> {
        let places = attack.places().filter(|(exchange, _)| self.exchanges.contains(exchange));
        let lists = lists(first, attack.run, places);
        let listed = lists.iter().filter(|((_, kind), _)| *kind == self.kind).flat_map(|(_, lists)| lists);
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (exchange, items) in listed {
            for (place, value) in items {
                match seen.insert(value, *exchange) {
                    Some(before) if before != *exchange => {
                        let (place, value) = (place.clone(), value.clone());
                        return Some(Overlap { exchange: *exchange, place, value, before });
                    }
                    _ => {}
                }
            }
        }
        None
    }
}

/// The lists in the bodies of a run; `places`: numbers in the first baseline, with the places in this journal.
fn lists(first: &ParsedRun, run: &ParsedRun, places: impl Iterator<Item = (usize, usize)>) -> Lists {
    let mut lists = Lists::new();
    for (exchange, at) in places.filter(|(_, at)| is_whole(&run.exchanges()[*at])) {
        let request = first.requests[exchange - 1].kind;
        for (place, text) in texts(run, at).into_iter().filter(|(place, _)| place.starts_with("body ")) {
            let kind = kind(&place);
            if kind.contains("[]") || kind.contains(" line ") {
                lists.entry((request, kind)).or_default().entry(exchange).or_default().push((place, text));
            }
        }
    }
    lists
}

fn is_whole(exchange: &Exchange) -> bool {
    matches!(exchange.outcome, Outcome::Answered { status: 200..=299, complete: true, .. }) && !exchange.left
}
