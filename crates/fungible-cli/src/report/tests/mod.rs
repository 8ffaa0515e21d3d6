//! Tests of the reports: what they look like, that they are well formed, and that they tell no secret.

mod advice;
mod looks;
mod schema;
mod schema_check;
mod secrets;
mod well_formed;
mod world;
