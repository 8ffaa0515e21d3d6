//! The balancer in a fake world of instances and clients on raw sockets.

mod corpus;
mod drain;
mod fields;
mod framing;
mod hold;
mod http2;
mod limits;
mod messages;
mod resend;
mod routes;
pub(crate) mod simulation;
mod streams;
mod tap;
mod tls;
mod world;
