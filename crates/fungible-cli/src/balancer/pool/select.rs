//! Chooses the instance for a request: a pure function of what is known about the instances and the client. The pool
//! keeps the state.

use super::instance::{InstanceId, Standing};

/// How an instance is chosen among those that are ready. Chosen for each request, never per connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Routing {
    /// The less busy of two that are drawn at random (Mitzenmacher, "The Power of Two Choices in Randomized Load
    /// Balancing", 2001). Several balancers that do not know of each other do not all choose the same one.
    PowerOfTwo,
    /// Each in turn.
    RoundRobin,
    /// The instance with the fewest requests in flight.
    LeastBusy,
    /// The instance that a signed cookie of the client names. For demonstration: it hides trapped state.
    Sticky,
    /// Not the instance that served this client last, if there is another.
    NeverTwice,
}

/// Draws numbers for the choice: `SplitMix64` (Steele, Lea, Flood, 2014). Nothing about it is secret.
#[derive(Debug, Default)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number, from 0 to 1.
    pub(crate) fn share(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "32 bits fit")]
        let bits = (self.draw() >> 32) as f64;
        bits / f64::from(u32::MAX)
    }

    /// The next number.
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
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
/// any client; `random` is drawn for each request. Returns the index of the chosen one.
///
/// Slow instances are used only if none is ready: if all respond late, the fleet is overloaded, and routing to none of
/// them would turn a slow service into an outage.
pub(crate) fn choose(
    routing: Routing,
    candidates: &[Candidate],
    known: Affinity,
    turn: Option<InstanceId>,
    random: u64,
) -> Option<usize> {
    let any_ready = candidates.iter().any(|one| one.standing == Standing::Ready);
    let wanted = if any_ready { Standing::Ready } else { Standing::Slow };
    let usable = |one: &Candidate| one.standing == wanted;
    match routing {
        Routing::PowerOfTwo => of_two(candidates, random, usable),
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

/// The less busy of two fitting candidates; each pair is equally likely, and so is the order in it, which decides a tie.
fn of_two(candidates: &[Candidate], random: u64, fits: impl Fn(&Candidate) -> bool) -> Option<usize> {
    let fitting = || candidates.iter().enumerate().filter(|(_, one)| fits(one));
    let count = u32::try_from(fitting().count()).ok().filter(|count| *count > 0)?;
    // The upper half of a product is a number below `count`, without the cost of a division.
    let below = |bits: u64, count: u32| (((bits & 0xffff_ffff) * u64::from(count)) >> 32) as usize;
    let first = below(random, count);
    let second = if count > 1 { (first + 1 + below(random >> 32, count - 1)) % count as usize } else { first };
    let (one, other) = (fitting().nth(first)?, fitting().nth(second)?);
    Some(if other.1.in_flight < one.1.in_flight { other.0 } else { one.0 })
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
            Just(Routing::PowerOfTwo),
            Just(Routing::RoundRobin),
            Just(Routing::LeastBusy),
            Just(Routing::Sticky),
            Just(Routing::NeverTwice)
        ]
    }

    /// Idle instances get equal shares, whatever their number: a thousand draws are within a quarter of the mean.
    #[test]
    fn power_of_two_is_even_where_all_are_idle() {
        for count in 1..=7_usize {
            let one = |at| Candidate { id: InstanceId(at as u64 + 1), standing: Standing::Ready, in_flight: 0 };
            let all: Vec<_> = (0..count).map(one).collect();
            let mut chosen = vec![0; count];
            let mut random = Random::new(7);
            for _ in 0..1000 * count {
                let random = random.draw();
                chosen[choose(Routing::PowerOfTwo, &all, Affinity::default(), None, random).expect("one is ready")] +=
                    1;
            }
            assert!(chosen.iter().all(|times| (750..1250).contains(times)), "{chosen:?}");
        }
    }

    proptest! {
        #[test]
        fn an_unhealthy_instance_is_never_chosen_and_a_slow_one_only_if_none_is_ready(
            all in candidates(), routing in any_routing(), named in any_id(), last in any_id(), turn in any_id(), random: u64
        ) {
            let some = |standing| all.iter().any(|one| one.standing == standing);
            let chosen = choose(routing, &all, Affinity { named, last }, turn, random).map(|at| all[at].standing);
            let expected = if some(Standing::Ready) {
                Some(Standing::Ready)
            } else {
                some(Standing::Slow).then_some(Standing::Slow)
            };
            prop_assert_eq!(chosen, expected);
        }

        #[test]
        fn least_busy_is_a_minimum(all in candidates(), turn in any_id()) {
            if let Some(at) = choose(Routing::LeastBusy, &all, Affinity::default(), turn, 0) {
                let like = all.iter().filter(|one| one.standing == all[at].standing);
                prop_assert_eq!(like.map(|one| one.in_flight).min(), Some(all[at].in_flight));
            }
        }

        #[test]
        fn power_of_two_never_chooses_the_busiest_of_three(mut all in prop::collection::vec(0_usize..50, 3..8), random: u64) {
            let busiest = all.iter().copied().max().unwrap_or_default() + 1;
            all.push(busiest);
            let candidate = |(at, in_flight): (usize, &usize)| Candidate {
                id: InstanceId(at as u64 + 1),
                standing: Standing::Ready,
                in_flight: *in_flight,
            };
            let all: Vec<_> = all.iter().enumerate().map(candidate).collect();
            let at = choose(Routing::PowerOfTwo, &all, Affinity::default(), None, random).expect("one is ready");
            prop_assert!(all[at].in_flight < busiest);
        }

        #[test]
        fn never_twice_avoids_the_last_one_while_another_is_ready(all in candidates(), last in any_id(), turn in any_id()) {
            let another = all.iter().any(|one| one.standing == Standing::Ready && Some(one.id) != last);
            if let Some(at) = choose(Routing::NeverTwice, &all, Affinity { named: None, last }, turn, 0) {
                prop_assert!(!another || Some(all[at].id) != last);
            }
        }

        #[test]
        fn sticky_obeys_the_cookie_while_that_one_is_ready(all in candidates(), named in any_id(), turn in any_id()) {
            let ready = all.iter().position(|one| one.standing == Standing::Ready && Some(one.id) == named);
            let chosen = choose(Routing::Sticky, &all, Affinity { named, last: None }, turn, 0);
            prop_assert!(ready.is_none() || chosen == ready);
        }

        #[test]
        fn round_robin_is_even(all in candidates(), mut turn in any_id()) {
            let ready: Vec<_> = all.iter().filter(|one| one.standing == Standing::Ready).map(|one| one.id).collect();
            let mut chosen = Vec::new();
            for _ in 0..ready.len() * 3 {
                let at = choose(Routing::RoundRobin, &all, Affinity::default(), turn, 0).expect("one is ready");
                turn = Some(all[at].id);
                chosen.push(all[at].id);
            }
            for one in &ready {
                prop_assert_eq!(chosen.iter().filter(|id| *id == one).count(), 3);
            }
        }
    }
}
