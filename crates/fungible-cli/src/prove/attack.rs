//! Attacks: which instance gets a request, and who dies when. Pure; the run carries it out.

use std::time::Duration;

use super::pattern::{Key, Names, Patterns};
use crate::exchange::is_safe;

/// One way to route and kill during a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attack {
    /// One instance, left in peace.
    Reference {
        /// Each request is held back for this long, as attacks hold it back.
        pace: Duration,
        /// Of two requests in flight together, the first waits until the second was answered: what depends on which of
        /// them comes first is chance.
        swap: Vec<(Key, Key)>,
    },
    /// Requests on instances that have served nothing; the one before is killed as soon as it has answered.
    Amnesia {
        hand_over: HandOver,
        /// Requests that share one instance all the same.
        together: Together,
        /// Requests whose instance is not killed, though it serves nothing more.
        spared: Vec<Key>,
        /// Requests after whose answer no instance serves that was started before.
        renewed: Vec<Key>,
    },
    /// Two live instances; the request's number decides by this bit.
    Rotate { bit: u32, together: Together },
    /// Amnesia where each instance has its own copy of the shared paths: it must break, or the traffic proves nothing.
    Withheld { hand_over: HandOver },
}

/// Which requests go to an instance that has served nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HandOver {
    Each,
    /// Those that write, the one after each of them, and these; the others stay where the one before went. For apps that
    /// start slowly.
    Only(Vec<Key>),
}

/// Requests that share one instance in an experiment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Together {
    pub(crate) writers: Vec<Key>,
    pub(crate) reader: Option<Key>,
    /// Equal safe requests that follow the reader at once, as a driver that polls sends them, belong to it.
    pub(crate) polls: bool,
    /// Of several live instances, the one that they share: that of the reader, which stays where it was.
    pub(crate) side: usize,
}

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
    attack: Attack,
    names: Names,
    /// What the last request looked like, if it was the reader or a repetition of it.
    reader: Option<String>,
    /// Whether the last request may have written.
    wrote: bool,
    /// The last request if it was safe, and how many like it have come in a row.
    row: (String, usize),
    /// A driver that polls longer than in any reference waits for what no instance lives long enough to do.
    longest_row: usize,
}

impl Router {
    pub(crate) fn new(attack: Attack, patterns: Patterns) -> Router {
        let longest_row = patterns.longest_row();
        let row = (String::new(), 0);
        Router { attack, names: Names::new(patterns), reader: None, wrote: false, row, longest_row }
    }

    /// Must be called once for each request, in the order of arrival.
    pub(crate) fn route(&mut self, number: usize, method: &str, target: &str) -> (Key, Route) {
        let key = self.names.next(method, target);
        let route = self.route_of(number, method, &key);
        (key, route)
    }

    fn route_of(&mut self, number: usize, method: &str, key: &Key) -> Route {
        let together = match &self.attack {
            Attack::Amnesia { together, .. } | Attack::Rotate { together, .. } => Some(together),
            Attack::Reference { .. } | Attack::Withheld { .. } => None,
        };
        let is_reader = together.is_some_and(|together| {
            together.reader.as_ref().is_some_and(|reader| reader.covers(key))
                || (together.polls && is_safe(method) && self.reader.as_ref() == Some(&key.signature))
        });
        let is_writer = together.is_some_and(|together| together.writers.iter().any(|one| one.covers(key)));
        self.reader = is_reader.then(|| key.signature.clone());
        let after_a_write = std::mem::replace(&mut self.wrote, !is_safe(method));
        let as_before = is_safe(method) && self.row.0 == key.signature;
        self.row = (key.signature.clone(), if as_before { self.row.1 + 1 } else { 1 });
        let polls = self.row.1 > self.longest_row;
        match &self.attack {
            Attack::Reference { .. } => Route::Live(0),
            Attack::Rotate { together, .. } if is_reader || is_writer => Route::Live(together.side),
            Attack::Rotate { bit, .. } => Route::Live(side(*bit, number)),
            Attack::Amnesia { .. } if is_reader || is_writer => Route::Kept,
            Attack::Amnesia { spared, .. } if spared.iter().any(|one| one.covers(key)) => Route::Spared,
            Attack::Amnesia { .. } if polls => Route::Stay,
            Attack::Amnesia { hand_over, .. } | Attack::Withheld { hand_over } => match hand_over {
                HandOver::Only(keys)
                    if is_safe(method) && !after_a_write && !keys.iter().any(|one| one.covers(key)) =>
                {
                    Route::Stay
                }
                HandOver::Only(_) | HandOver::Each => Route::Fresh,
            },
        }
    }
}

impl Attack {
    /// The plain reference.
    pub(crate) fn reference(pace: Duration) -> Attack {
        Attack::Reference { pace, swap: Vec::new() }
    }

    /// The plain attack of amnesia.
    pub(crate) fn amnesia(hand_over: HandOver) -> Attack {
        Attack::Amnesia { hand_over, together: Together::default(), spared: Vec::new(), renewed: Vec::new() }
    }

