//! The side towards instances: connections, request bodies, and health checks.

mod chunked_body;
pub(crate) mod connections;
pub(crate) mod fields;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod gate;
mod halves;
pub(crate) mod health_check;
mod pace;
mod request_body;
mod response_head;
mod round_trip;
#[cfg(test)]
pub(crate) mod simulated;
mod upload;

pub(crate) use gate::{Gate, GateGuard};
pub(crate) use health_check::HealthCheck;
pub(crate) use request_body::{BodyLimits, InMemory, Origin, Problem};
pub(crate) use round_trip::{RoundTrip, RoundTripError};
pub(crate) use upload::Upload;
