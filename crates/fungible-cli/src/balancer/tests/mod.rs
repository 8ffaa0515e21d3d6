//! The balancer in a fake world of instances and clients on raw sockets.

mod drain;
mod fields;
mod hold;
mod limits;
mod resend;
mod routes;
mod streams;
mod world;
