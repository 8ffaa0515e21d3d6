//! A place where two runs differ. It does not know why.

/// What is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviationKind {
    Status,
    Header,
    Body,
    Frames,
    /// Two different things got one value.
    Collision,
    /// It shows another value than the response to this request, which shows the same in every baseline.
    Unequal {
        shown_at: usize,
    },
    /// It shows what the response to this request shows, too, which shows other things in every baseline.
    Repeats {
        shown_at: usize,
    },
    /// The response names an instance's own port.
    OwnPort,
    /// The response broke off.
    CutShort,
    /// The driver went on and left this request out.
    LeftOut,
    DriverExit,
}

impl DeviationKind {
    /// The request whose response this one contradicts.
    pub(crate) fn contradicts(self) -> Option<usize> {
        match self {
            DeviationKind::Unequal { shown_at } | DeviationKind::Repeats { shown_at } => Some(shown_at),
            _ => None,
        }
    }
}

/// One place where a run differs from the baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deviation {
    /// The number of the baseline's exchange; `None` where the run had none: its driver ended otherwise before the first.
    pub(crate) exchange: Option<usize>,
    /// For example `status`, `header location`, `body $.items[0].id`, `driver exit code`.
    pub(crate) place: String,
    pub(crate) kind: DeviationKind,
    /// What the baseline has there; what the response that it contradicts shows in this run.
    pub(crate) baseline: String,
    /// What the other run has there.
    pub(crate) attack: String,
}
