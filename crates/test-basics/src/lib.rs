//! For tests: what tests of all crates need, once. It knows nothing of the programs under test.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test stops at the first surprise")]

mod browser;
mod fuzz;
mod http;
mod port;
mod property;
mod random;
mod wait;

pub use browser::Browser;
pub use fuzz::{fuzz_target_briefly, fuzz_targets};
pub use http::{Answer, NoAnswer, raw, raw_async};
pub use port::free_port;
pub use property::for_any;
pub use random::{Random, seed};
pub use wait::{LIMIT, eventually, eventually_async, eventually_ok};
