//! The to-do list as processes: two or three instances over one store, spoken to over HTTP.

mod answers;
mod api;
mod bad_input;
mod environment;
mod http;
mod instances;
mod pages;
mod sessions;
