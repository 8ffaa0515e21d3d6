//! The to-do list as processes: two or three instances over one store, spoken to over HTTP.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod answers;
mod api;
mod bad_input;
mod ends;
mod environment;
mod failpoints;
mod guesses;
mod kills;
mod logs;
mod openapi;
mod pages;
mod secrets;
mod sessions;
mod share;

use test_cluster::{Engine, Fleet, Program};

/// The program under test.
fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_fungible-todo"))
}

/// Instances over a SQLite file.
fn start(count: usize) -> Fleet {
    Fleet::start(program(), Engine::Sqlite, count)
}
