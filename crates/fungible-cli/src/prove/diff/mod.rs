//! Two runs side by side: what is unequal, and what of that a rule explains. It does not know which of them is under attack,
//! nor whether anybody will learn from it or judge by it.

mod comparable;
mod compare_response;
mod lcs;
mod list;
mod noise;
mod notes;
mod number;
mod renaming;
mod request_bindings;
mod runs;
mod state;
mod text;
mod token_format;
mod walk;

pub(super) use comparable::plainly_equal;
pub(super) use noise::{Noise, Variation};
pub(super) use notes::{Deviates, Explanation, Note, Seen, SeenToken, WHOLE};
#[cfg(test)]
pub(super) use renaming::Conflict;
pub(super) use renaming::Renaming;
pub(super) use runs::{Compared, compare_runs};
pub(super) use state::Strictness;
