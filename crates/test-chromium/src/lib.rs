//! For tests: a real Chromium without a window, with a profile of its own, driven over WebDriver. It finds things as people
//! do: by what they are and what they are called. Dropped, also when the test panics, it is gone with all its processes.
//!
//! It needs `chromedriver` and Chromium, on Debian the packages `chromium-driver` and `chromium`.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test stops at the first surprise")]

mod axe;
mod browser;
mod driver;
mod element;

pub use axe::{Violation, violations};
pub use browser::{Browser, Look};
pub use element::Element;
