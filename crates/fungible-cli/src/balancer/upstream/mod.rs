//! The side towards instances: connections, request bodies, and health checks.

pub(crate) mod connections;
pub(crate) mod fields;
mod gate;
pub(crate) mod health_check;
mod pace;
mod request_body;
#[cfg(test)]
pub(crate) mod simulated;

pub(crate) use gate::{Gate, GateGuard};
pub(crate) use health_check::HealthCheck;
pub(crate) use request_body::{BodyLimits, InMemory, Origin, Problem, RequestBody};
