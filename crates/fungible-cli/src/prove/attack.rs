//! Attacks: which instance gets a request, and who dies when. Pure; the run carries it out.

use std::collections::HashMap;
use std::time::Duration;

/// One way to route and kill during a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attack {
    /// One instance, left in peace; each request is held back for this long, as attacks hold it back.
    Reference { pace: Duration },
    /// Each request on an instance that has served nothing; the one before is killed as soon as it has answered.
    Amnesia {
        /// Requests that share one instance all the same.
        together: Vec<Key>,
        /// Requests whose instance is not killed, though it serves nothing more.
        spared: Vec<Key>,
    },
    /// Two live instances; the request's number decides by this bit.
    Rotate { bit: u32, together: Vec<Key> },
    /// Amnesia where each instance has its own copy of the shared paths: it must break, or the traffic proves nothing.
    Withheld,
}

/// Names a request across runs: what it looks like, and the how many-th of its kind it is, from 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) signature: String,
    pub(crate) occurrence: usize,
}

/// Who gets a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The live instance with this number, from 0.
    Live(usize),
    /// One that has served nothing.
    Fresh,
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
}

impl Router {
    pub(crate) fn new(attack: Attack) -> Router {
        Router { attack, names: Names::default() }
    }

    /// Must be called once for each request, in the order of arrival.
    pub(crate) fn route(&mut self, number: usize, method: &str, target: &str) -> Route {
        let key = self.names.next(method, target);
        match &self.attack {
            Attack::Reference { .. } => Route::Live(0),
            Attack::Amnesia { together, .. } if together.contains(&key) => Route::Kept,
            Attack::Amnesia { spared, .. } if spared.contains(&key) => Route::Spared,
            Attack::Amnesia { .. } | Attack::Withheld => Route::Fresh,
            Attack::Rotate { together, .. } if together.contains(&key) => Route::Live(0),
            Attack::Rotate { bit, .. } => Route::Live((number - 1) >> bit & 1),
        }
    }
}

impl Attack {
    /// How many instances must be live before the first request.
    pub(crate) fn live(&self) -> usize {
        match self {
            Attack::Reference { .. } => 1,
            Attack::Rotate { .. } => 2,
            Attack::Amnesia { .. } | Attack::Withheld => 0,
        }
    }

    /// The same with these requests on one instance.
    pub(crate) fn with_together(&self, members: Vec<Key>) -> Attack {
        match self {
            Attack::Amnesia { .. } => Attack::Amnesia { together: members, spared: Vec::new() },
            Attack::Rotate { bit, .. } => Attack::Rotate { bit: *bit, together: members },
            Attack::Reference { .. } | Attack::Withheld => self.clone(),
        }
    }

    /// In a word, for progress and findings.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Attack::Reference { pace } if pace.is_zero() => "reference",
            Attack::Reference { .. } => "reference, slowed",
            Attack::Amnesia { together, spared } if together.is_empty() && spared.is_empty() => "amnesia",
            Attack::Amnesia { together, .. } if together.is_empty() => "amnesia, one spared",
            Attack::Amnesia { .. } => "amnesia, some together",
            Attack::Rotate { together, .. } if together.is_empty() => "rotate",
            Attack::Rotate { .. } => "rotate, some together",
            Attack::Withheld => "shared paths withheld",
        }
    }
}

/// Gives the requests of one run their names, in the order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<String, usize>);

impl Names {
    pub(crate) fn next(&mut self, method: &str, target: &str) -> Key {
        let signature = signature(method, target);
        let occurrence = self.0.entry(signature.clone()).or_default();
        *occurrence += 1;
        Key { signature, occurrence: *occurrence }
    }
}

/// How many rotations separate every two of so many requests at least once.
pub(crate) fn rotations(requests: usize) -> u32 {
    usize::BITS - requests.saturating_sub(1).leading_zeros()
}

/// What a request looks like in any run: its method and its path, without what was minted for this run.
pub(crate) fn signature(method: &str, target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let segments: Vec<&str> = path.split('/').map(|part| if looks_minted(part) { "*" } else { part }).collect();
    let mut names: Vec<&str> =
        query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name)).collect();
    names.sort_unstable();
    let query = names.join("&");
    format!("{method} {}{}{query}", segments.join("/"), if query.is_empty() { "" } else { "?" })
}

/// Numbers, and what is long and mixes letters with digits.
fn looks_minted(part: &str) -> bool {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    digits > 0 && (digits == part.len() || (part.len() >= 8 && digits * 8 >= part.len()) || part.len() >= 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotations_separate_every_pair_at_least_once() {
        for requests in 1..70 {
            let passes: Vec<Vec<Route>> = (0..rotations(requests))
                .map(|bit| {
                    let mut router = Router::new(Attack::Rotate { bit, together: Vec::new() });
                    (1..=requests).map(|number| router.route(number, "GET", "/")).collect()
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
    fn a_request_keeps_its_name_in_another_run() {
        let same = |one: &str, other: &str| signature("GET", one) == signature("GET", other);
        assert!(same("/items/17", "/items/104"));
        assert!(same("/orders/0190f3c2-77aa-7bbb-8ccc-1234567890ab", "/orders/0190f3c2-aaaa-7bbb-8ddd-99999990ab11"));
        assert!(same("/find?q=a&page=1", "/find?page=2&q=b"));
        assert!(!same("/items/17", "/items/new"));
        assert!(!same("/cart", "/login"));
        assert!(!same("/v1/a", "/v1/b"));
    }

    #[test]
    fn those_that_belong_together_are_told_apart_by_their_turn() {
        let second = Key { signature: signature("GET", "/cart"), occurrence: 2 };
        let mut router = Router::new(Attack::Amnesia { together: vec![second], spared: Vec::new() });
        let given: Vec<Route> = (1..=3).map(|number| router.route(number, "GET", "/cart")).collect();
        assert_eq!(given, [Route::Fresh, Route::Kept, Route::Fresh]);
    }
}
