//! The binary `fungible`.

fn main() {}
