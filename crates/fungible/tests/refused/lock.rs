use std::sync::Arc;

use axum::Router;
use fungible::{Stateless, WithStateless};
use tokio::sync::RwLock;

#[derive(Clone, Stateless)]
struct App {
    announcement: Arc<RwLock<String>>,
}

fn main() {
    let app = App { announcement: Arc::default() };
    let _: Router = Router::new().with_stateless(app);
}
