//! How far serving has come. It only moves forward.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// Told to stop: not ready any more, but every request is still served.
    Leaving,
    /// No new connections; each open one is closed after its request.
    Draining,
}
