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
    /// The response names an instance's own port.
    OwnPort,
    /// The response broke off.
    CutShort,
    /// The driver went on and left this request out.
    LeftOut,
    DriverExit,
}

/// One place where a run differs from the baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deviation {
    /// The number of the baseline's exchange; `None` where the run had none: its driver ended otherwise before the first.
    pub(crate) exchange: Option<usize>,
    /// For example `status`, `header location`, `body $.items[0].id`, `driver exit code`.
    pub(crate) place: String,
    pub(crate) kind: DeviationKind,
    /// What the baseline has there.
    pub(crate) baseline: String,
    /// What the other run has there.
    pub(crate) attack: String,
}
