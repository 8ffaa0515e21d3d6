//! Gives each request of one run to an instance, as the experiment says. Pure: it knows no processes.

use std::time::Duration;

use super::experiment::{COLD, Experiment, HandOver, Intervention, KillMoment, Schedule, Together, Way};
use crate::exchange::Request;
use crate::prove::request_key::{RequestKey, RequestKeys, RequestPatterns};

/// Who gets a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The live instance with this number, from 0.
    Live(usize),
    /// As above, and it is killed once it has answered.
    LiveLast(usize),
    /// One that has served nothing.
    Fresh,
    /// The one that got the request before; a fresh one, where none did.
    Stay,
    /// As above, and it ends once it has answered.
    StayLast,
    /// One that has served nothing, and that lives on.
    Spared,
    /// One that has served nothing, and that is killed only after a pause.
    KilledLater,
    /// One that has served nothing, once the one for the next request has been ready for so long.
    Rested(Duration),
    /// The one that served the first of this group of requests that belong together, or a fresh one that is kept for the
    /// rest of them.
    Kept(usize),
    /// Not to where the others go: nobody else may see what it does.
    Withheld(Way),
    /// To the live instance, which is killed at this moment; then to another one, which is the live one from then on.
    KilledAt(KillMoment),
}

/// Requests that share an instance.
#[derive(Debug)]
struct Group {
    together: Together,
    /// The first group that has requests in common with this one: all of them share one instance.
    first: usize,
    /// The last request was the reader or a repetition of it.
    was_reader: bool,
}

/// Routes the requests of one run.
#[derive(Debug)]
pub(crate) struct Router {
    experiment: Experiment,
    keys: RequestKeys,
    groups: Vec<Group>,
    /// Whether the last request may have written.
    wrote: bool,
    /// The last request.
    last: Option<Request>,
    /// How many safe requests equal to it have come in a row.
    row: usize,
    /// A driver that polls longer than in any baseline waits for what no instance lives long enough to do.
    longest_row: usize,
}

impl Router {
    /// Routes a new run; `patterns`: what its requests look like.
    pub(crate) fn new(experiment: Experiment, patterns: RequestPatterns) -> Router {
        let longest_row = patterns.longest_row();
        let keys = RequestKeys::new(patterns);
        let groups = groups(&experiment);
        Router { experiment, keys, groups, wrote: false, last: None, row: 0, longest_row }
    }

    /// Must be called once for each request, in the order of arrival. The key names it in all runs.
    pub(crate) fn route(&mut self, number: usize, request: &Request) -> (RequestKey, Route) {
        let key = self.keys.next(request);
        let route = self.route_of(number, request, &key);
        (key, route)
    }

    /// A request that is not routed, and yet is one of those that look the same.
    pub(crate) fn note(&mut self, request: &Request) {
        self.keys.next(request);
    }

