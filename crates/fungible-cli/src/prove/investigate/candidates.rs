//! Which requests may be the cause of a deviation, by what one run and the baselines show. It runs nothing.

use crate::prove::baselines::Observed;
use crate::prove::model::Model;
use crate::prove::request_key::RequestKey;

/// A request that may have left something behind: its number in the baseline, and its key.
pub(super) type Suspect = (usize, RequestKey);

/// Numbers of the requests that came before the answer of `reader` had ended, the most likely writers first: who minted
/// what it carries, who wrote, who is near. One that came later than the reader may feed a stream that it reads, or have
/// written what it waits for.
pub(super) fn candidates(model: &Model, reader: usize) -> Vec<usize> {
    let exchanges = model.exchanges();
    let carried = model.carried();
    let minted_for = |writer: usize| {
        carried.iter().any(|one| one.minted.0 == writer && one.sent.iter().any(|(by, _)| *by == reader))
    };
    let writes = |number: usize| model.is_write(number);
    let (until, streams) = (exchanges[reader - 1].ended, !exchanges[reader - 1].frames.is_empty());
    let may_feed = |number: usize| exchanges[number - 1].arrived < until && (streams || writes(number));
    // What the proof asked again was asked of every instance.
    let by_a_client = |number: &usize| exchanges[number - 1].again.is_none();
    let mut numbers: Vec<usize> = (1..=exchanges.len())
        .filter(|number| *number < reader || *number > reader && may_feed(*number))
        .filter(by_a_client)
        .collect();
    numbers.sort_by_key(|number| {
        let rank = match (writes(*number), minted_for(*number)) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        (*number > reader, rank, reader.abs_diff(*number))
    });
    numbers
}

/// The candidates that were served by another instance than the reader: what shared its instance all the time is not what
/// it could not see.
pub(super) fn apart(failing: &Observed, candidates: &[Suspect], reader: usize) -> Vec<Suspect> {
    let pairs = &failing.comparison.pairs;
    let instance = |number: usize| {
        let (_, there) = pairs.iter().find(|(here, _)| *here == number)?;
        failing.run.exchanges()[there - 1].instance.as_ref()
    };
    let of_reader = instance(reader);
    let is_apart = |number: usize| instance(number).is_none_or(|one| Some(one) != of_reader);
    candidates.iter().filter(|(number, _)| is_apart(*number)).cloned().collect()
}

/// One candidate for all that look the same.
pub(super) fn patterns(candidates: &[Suspect]) -> Vec<Suspect> {
    let mut patterns: Vec<Suspect> = Vec::new();
    for (number, key) in candidates {
        if !patterns.iter().any(|(_, one)| one.pattern == key.pattern) {
            patterns.push((*number, key.all()));
        }
    }
    patterns
}

pub(super) fn numbers(candidates: &[Suspect]) -> Vec<usize> {
    let mut numbers: Vec<usize> = candidates.iter().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    numbers
}

/// The equal safe requests in a row of which this is the last; it alone, where there are no others. Requests for other things are not
/// equal, alike as they may look: what was made for one of two things is not missed by the other.
pub(super) fn row(model: &Model, reader: usize) -> Vec<usize> {
    let request = |number: usize| &model.exchanges()[number - 1].request;
    // A router sees requests alone: what only the rest of the run shows to be safe it does not keep together.
    let is_safe = |number: usize| request(number).is_safe() && !model.is_write(number);
    let mut row = vec![reader];
    let mut first = reader;
    // A browser asks in between whether it may ask again.
    for before in (1..reader).rev().filter(|number| !request(*number).is_preflight()) {
        if !is_safe(first) || !request(before).asks_the_same(request(first)) {
            break;
        }
        row.push(before);
        first = before;
    }
    row.reverse();
    row
}

/// Whether a driver that polls has sent these: more than two, or not the same number in each baseline.
pub(super) fn is_polled(model: &Model, row: &[usize]) -> bool {
    row.len() > 2 || row.len() > 1 && row.last().is_some_and(|last| model.is_loose(*last))
}

/// Whether two requests were ever in flight at once.
pub(super) fn has_parallel_clients(model: &Model) -> bool {
    model.exchanges().windows(2).any(|pair| pair[1].arrived < pair[0].ended)
}
