//! For tests: instances of a real program over one store of their own, and a browser without script to speak to them.
//! Dropped, the instances are killed and their directory is removed.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test stops at the first surprise")]

mod fleet;
mod http;
mod random;
mod secrets;

pub use fleet::{Engine, Fleet, Program, SECRET, directory, unwritable};
pub use http::{Answer, Browser, raw};
pub use random::Random;
pub use secrets::Secrets;
