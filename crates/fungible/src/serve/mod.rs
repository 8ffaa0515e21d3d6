//! Serves a router: health pages, limits on slow and large requests, and a drain that loses no request. Each part can be
//! used without the others. Knows nothing of what the router does.

mod body_limit;
mod connection;
mod health;
mod layers;
mod options;
mod patience;
mod phase;
mod server;
mod signal;

pub use body_limit::body_limit;
pub use health::health_pages;
pub use layers::serve_layers;
pub use options::ServeOptions;
pub use server::{Served, serve};
pub use signal::shutdown_signal;
