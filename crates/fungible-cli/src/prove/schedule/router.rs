//! Gives each request of one run to an instance, as the experiment says. Pure: it knows no processes.

use super::experiment::{Experiment, HandOver, Intervention, Schedule, side};
use crate::exchange::Request;
use crate::prove::request_key::{RequestKey, RequestKeys, RequestPatterns};

/// Who gets a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The live instance with this number, from 0.
    Live(usize),
    /// One that has served nothing.
    Fresh,
    /// The one that got the request before; a fresh one, where none did.
    Stay,
    /// One that has served nothing, and that lives on.
    Spared,
    /// The one that served the first of those that belong together, or a fresh one that is kept for the rest of them.
    Kept,
}

/// Routes the requests of one run.
#[derive(Debug)]
pub(crate) struct Router {
    experiment: Experiment,
    keys: RequestKeys,
    /// What the last request looked like, if it was the reader or a repetition of it.
    reader: Option<String>,
    /// Whether the last request may have written.
    wrote: bool,
    /// The last request if it was safe, and how many like it have come in a row.
    row: (String, usize),
    /// A driver that polls longer than in any baseline waits for what no instance lives long enough to do.
    longest_row: usize,
}

impl Router {
    /// Routes a new run; `patterns`: what its requests look like.
    pub(crate) fn new(experiment: Experiment, patterns: RequestPatterns) -> Router {
        let longest_row = patterns.longest_row();
        let row = (String::new(), 0);
        Router { experiment, keys: RequestKeys::new(patterns), reader: None, wrote: false, row, longest_row }
    }

    /// Must be called once for each request, in the order of arrival. The key names it in all runs.
    pub(crate) fn route(&mut self, number: usize, request: &Request) -> (RequestKey, Route) {
        let key = self.keys.next(request);
        let route = self.route_of(number, request.is_safe(), &key);
        (key, route)
    }

    fn route_of(&mut self, number: usize, safe: bool, key: &RequestKey) -> Route {
        let belongs = self.belongs_together(safe, key);
        let after_a_write = std::mem::replace(&mut self.wrote, !safe);
        let as_before = safe && self.row.0 == key.pattern;
        self.row = (key.pattern.clone(), if as_before { self.row.1 + 1 } else { 1 });
        let polls = self.row.1 > self.longest_row;
        let covers = |keys: &[RequestKey]| keys.iter().any(|one| one.covers(key));
        match (&self.experiment.schedule, &self.experiment.intervention) {
            (Schedule::Baseline { .. }, _) => Route::Live(0),
            (Schedule::Rotate { .. }, Intervention::Together(together)) if belongs => Route::Live(together.side),
            (Schedule::Rotate { bit }, _) => Route::Live(side(*bit, number)),
            (Schedule::Amnesia(_), _) if belongs => Route::Kept,
            (Schedule::Amnesia(_), Intervention::Spared(spared)) if covers(spared) => Route::Spared,
            (Schedule::Amnesia(_), _) if polls => Route::Stay,
            (Schedule::Amnesia(hand_over) | Schedule::Withheld(hand_over), _) => match hand_over {
                HandOver::Only(keys) if safe && !after_a_write && !covers(keys) => Route::Stay,
                HandOver::Only(_) | HandOver::Each => Route::Fresh,
            },
        }
    }

    /// Whether it is one of the requests that share an instance.
    fn belongs_together(&mut self, safe: bool, key: &RequestKey) -> bool {
        let before = self.reader.take();
        let Intervention::Together(together) = &self.experiment.intervention else { return false };
        let is_reader = together.reader.as_ref().is_some_and(|reader| reader.covers(key))
            || (together.polls && safe && before.as_ref() == Some(&key.pattern));
        self.reader = is_reader.then(|| key.pattern.clone());
        is_reader || together.writers.iter().any(|one| one.covers(key))
    }
}

#[cfg(test)]
mod tests {
    use super::super::experiment::{Together, rotations};
    use super::*;
    use crate::prove::request_key::Which;

    #[test]
    fn rotations_separate_every_pair_at_least_once() {
        for requests in 1..70 {
            let passes: Vec<Vec<Route>> = (0..rotations(requests))
                .map(|bit| {
                    let mut router = Router::new(Schedule::Rotate { bit }.plain(), RequestPatterns::default());
                    (1..=requests).map(|number| router.route(number, &Request::plain("GET", "/")).1).collect()
                })
                .collect();
            for one in 0..requests {
                for other in 0..one {
                    assert!(passes.iter().any(|pass| pass[one] != pass[other]), "{other} and {one} of {requests}");
                }
            }
        }
        assert_eq!((rotations(1), rotations(2), rotations(3), rotations(100)), (0, 1, 2, 7));
    }

    #[test]
    fn those_that_belong_together_are_told_apart_by_their_turn() {
        let second = key("POST /cart", 2);
        assert_eq!(given(&[second], None, &["POST /cart"; 3]), [Route::Fresh, Route::Kept, Route::Fresh]);
    }

    #[test]
    fn what_a_driver_polls_stays_together() {
        let job = key("GET /jobs/4", 1);
        let requests = ["POST /jobs", "GET /jobs/4", "GET /jobs/4", "GET /", "GET /jobs/4"];
        let expected = [Route::Fresh, Route::Kept, Route::Kept, Route::Fresh, Route::Fresh];
        assert_eq!(given(&[], Some(job), &requests), expected);
    }

    #[test]
    fn slow_starters_are_left_at_writes_after_them_and_where_something_minted_comes_back() {
        let slow = HandOver::Only(vec![key("GET /cart", 1)]);
        let mut router = Router::new(Schedule::Amnesia(slow).plain(), RequestPatterns::default());
        let requests =
            [("GET", "/"), ("POST", "/login"), ("GET", "/"), ("GET", "/help"), ("GET", "/cart"), ("GET", "/help")];
        let given: Vec<Route> = requests
            .iter()
            .zip(1..)
            .map(|((method, target), number)| router.route(number, &Request::plain(method, target)).1)
            .collect();
        assert_eq!(given, [Route::Stay, Route::Fresh, Route::Fresh, Route::Stay, Route::Fresh, Route::Stay]);
    }

    fn given(writers: &[RequestKey], reader: Option<RequestKey>, requests: &[&str]) -> Vec<Route> {
        let together = Together { writers: writers.to_vec(), reader, polls: true, side: 0 };
        let amnesia = Schedule::Amnesia(HandOver::Each).plain();
        let together = amnesia.with(Intervention::Together(together)).unwrap();
        let mut router = Router::new(together, RequestPatterns::default());
        let split = requests.iter().filter_map(|request| request.split_once(' '));
        split
            .zip(1..)
            .map(|((method, target), number)| router.route(number, &Request::plain(method, target)).1)
            .collect()
    }

    /// Of a request that fits no pattern.
    fn key(request: &str, nth: usize) -> RequestKey {
        RequestKey { pattern: format!("? {request}"), which: Which::Nth(nth) }
    }
}
