use std::sync::{Arc, OnceLock};

use fungible::Stateless;

#[derive(Clone, Stateless)]
struct App {
    price_list: Arc<OnceLock<Vec<u64>>>,
}

fn main() {}