    fn route_of(&mut self, number: usize, request: &Request, key: &RequestKey) -> Route {
        let safe = request.is_safe();
        // A browser asks whether it may ask again.
        let as_before =
            safe && !request.is_preflight() && self.last.as_ref().is_some_and(|last| last.asks_the_same(request));
        if !request.is_preflight() {
            self.last = Some(request.clone());
            self.row = if as_before { self.row + 1 } else { 1 };
        }
        let belongs = if request.is_preflight() { None } else { self.belongs_together(as_before, key) };
        let after_a_write = std::mem::replace(&mut self.wrote, !safe);
        let polls = self.row > self.longest_row;
        let covers = |keys: &[RequestKey]| keys.iter().any(|one| one.covers(key));
        match (&self.experiment.schedule, &self.experiment.intervention, belongs) {
            (Schedule::Baseline { .. }, ..) => {
                let withheld = self.experiment.withholds(key).map(Route::Withheld);
                let killed = self.experiment.kills_at(key).map(Route::KilledAt);
                withheld.or(killed).unwrap_or(Route::Live(0))
            }
            (Schedule::Rotate(_), _, Some(group)) => Route::Live(self.groups[group].together.side),
            (Schedule::Rotate(pass), ..) => Route::Live(pass.side(number, safe)),
            (Schedule::Cold, ..) => Route::Live((number - 1) % COLD),
            (Schedule::Sticky { clients, dies }, ..) => {
                // What was not in the baseline goes where nobody else does.
                let client = clients.iter().position(|one| covers(one)).unwrap_or(clients.len()) % COLD;
                let is_last = dies.as_ref().is_some_and(|dies| dies.covers(key));
                if is_last { Route::LiveLast(client) } else { Route::Live(client) }
            }
            (Schedule::Amnesia(_) | Schedule::Roll(_), _, Some(group)) => Route::Kept(group),
            (_, Intervention::Spared(spared), _) if covers(spared) => Route::Spared,
            (_, Intervention::KilledLater(late), _) if covers(late) => Route::KilledLater,
            (_, Intervention::Rested(rested), _) if covers(&rested.requests) => Route::Rested(rested.age),
            _ if polls => Route::Stay,
            (Schedule::Amnesia(hand_over) | Schedule::Roll(hand_over), ..) => match hand_over {
                HandOver::Only(keys) if safe && !after_a_write && !covers(keys) => Route::Stay,
                HandOver::After(keys) if safe && !covers(keys) => Route::Stay,
                HandOver::After(_) => Route::StayLast,
                HandOver::Only(_) | HandOver::Each => Route::Fresh,
            },
        }
    }

    /// The group of requests that share an instance to which this one belongs.
    fn belongs_together(&mut self, as_before: bool, key: &RequestKey) -> Option<usize> {
        let mut found = None;
        for group in &mut self.groups {
            let together = &group.together;
            let is_reader = together.reader.as_ref().is_some_and(|reader| reader.covers(key))
                || (together.polls && as_before && group.was_reader);
            group.was_reader = is_reader;
            if is_reader || together.writers.iter().any(|one| one.covers(key)) {
                found = found.or(Some(group.first));
            }
        }
        found
    }
}

