use axum::Router;
use fungible::{Stateless, WithStateless};

/// Like a concurrent map of a crate that has never heard of us.
#[derive(Clone)]
struct FastMap;

#[derive(Clone, Stateless)]
struct Shop {
    carts: FastMap,
}

fn main() {
    let _: Router = Router::new().with_stateless(FastMap);
    let _: Router = Router::new().with_stateless(Shop { carts: FastMap });
}
