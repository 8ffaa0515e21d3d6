//! Which instance gets a request: a pure function of what is known about the instances and the client.
//! It counts nothing and remembers nothing; the pool does.

use super::config::Routing;
use super::instance::InstanceId;

/// How an instance stands for a request that looks for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may be chosen.
    Ready,
    /// It answered too late to its health check, and nothing else is wrong: better than nothing.
    Slow,
    /// It may not be chosen.
    Out,
}

/// An instance as the choice sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) id: InstanceId,
    pub(super) standing: Standing,
    pub(super) in_flight: usize,
}

/// What the client brings along.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// The instance that its sticky cookie names.
    pub(super) named: Option<InstanceId>,
    /// The instance that served it last.
    pub(super) last: Option<InstanceId>,
}

/// Chooses among `candidates`, which are in the order of their ids; `turn` is the instance that was chosen before,
/// for whomever. Returns its place.
///
/// Slow instances are used only while no ready one is there: when all of them answer late, the fleet is overloaded,
/// and to switch it off would make of a slow service none at all.
pub(super) fn choose(
    routing: Routing,
    candidates: &[Candidate],
    known: Known,
    turn: Option<InstanceId>,
) -> Option<usize> {
    let any_ready = candidates.iter().any(|one| one.standing == Standing::Ready);
    let wanted = if any_ready { Standing::Ready } else { Standing::Slow };
    let usable = |one: &Candidate| one.standing == wanted;
    match routing {
        Routing::RoundRobin => next(candidates, turn, usable),
        Routing::LeastBusy => {
            let least = candidates
                .iter()
                .filter(|one| usable(one))
                .map(|one| one.in_flight)
                .min()?;
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

/// The first fitting one after `turn`, and from the beginning when there is none.
fn next(candidates: &[Candidate], turn: Option<InstanceId>, fits: impl Fn(&Candidate) -> bool) -> Option<usize> {
    candidates
        .iter()
        .position(|one| Some(one.id) > turn && fits(one))
        .or_else(|| candidates.iter().position(fits))
}
