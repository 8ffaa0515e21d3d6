//! The tool from outside: its real binary, real processes, real sockets.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(clippy::print_stdout, reason = "a test says what it did and with which seed")]

mod admin;
mod admin_limits;
mod admin_page;
mod bad_input;
mod balance;
mod balancing;
mod browser;
mod browser_shop;
mod client;
mod dashboard;
mod demo;
mod deploy;
mod described;
mod fleet;
mod foreign;
mod hostile;
mod memory;
mod packages;
mod person;
mod private_disk;
mod prove;
mod prove_apps;
mod prove_doubts;
mod prove_ends;
mod prove_input;
mod readme;
mod recorded;
mod scaling;
#[path = "../../src/report/tests/schema_check.rs"]
mod schema_check;
mod shop;
mod side_by_side;
mod soak;
mod systemd;
mod tls;
mod traps;
mod world;