fn groups(experiment: &Experiment) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (at, together) in experiment.groups().enumerate() {
        let met: Vec<usize> = groups.iter().filter(|one| one.together.meets(together)).map(|one| one.first).collect();
        let first = met.iter().copied().min().unwrap_or(at);
        groups.iter_mut().filter(|one| met.contains(&one.first)).for_each(|one| one.first = first);
        groups.push(Group { together: together.clone(), first, was_reader: false });
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::super::experiment::{Pass, Rested};
    use super::*;
    use crate::prove::request_key::Which;

    #[test]
    fn passes_separate_every_pair_and_each_write_from_the_reads_around_it() {
        let method = |number: usize| if number.is_multiple_of(3) { "POST" } else { "GET" };
        for requests in 1..70 {
            let passes: Vec<Vec<Route>> = Pass::all(requests)
                .into_iter()
                .map(|pass| {
                    let mut router = Router::new(Schedule::Rotate(pass).plain(), RequestPatterns::default());
                    let request = |number: usize| Request::plain(method(number), "/");
                    (1..=requests).map(|number| router.route(number, &request(number)).1).collect()
                })
                .collect();
            let is_write = |at: &usize| method(at + 1) == "POST";
            for write in (0..requests).filter(is_write) {
                for (before, after) in
                    (0..write).flat_map(|before| (write + 1..requests).map(move |after| (before, after)))
                {
                    let apart = |pass: &&Vec<Route>| pass[before] == pass[after] && pass[before] != pass[write];
                    let reads = !is_write(&before) && !is_write(&after);
                    assert!(!reads || passes.iter().any(|pass| apart(&pass)), "{before} {write} {after} of {requests}");
                }
            }
            for one in 0..requests {
                for other in 0..one {
                    assert!(passes.iter().any(|pass| pass[one] != pass[other]), "{other} and {one} of {requests}");
                }
            }
        }
        assert_eq!([1, 2, 3, 100].map(|requests| Pass::all(requests).len()), [0, 2, 3, 8]);
    }

    #[test]
    fn instances_that_started_at_once_serve_by_turns_and_those_that_are_replaced_serve_once() {
        let routes = |schedule: Schedule| {
            let mut router = Router::new(schedule.plain(), RequestPatterns::default());
            let mut get = |number: usize| router.route(number, &Request::plain("GET", &format!("/{number}"))).1;
            [get(1), get(2), get(3), get(4)]
        };
        assert_eq!(routes(Schedule::Cold), [0, 1, 2, 0].map(Route::Live));
        let clients = ["GET /1", "GET /2", "GET /3"].map(|one| vec![key(one, 1)]).to_vec();
        let sticky = Schedule::Sticky {
            clients: [clients, vec![vec![key("GET /4", 1)]]].concat(),
            dies: Some(key("GET /2", 1)),
        };
        assert_eq!(routes(sticky), [Route::Live(0), Route::LiveLast(1), Route::Live(2), Route::Live(0)]);
        let second = || vec![key("GET /2", 1)];
        let replaced = [Route::Stay, Route::StayLast, Route::Stay, Route::Stay];
        assert_eq!(routes(Schedule::Roll(HandOver::After(second()))), replaced);
        assert_eq!(routes(Schedule::Amnesia(HandOver::Each)), [Route::Fresh; 4]);
    }

    #[test]
    fn those_that_belong_together_are_told_apart_by_their_turn() {
        let second = key("POST /cart", 2);
        assert_eq!(given(&[second], None, &["POST /cart"; 3]), [Route::Fresh, Route::Kept(0), Route::Fresh]);
    }

    #[test]
    fn what_a_driver_polls_stays_together() {
        let job = key("GET /jobs/4", 1);
        let requests = ["POST /jobs", "GET /jobs/4", "GET /jobs/4", "GET /", "GET /jobs/4"];
        let expected = [Route::Fresh, Route::Kept(0), Route::Kept(0), Route::Fresh, Route::Fresh];
        assert_eq!(given(&[], Some(job), &requests), expected);
    }

    #[test]
    fn what_a_browser_asks_before_it_asks_again_does_not_end_a_row() {
        let (job, mut may) = (Request::plain("GET", "/jobs/4"), Request::plain("OPTIONS", "/jobs/4"));
        may.headers.push(("access-control-request-method".to_owned(), b"GET".to_vec()));
        let together = Together { writers: Vec::new(), reader: Some(key("GET /jobs/4", 1)), polls: true, side: 0 };
        let amnesia = Schedule::Amnesia(HandOver::Each).plain().with(Intervention::Together(together)).unwrap();
        let mut router = Router::new(amnesia, RequestPatterns::default());
        let given: Vec<Route> =
            [&may, &job, &may, &job].iter().zip(1..).map(|(one, number)| router.route(number, one).1).collect();
        assert_eq!(given, [Route::Fresh, Route::Kept(0), Route::Fresh, Route::Kept(0)]);
    }

    #[test]
    fn requests_that_look_alike_are_polled_only_where_they_ask_for_the_same() {
        let mut patterns = RequestPatterns::default();
        let orders = ["/orders/4", "/orders/5"].map(|target| Request::plain("GET", target));
        patterns.add(&orders.iter().collect::<Vec<&Request>>(), &[]);
        let order = RequestKey { pattern: "GET /orders/*?".to_owned(), which: Which::Nth(1) };
        let together = Together { writers: Vec::new(), reader: Some(order), polls: true, side: 0 };
        let amnesia = Schedule::Amnesia(HandOver::Each).plain().with(Intervention::Together(together)).unwrap();
        let mut router = Router::new(amnesia, patterns);
        let targets = ["/orders/4", "/orders/4", "/orders/5", "/orders/4"];
        let mut get = |number: usize, target: &str| router.route(number, &Request::plain("GET", target)).1;
        let given: Vec<Route> = targets.iter().zip(1..).map(|(one, number)| get(number, one)).collect();
        assert_eq!(given, [Route::Kept(0), Route::Kept(0), Route::Fresh, Route::Fresh]);
        // Nor is it a driver that polls for ever which asks for one thing after another.
        let targets: Vec<String> = (1..20).map(|number| format!("/orders/{number}")).collect();
        let last = targets.iter().zip(5..).map(|(one, number)| get(number, one)).last();
        assert_eq!(last, Some(Route::Fresh));
    }

    #[test]
    fn calls_that_read_are_polled_only_where_they_ask_for_the_same() {
        let call = |id: usize, uri: &str| {
            let call = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"resources/read","params":{{"uri":"{uri}"}}}}"#);
            Request::json("POST", "/mcp", &call)
        };
        let reader = RequestKey { pattern: "? POST /mcp resources/read".to_owned(), which: Which::Nth(1) };
        let together = Together { writers: Vec::new(), reader: Some(reader), polls: true, side: 0 };
        let amnesia = Schedule::Amnesia(HandOver::Each).plain().with(Intervention::Together(together)).unwrap();
        let mut router = Router::new(amnesia, RequestPatterns::default());
        let given: Vec<Route> =
            ["a", "a", "b"].iter().zip(1..).map(|(uri, number)| router.route(number, &call(number, uri)).1).collect();
        assert_eq!(given, [Route::Kept(0), Route::Kept(0), Route::Fresh]);
    }

    #[test]
    fn a_control_changes_one_request_and_nothing_else() {
        let given = |intervention: Intervention| {
            let amnesia = Schedule::Amnesia(HandOver::Each).plain().with(intervention).unwrap();
            let mut router = Router::new(amnesia, RequestPatterns::default());
            ["/tea", "/milk"].map(|target| router.route(1, &Request::plain("GET", target)).1)
        };
        let milk = || vec![key("GET /milk", 1)];
        let age = Duration::from_millis(300);
        let rested = Intervention::Rested(Rested { requests: milk(), age });
        assert_eq!(given(rested), [Route::Fresh, Route::Rested(age)]);
        assert_eq!(given(Intervention::KilledLater(milk())), [Route::Fresh, Route::KilledLater]);
        assert_eq!(given(Intervention::OneDisk), [Route::Fresh, Route::Fresh]);
    }

    #[test]
    fn each_group_has_its_instance_unless_a_request_belongs_to_both() {
        let group = |writer: &str, reader: &str| {
            let (writers, reader) = (vec![key(writer, 1)], Some(key(reader, 1)));
            Intervention::Together(Together { writers, reader, polls: false, side: 0 })
        };
        let given = |second: Intervention| {
            let found = Schedule::Amnesia(HandOver::Each).plain().healed_by(group("PUT /tea", "GET /tea"));
            let mut router = Router::new(found.with(second).unwrap(), RequestPatterns::default());
            let requests = [("PUT", "/tea"), ("GET", "/tea"), ("PUT", "/milk"), ("GET", "/milk")];
            let numbered = requests.iter().zip(1..);
            let given =
                numbered.map(|((method, target), number)| router.route(number, &Request::plain(method, target)).1);
            given.collect::<Vec<Route>>()
        };
        let apart = [Route::Kept(0), Route::Kept(0), Route::Kept(1), Route::Kept(1)];
        assert_eq!(given(group("PUT /milk", "GET /milk")), apart);
        let chained = [Route::Kept(0), Route::Kept(0), Route::Fresh, Route::Kept(0)];
        assert_eq!(given(group("GET /tea", "GET /milk")), chained);
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
