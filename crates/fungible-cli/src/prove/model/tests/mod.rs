//! The judge held against journals that were made up: what must be clean, and what must be found.

mod contradictions;
mod encodings;
mod frameworks;
mod given_up;
mod lines;
mod operations;
mod properties;
mod renamed;
mod requests;
mod stories;
mod times;
mod trapped;
mod world;
