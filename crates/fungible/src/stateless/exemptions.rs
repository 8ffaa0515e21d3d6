//! What `Stateless` does not look into, by name: collected from the state that a router is given, and printed.

use std::any::type_name;
use std::fmt;

use crate::stateless::Stateless;

/// Something in the state that may differ between instances: where it is, what it is, and why it may be there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exemption {
    /// The type with the field and the field, where it stands in one.
    pub field: Option<(&'static str, &'static str)>,
    /// The type of what is not looked into.
    pub holds: &'static str,
    /// Why it may be there.
    pub reason: String,
}

impl fmt::Display for Exemption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some((owner, field)) => write!(f, "{owner}.{field} ({}): {}", self.holds, self.reason),
            None => write!(f, "{}: {}", self.holds, self.reason),
        }
    }
}

/// The exemptions found so far, and where the search stands.
#[derive(Debug)]
pub struct Exemptions<'a> {
    found: &'a mut Vec<Exemption>,
    field: Option<(&'static str, &'static str)>,
}

impl Exemptions<'_> {
    /// The search inside the field of a type.
    pub fn field(&mut self, owner: &'static str, field: &'static str) -> Exemptions<'_> {
        Exemptions { found: self.found, field: Some((owner, field)) }
    }

    /// Notes that a `T` stands here, and why it may. The same twice is noted once.
    pub fn allow<T: ?Sized>(&mut self, reason: impl Into<String>) {
        let exemption = Exemption { field: self.field, holds: type_name::<T>(), reason: reason.into() };
        if !self.found.contains(&exemption) {
            self.found.push(exemption);
        }
    }
}

/// All exemptions in a state, each once, in the order of its fields.
pub fn exemptions(state: &(impl Stateless + ?Sized)) -> Vec<Exemption> {
    let mut found = Vec::new();
    state.exemptions(&mut Exemptions { found: &mut found, field: None });
    found
}
