//! From what deviates under an attack to a finding: does it hold, which request is the cause, what is the evidence?

mod candidates;
mod cause;
mod confirm;
mod controls;
mod convict;
mod culprits;
mod evidence;
mod harm;
mod in_flight;
mod proof;
mod race;
mod starts;
mod trials;

pub(super) use confirm::attack;
pub(super) use harm::harm_of;
pub(super) use in_flight::{learn_orders, sent_together};
pub(super) use proof::{Proof, TIMES};
