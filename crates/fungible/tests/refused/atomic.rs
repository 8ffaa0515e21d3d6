use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use fungible::Stateless;

#[derive(Clone, Stateless)]
struct App {
    next_id: Arc<AtomicU64>,
}

fn main() {}
