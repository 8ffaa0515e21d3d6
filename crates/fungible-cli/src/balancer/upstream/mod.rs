//! The way to instances: their connections, the bodies that go there, and the probes that ask whether they are well.

pub(crate) mod connections;
pub(crate) mod fields;
pub(crate) mod health_check;
mod pace;
mod request_body;

pub(crate) use health_check::HealthCheck;
pub(crate) use request_body::{BodyLimits, InMemory, Origin, Problem, RequestBody};
