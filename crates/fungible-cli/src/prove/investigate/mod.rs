//! From what deviates under an attack to a finding: does it hold, which request is the cause, what is the evidence?

mod candidates;
mod cause;
mod confirm;
mod convict;
mod culprits;
mod evidence;
mod proof;
mod trials;

pub(super) use confirm::attack;
pub(super) use proof::Proof;
