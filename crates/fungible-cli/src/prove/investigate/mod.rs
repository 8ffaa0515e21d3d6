//! From what deviates under an attack to a finding: does it hold, which request is the cause, what is the evidence?

mod cause;
mod confirm;
mod convict;
mod evidence;
mod proof;

pub(super) use confirm::attack;
pub(super) use proof::Proof;
