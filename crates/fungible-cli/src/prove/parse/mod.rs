//! A journal as it is compared: each request by its values, each response as a tree, text as atoms. All that one run tells
//! by itself is found out here, once; other runs are not known here.

mod addresses;
mod body;
mod dataflow;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod given;
mod html;
mod lexer;
mod lines;
mod metrics;
mod place;
mod read_only_tools;
mod request;
mod response;
mod run;
mod same_structure;
mod timestamp;
mod tree;
mod vocabulary;

pub(super) use addresses::{around, sends_to_port};
pub(super) use dataflow::{Carried, Dataflow, dataflow, sent};
pub(super) use given::{given, shown, tokens};
pub(super) use lexer::{Atom, Kind, atoms, looks_random, plain, take_apart, words};
pub(super) use place::{Place, Segment, metric_name};
pub(super) use request::{ParsedRequest, RequestValue, path_and_query};
pub(super) use response::{Response, cookies_set};
pub(super) use run::ParsedRun;
pub(super) use same_structure::{by_chunks, of_one_format, same_structure, sealed};
pub(super) use timestamp::{Moment, Shift};
pub(super) use tree::{Node, labels};
pub(super) use vocabulary::{
    Meaning, Measured, Scope, is_heartbeat, is_id, means, measured, place_means, says_that_cached, says_whether_cached,
    ties_elements,
};
