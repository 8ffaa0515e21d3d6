//! Chooses the instance for a request: a pure function of what is known about the instances and the client. The pool
//! keeps the state.

use super::instance::{InstanceId, Standing};

/// How an instance is chosen among those that are ready. Chosen for each request, never per connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Routing {
    /// Each in turn.
    RoundRobin,
    /// The instance with the fewest requests in flight.
    LeastBusy,
    /// The instance that a signed cookie of the client names. For demonstration: it hides trapped state.
    Sticky,
    /// Not the instance that served this client last, if there is another.
    NeverTwice,
}

/// What the choice depends on for one instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) id: InstanceId,
    pub(crate) standing: Standing,
    pub(crate) in_flight: usize,
}

/// What ties a client to instances.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Affinity {
    /// The instance that its sticky cookie names.
    pub(crate) named: Option<InstanceId>,
    /// The instance that served it last.
    pub(crate) last: Option<InstanceId>,
}

/// Chooses among `candidates`, which are in the order of their ids. `turn` is the instance that was chosen last, for
/// any client. Returns the index of the chosen one.
///
/// Slow instances are used only if none is ready: if all respond late, the fleet is overloaded, and routing to none of
/// them would turn a slow service into an outage.
pub(crate) fn choose(
    routing: Routing,
    candidates: &[Candidate],
    known: Affinity,
    turn: Option<InstanceId>,
) -> Option<usize> {
    let any_ready = candidates.iter().any(|one| one.standing == Standing::Ready);
    let wanted = if any_ready { Standing::Ready } else { Standing::Slow };
    let usable = |one: &Candidate| one.standing == wanted;
    match routing {
        Routing::RoundRobin => next(candidates, turn, usable),
        Routing::LeastBusy => {
            let least = candidates.iter().filter(|one| usable(one)).map(|one| one.in_flight).min()?;
            next(candidates, turn, |one| usable(one) && one.in_flight == least)
        }
        Routing::Sticky => candidates
            .iter()
            .position(|one| usable(one) && Some(one.id) == known.named)
            .or_else(|| next(candidates, turn, usable)),
        Routing::NeverTwice => next(candidates, turn, |one| usable(one) && Some(one.id) != known.last)
            .or_else(|| next(candidates, turn, usable)),
    }
}

/// The first fitting candidate after `turn`, or else from the beginning.
fn next(candidates: &[Candidate], turn: Option<InstanceId>, fits: impl Fn(&Candidate) -> bool) -> Option<usize> {
    candidates.iter().position(|one| Some(one.id) > turn && fits(one)).or_else(|| candidates.iter().position(fits))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Instances with ascending ids.
    fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
        let standing = prop_oneof![Just(Standing::Ready), Just(Standing::Slow), Just(Standing::Out)];
        prop::collection::vec((standing, 0..4_usize), 0..6).prop_map(|all| {
            let with_id =
                |(at, (standing, in_flight))| Candidate { id: InstanceId(at as u64 + 1), standing, in_flight };
            all.into_iter().enumerate().map(with_id).collect()
        })
    }

    fn any_id() -> impl Strategy<Value = Option<InstanceId>> {
        prop::option::of((0..8_u64).prop_map(InstanceId))
    }

    fn any_routing() -> impl Strategy<Value = Routing> {
        prop_oneof![
            Just(Routing::RoundRobin),
            Just(Routing::LeastBusy),
            Just(Routing::Sticky),
            Just(Routing::NeverTwice)
        ]
    }

    proptest! {
        #[test]
        fn an_unhealthy_instance_is_never_chosen_and_a_slow_one_only_if_none_is_ready(
            all in candidates(), routing in any_routing(), named in any_id(), last in any_id(), turn in any_id()
        ) {
            let some = |standing| all.iter().any(|one| one.standing == standing);
            let chosen = choose(routing, &all, Affinity { named, last }, turn).map(|at| all[at].standing);
            let expected = if some(Standing::Ready) {
                Some(Standing::Ready)
            } else {
                some(Standing::Slow).then_some(Standing::Slow)
            };
            prop_assert_eq!(chosen, expected);
        }

        #[test]
        fn least_busy_is_a_minimum(all in candidates(), turn in any_id()) {
            if let Some(at) = choose(Routing::LeastBusy, &all, Affinity::default(), turn) {
                let like = all.iter().filter(|one| one.standing == all[at].standing);
                prop_assert_eq!(like.map(|one| one.in_flight).min(), Some(all[at].in_flight));
            }
        }

        #[test]
        fn never_twice_avoids_the_last_one_while_another_is_ready(all in candidates(), last in any_id(), turn in any_id()) {
            let another = all.iter().any(|one| one.standing == Standing::Ready && Some(one.id) != last);
            if let Some(at) = choose(Routing::NeverTwice, &all, Affinity { named: None, last }, turn) {
                prop_assert!(!another || Some(all[at].id) != last);
            }
        }

        #[test]
        fn sticky_obeys_the_cookie_while_that_one_is_ready(all in candidates(), named in any_id(), turn in any_id()) {
            let ready = all.iter().position(|one| one.standing == Standing::Ready && Some(one.id) == named);
            let chosen = choose(Routing::Sticky, &all, Affinity { named, last: None }, turn);
            prop_assert!(ready.is_none() || chosen == ready);
        }

        #[test]
        fn round_robin_is_even(all in candidates(), mut turn in any_id()) {
            let ready: Vec<_> = all.iter().filter(|one| one.standing == Standing::Ready).map(|one| one.id).collect();
            let mut chosen = Vec::new();
            for _ in 0..ready.len() * 3 {
                let at = choose(Routing::RoundRobin, &all, Affinity::default(), turn).expect("one is ready");
                turn = Some(all[at].id);
                chosen.push(all[at].id);
            }
            for one in &ready {
                prop_assert_eq!(chosen.iter().filter(|id| *id == one).count(), 3);
            }
        }
    }
}
