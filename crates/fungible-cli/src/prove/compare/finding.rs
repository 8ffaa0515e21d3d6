//! What a comparison says, as plain values. It knows nothing of how they were found.

use super::request;
use crate::exchange::Request;

/// A place that the user does not want judged, with the reason that the verdict prints.
///
/// The place is written as a [`Difference`] prints it, with `*` for any run of characters, and covers all that lies
/// below it: `header x-build`, `body $.items[*].seen`. A method and a path may stand before it:
/// `GET /status body $.load`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ignore {
    pub(crate) place: String,
    pub(crate) reason: String,
}

impl Ignore {
    /// Whether it covers a place in the answer to this request.
    pub(super) fn covers(&self, request: &Request, place: &str) -> bool {
        let path = request::path_and_query(&request.target).0;
        let full = format!("{} {path} {place}", request.method);
        let below = |text: &str| {
            matches(&self.place, text)
                || [".", "[", " "].iter().any(|next| matches(&format!("{}{next}*", self.place), text))
        };
        below(place) || below(&full)
    }
}

/// What one attack did, held against the references.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// In the order of the reference's exchange numbers; the first one matters most.
    pub(crate) differences: Vec<Difference>,
    /// Number in the reference, number in the attack.
    pub(crate) pairs: Vec<(usize, usize)>,
    /// Numbers in the reference that the driver never sent in this run.
    pub(crate) not_reached: Vec<usize>,
    /// Numbers in the attack that answer to nothing in the reference.
    pub(crate) surplus: Vec<usize>,
    /// What the reference called it, what the attack called it.
    pub(crate) renaming: Vec<(String, String)>,
    /// Values that name an instance.
    pub(crate) labels: Vec<Label>,
    /// Unequal places that were let pass.
    pub(crate) masks: Vec<Mask>,
    pub(crate) not_compared: Vec<NotCompared>,
    /// How often each ignore took effect, in the order in which they were given.
    pub(crate) ignored: Vec<usize>,
}

/// One place where the attack answered otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Number in the reference; 0 when the reference has no exchange at all.
    pub(crate) exchange: usize,
    /// Number in the attack; `None` when the driver left the request out.
    pub(crate) attack_exchange: Option<usize>,
    /// For example `status`, `header location`, `body $.items[0].id`, `driver exit code`.
    pub(crate) place: String,
    pub(crate) kind: DifferenceKind,
    pub(crate) reference: String,
    pub(crate) attack: String,
}

/// What is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DifferenceKind {
    Status,
    Header,
    Body,
    Frames,
    /// Two different things got one value.
    Collision,
    /// The answer names an instance's own port.
    OwnPort,
    /// The answer broke off.
    CutShort,
    /// The driver went on and left this request out.
    LeftOut,
    DriverExit,
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
    /// Number in the reference, of the first exchange that shows it.
    pub(crate) exchange: usize,
    pub(crate) place: String,
    pub(crate) reason: String,
}

/// Something that nobody looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotCompared {
    /// Number in the reference.
    pub(crate) exchange: usize,
    pub(crate) reason: String,
}

/// A value that the server minted and a later request carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Carried {
    /// As it is: whoever prints it redacts it.
    pub(crate) value: String,
    /// Exchange number and place of the answer that had it first.
    pub(crate) minted: (usize, String),
    /// Exchange numbers and places of the requests that carried it.
    pub(crate) sent: Vec<(usize, String)>,
}

/// A value that one reference minted and a later one, which should have begun afresh, answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leftover {
    pub(crate) value: String,
    /// Place in the order of the references, from 1, and the exchange number there.
    pub(crate) minted: (usize, usize),
    pub(crate) answered: (usize, usize),
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
