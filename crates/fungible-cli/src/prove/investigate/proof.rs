//! What an investigation works with and adds to.

use crate::prove::baselines::{Baselines, Observed};
use crate::prove::lab::Lab;
use crate::prove::request_key::RequestKey;
use crate::prove::results::Results;

/// How often a deviation must be there, and how often an experiment must remove it.
pub(crate) const TIMES: usize = 3;

/// A proof while it goes on.
pub(crate) struct Proof<'c, 'l> {
    pub(crate) lab: &'c mut Lab<'l>,
    pub(crate) baselines: Baselines,
    pub(crate) results: Results,
    /// Requests in flight at once whose order baselines have changed: the first waited for the second.
    pub(crate) swapped: Vec<(RequestKey, RequestKey)>,
    /// Runs on one instance while another one lives that serves nothing.
    pub(crate) in_company: Vec<Observed>,
}
