//! Requests in flight at once: which these are, and baselines in which they are served in another order. What depends on
//! the order in which they come is chance.

use std::time::Duration;

use super::proof::Proof;
use crate::prove::lab::ProveError;
use crate::prove::parse::ParsedRun;
use crate::prove::schedule::Schedule;

/// Requests that arrive within this time of each other may have been sent together: it is chance which of them comes first. One
/// that comes later was sent after the other, and may tell it to stop.
const SENT_TOGETHER: Duration = Duration::from_millis(100);

/// The numbers of requests each of which was in flight when the next one arrived, in groups, where one of two may write. A
/// stream is open for as long as its client wants: nobody waits for its end.
pub(super) fn at_once(run: &ParsedRun) -> Vec<Vec<usize>> {
    in_flight(run, Duration::MAX)
}

/// Those of them that may have been sent together.
pub(crate) fn sent_together(run: &ParsedRun) -> Vec<Vec<usize>> {
    in_flight(run, SENT_TOGETHER)
}

fn in_flight(run: &ParsedRun, within: Duration) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (at, two) in run.exchanges().windows(2).enumerate() {
        let writes = run.writes(at) || run.writes(at + 1);
        let is_together = two[1].arrived < two[0].ended && two[1].arrived.saturating_sub(two[0].arrived) < within;
        if !writes || !is_together || !two[0].frames.is_empty() {
            continue;
        }
        match groups.last_mut().filter(|group| group.last() == Some(&two[0].number)) {
            Some(group) => group.push(two[1].number),
            None => groups.push(vec![two[0].number, two[1].number]),
        }
    }
    groups
}

/// Several instances serve requests that are in flight at once in any order; one alone serves them as they arrive. Where
/// other orders are not known of these requests (by their numbers in the first baseline), baselines show what depends on
/// them: one in which the last comes first, and, as that leaves one in the middle where it is, one in which the first comes last.
///
/// # Errors
/// When a run cannot be carried out.
pub(crate) async fn learn_orders(proof: &mut Proof<'_, '_>, groups: &[Vec<usize>]) -> Result<(), ProveError> {
    let keys = proof.baselines.keys(proof.lab.patterns());
    let pair = |one: usize, other: usize| (keys[one - 1].clone(), keys[other - 1].clone());
    let turned: Vec<_> = groups.iter().flat_map(|group| group.windows(2)).map(|two| pair(two[0], two[1])).collect();
    let rotated: Vec<_> =
        groups.iter().filter(|group| group.len() > 2).map(|group| pair(group[0], group[group.len() - 1])).collect();
    for swap in [turned, rotated] {
        let is_known = swap.iter().all(|pair| proof.swapped.contains(pair));
        if is_known || !proof.lab.may_run(1) {
            continue;
        }
        proof.swapped.extend(swap.iter().cloned());
        let swapped = proof.lab.run(&Schedule::Baseline { pace: Duration::ZERO, swap }.plain()).await?;
        // Where the driver needs its order, another order is no baseline.
        if proof.baselines.journals().all(|one| one.driver == swapped.driver) {
            proof.baselines.add(swapped);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Exchange, Outcome, Request};
    use crate::prove::journal::Journal;

    fn run(exchanges: Vec<Exchange>) -> ParsedRun {
        ParsedRun::new(Journal { exchanges, ..Journal::empty() })
    }

    /// Arrived and ended so many milliseconds after the start.
    fn exchange(number: usize, method: &str, (arrived, ended): (u64, u64)) -> Exchange {
        Exchange {
            number,
            connection: 1,
            instance: None,
            arrived: Duration::from_millis(arrived),
            ended: Duration::from_millis(ended),
            request: Request::plain(method, "/"),
            outcome: Outcome::Abandoned,
            left: false,
            frames: Vec::new(),
            again: None,
        }
    }

    #[test]
    fn requests_are_at_once_where_each_is_in_flight_when_the_next_arrives_and_one_may_write() {
        let run = run(vec![
            exchange(1, "POST", (0, 10)),
            exchange(2, "POST", (1, 11)),
            exchange(3, "GET", (2, 12)),
            exchange(4, "GET", (3, 13)),
            exchange(5, "POST", (20, 30)),
            exchange(6, "POST", (31, 40)),
            exchange(7, "GET", (32, 33)),
        ]);
        assert_eq!(at_once(&run), [vec![1, 2, 3], vec![6, 7]]);
        assert_eq!(sent_together(&run), at_once(&run));
    }

    #[test]
    fn a_request_that_stops_another_was_not_sent_together_with_it() {
        let run = run(vec![exchange(1, "POST", (0, 500)), exchange(2, "POST", (450, 460))]);
        assert_eq!(at_once(&run), [[1, 2]]);
        assert!(sent_together(&run).is_empty());
    }
}
