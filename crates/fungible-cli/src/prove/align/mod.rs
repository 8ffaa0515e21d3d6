//! Which request of one run is which of another, by what they say and carry. It judges no response.

mod conversations;
mod counterparts;
mod groups;
mod pairing;

pub(super) use pairing::{Pairing, align};
