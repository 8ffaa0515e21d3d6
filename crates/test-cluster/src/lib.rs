//! For tests: instances of a real program over one store of their own. Dropped, the instances are killed and their
//! directory is removed.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test stops at the first surprise")]

mod fleet;
mod secrets;

pub use fleet::{Engine, Fleet, Program, SECRET, directory, unwritable};
pub use secrets::Secrets;
