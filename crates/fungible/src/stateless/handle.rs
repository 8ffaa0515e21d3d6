//! Handles to what all instances share.

use std::fmt;
use std::ops::Deref;

use crate::stateless::{Exemptions, Stateless};

/// A way to something outside that all instances share: the client of a payment service, a pool of connections, a bucket.
/// What it leads to is said where it is made, and printed when the program starts.
///
/// Inside it `Stateless` sees nothing. It is for clients that hold connections, which may be lost with the instance; a
/// map in it would be as trapped as anywhere.
#[derive(Clone, Copy)]
pub struct Handle<T> {
    value: T,
    leads_to: &'static str,
}

impl<T> Handle<T> {
    /// A handle to what all instances share, in a few words: "the payment service".
    ///
    /// # Panics
    /// When `leads_to` says nothing.
    pub const fn new(value: T, leads_to: &'static str) -> Handle<T> {
        assert!(!leads_to.trim_ascii().is_empty(), "a Handle says what it leads to");
        Handle { value, leads_to }
    }
}

impl<T> Deref for Handle<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Stateless for Handle<T> {
    fn exemptions(&self, found: &mut Exemptions<'_>) {
        found.allow::<T>(format!("a handle to {}", self.leads_to));
    }
}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({})", self.leads_to)
    }
}
