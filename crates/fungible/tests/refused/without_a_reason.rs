use std::sync::Mutex;

use fungible::Stateless;

#[derive(Stateless)]
struct App {
    #[stateless(allow = "  ")]
    empty: Mutex<u32>,
    #[stateless(allow)]
    none: Mutex<u32>,
}

#[derive(Stateless)]
struct Bare(#[stateless] Mutex<u32>);

#[derive(Stateless)]
struct Other(#[stateless(skip = "because")] Mutex<u32>);

#[derive(Stateless)]
#[stateless(allow = "all of it")]
struct Whole(Mutex<u32>);

#[derive(Stateless)]
union Either {
    one: u32,
    other: f32,
}

fn main() {}
