//! Not only in a field of the state itself.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::sync::atomic::AtomicBool;

use axum::Router;
use fungible::{Stateless, WithStateless};

#[derive(Stateless)]
enum Mode {
    Open,
    Closed { until: Arc<AtomicBool> },
}

#[derive(Clone, Stateless)]
struct Generic<T>(T);

fn main() {
    let seen: &'static Mutex<HashSet<u64>> = Box::leak(Box::default());
    let _: Router = Router::new().with_stateless(Generic(seen));
    let _: Router = Router::new().with_stateless((1, [seen]));
    let _ = [Mode::Open, Mode::Closed { until: Arc::default() }];
}
