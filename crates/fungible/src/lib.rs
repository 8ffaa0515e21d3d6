//! The stateless way as the easy way, on plain axum.
