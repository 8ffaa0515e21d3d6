//! What holding a run against the baselines says, as plain values. It does not know how they were found.

use serde::{Deserialize, Serialize};

use crate::exchange::Request;
use crate::prove::deviation::Deviation;
use crate::prove::diff::Explanation;
use crate::prove::parse::path_and_query;

/// A place that the user does not want judged, with the reason that the verdict prints.
///
/// The place is written as a [`Deviation`] prints it, with `*` for any run of characters, and covers all that lies
/// below it: `header x-build`, `body $.items[*].seen`. A method and a path may stand before it, and what the body asks for:
/// `GET /status body $.load`, `POST /mcp tools/call now body`. They alone stand for the whole exchange: `GET /status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ignore {
    pub(crate) place: String,
    pub(crate) reason: String,
}

impl Ignore {
    /// Whether it covers a place in the answer to this request.
    pub(super) fn covers(&self, request: &Request, place: &str) -> bool {
        let path = path_and_query(&request.target).0;
        let full = format!("{} {path} {place}", request.method);
        let asked = request.operation().map(|one| format!("{} {path} {} {place}", request.method, one.name));
        let below = |text: &str| {
            matches(&self.place, text)
                || [".", "[", " "].iter().any(|next| matches(&format!("{}{next}*", self.place), text))
        };
        below(place) || below(&full) || asked.is_some_and(|asked| below(&asked))
    }
}

/// What a run did, held against the baselines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// In the order of the baseline's exchanges, at last the driver's end; the first one matters most.
    pub(crate) deviations: Vec<Deviation>,
    /// Number in the baseline, number in the attack.
    pub(crate) pairs: Vec<(usize, usize)>,
    /// Numbers in the baseline that the driver never sent in this run.
    pub(crate) not_reached: Vec<usize>,
    /// Numbers in the attack that are nothing's counterpart.
    pub(crate) surplus: Vec<usize>,
    /// What the baseline called it, what the attack called it.
    pub(crate) renaming: Vec<(String, String)>,
    /// Values that name an instance.
    pub(crate) labels: Vec<Label>,
    /// Unequal places that were let pass.
    pub(crate) masks: Vec<Mask>,
    pub(crate) not_compared: Vec<NotCompared>,
    /// How often each ignore took effect, in the order in which they were given.
    pub(crate) ignored: Vec<usize>,
    /// Some deviations rest on what baselines may have by chance: more of them will tell.
    pub(crate) is_unsettled: bool,
}

impl Comparison {
    /// The exchanges that deviate, each once, in the order in which a client would meet them; at last `None`, for a driver's
    /// end that belongs to none.
    pub(crate) fn deviating(&self) -> Vec<Option<usize>> {
        let mut deviating: Vec<Option<usize>> = self.deviations.iter().map(|one| one.exchange).collect();
        deviating.sort_by_key(|exchange| (exchange.is_none(), *exchange));
        deviating.dedup();
        deviating
    }
}

/// A value that an instance gives itself: a host name, a port, a process id, a word made at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) place: String,
    pub(crate) instance: String,
    pub(crate) value: String,
}

/// A place whose values need not be equal, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mask {
    /// Number in the baseline, of the first exchange that shows it.
    pub(crate) exchange: usize,
    pub(crate) place: String,
    pub(crate) why: Explanation,
}

/// Something that nobody looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotCompared {
    /// Number in the baseline.
    pub(crate) exchange: usize,
    pub(crate) reason: String,
}

/// Whether the text fits a pattern in which `*` stands for any run of characters.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}
