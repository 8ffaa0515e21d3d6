//! Handles to something outside that all instances share.

use std::fmt;
use std::ops::Deref;

use super::definition::Stateless;
use super::exemptions::Exemptions;

/// A handle to something outside that all instances share: the client of a payment service, a pool of connections, a bucket.
/// It is made with a description of what it leads to, which is logged when the program starts.
///
/// [`Stateless`] does not check its content. Use it for clients that hold connections, which may be lost with
/// the instance. Do not put a map into it: that would be state of one instance.
#[derive(Clone, Copy)]
pub struct Handle<T> {
    value: T,
    leads_to: &'static str,
}

impl<T> Handle<T> {
    /// A handle to something that all instances share, which `leads_to` names in a few words: "the payment service".
    ///
    /// # Panics
    /// When `leads_to` is empty.
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
