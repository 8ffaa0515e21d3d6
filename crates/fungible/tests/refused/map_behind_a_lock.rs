use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use fungible::Stateless;

#[derive(Clone, Stateless)]
struct App {
    carts: Arc<Mutex<HashMap<String, Vec<String>>>>,
}

fn main() {}