    /// How many instances must be live before the first request.
    pub(crate) fn live(&self) -> usize {
        match self {
            Attack::Reference { .. } => 1,
            Attack::Rotate { .. } => 2,
            Attack::Amnesia { .. } | Attack::Withheld { .. } => 0,
        }
    }

    /// Whether requests may stay with the instance of the one before.
    pub(crate) fn stays(&self) -> bool {
        matches!(
            self,
            Attack::Amnesia { hand_over: HandOver::Only(_), .. } | Attack::Withheld { hand_over: HandOver::Only(_) }
        )
    }

    /// The same with these requests on one instance.
    pub(crate) fn with_together(&self, together: Together) -> Attack {
        match self {
            Attack::Amnesia { hand_over, .. } => {
                Attack::Amnesia { hand_over: hand_over.clone(), together, spared: Vec::new(), renewed: Vec::new() }
            }
            Attack::Rotate { bit, .. } => Attack::Rotate { bit: *bit, together },
            Attack::Reference { .. } | Attack::Withheld { .. } => self.clone(),
        }
    }

    /// The same where the instances of these requests are not killed; `None` where none is killed anyway.
    pub(crate) fn with_spared(&self, spared: Vec<Key>) -> Option<Attack> {
        match self {
            Attack::Amnesia { hand_over, .. } => Some(Attack::Amnesia {
                hand_over: hand_over.clone(),
                together: Together::default(),
                spared,
                renewed: Vec::new(),
            }),
            Attack::Rotate { .. } | Attack::Reference { .. } | Attack::Withheld { .. } => None,
        }
    }

    /// The same where after these requests only instances serve that are started then; `None` where they live on.
    pub(crate) fn with_renewed(&self, renewed: Vec<Key>) -> Option<Attack> {
        match self {
            Attack::Amnesia { hand_over, .. } => Some(Attack::Amnesia {
                hand_over: hand_over.clone(),
                together: Together::default(),
                spared: Vec::new(),
                renewed,
            }),
            Attack::Rotate { .. } | Attack::Reference { .. } | Attack::Withheld { .. } => None,
        }
    }

    /// Whether no instance that was started before may serve after the answer to this request.
    pub(crate) fn renews(&self, key: &Key) -> bool {
        matches!(self, Attack::Amnesia { renewed, .. } if renewed.iter().any(|one| one.covers(key)))
    }

    /// In a word, for progress and findings.
    pub(crate) fn word(&self) -> &'static str {
        let some = |together: &Together| together.reader.is_some() || !together.writers.is_empty();
        match self {
            Attack::Reference { swap, .. } if !swap.is_empty() => "reference, in another order",
            Attack::Reference { pace, .. } if pace.is_zero() => "reference",
            Attack::Reference { .. } => "reference, slowed",
            Attack::Amnesia { together, .. } if some(together) => "amnesia, some together",
            Attack::Amnesia { spared, .. } if !spared.is_empty() => "amnesia, one spared",
            Attack::Amnesia { renewed, .. } if !renewed.is_empty() => "amnesia, started after it",
            Attack::Amnesia { .. } => "amnesia",
            Attack::Rotate { together, .. } if some(together) => "rotate, some together",
            Attack::Rotate { .. } => "rotate",
            Attack::Withheld { .. } => "shared paths withheld",
        }
    }
}

/// Which of the two instances a request gets in the pass for this bit.
pub(crate) fn side(bit: u32, number: usize) -> usize {
    (number - 1) >> bit & 1
}

/// How many rotations separate every two of so many requests at least once.
pub(crate) fn rotations(requests: usize) -> u32 {
    usize::BITS - requests.saturating_sub(1).leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotations_separate_every_pair_at_least_once() {
        for requests in 1..70 {
            let passes: Vec<Vec<Route>> = (0..rotations(requests))
                .map(|bit| {
                    let mut router =
                        Router::new(Attack::Rotate { bit, together: Together::default() }, Patterns::default());
                    (1..=requests).map(|number| router.route(number, "GET", "/").1).collect()
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
        let mut router = Router::new(Attack::amnesia(slow), Patterns::default());
        let requests =
            [("GET", "/"), ("POST", "/login"), ("GET", "/"), ("GET", "/help"), ("GET", "/cart"), ("GET", "/help")];
        let given: Vec<Route> =
            requests.iter().zip(1..).map(|((method, target), number)| router.route(number, method, target).1).collect();
        assert_eq!(given, [Route::Stay, Route::Fresh, Route::Fresh, Route::Stay, Route::Fresh, Route::Stay]);
    }

    fn given(writers: &[Key], reader: Option<Key>, requests: &[&str]) -> Vec<Route> {
        let together = Together { writers: writers.to_vec(), reader, polls: true, side: 0 };
        let mut router = Router::new(Attack::amnesia(HandOver::Each).with_together(together), Patterns::default());
        let split = requests.iter().filter_map(|request| request.split_once(' '));
        split.zip(1..).map(|((method, target), number)| router.route(number, method, target).1).collect()
    }

    /// Of a request that fits no pattern.
    fn key(request: &str, occurrence: usize) -> Key {
        Key { signature: format!("? {request}"), occurrence }
    }
}
