//! The exemptions of a state: what `Stateless` does not check. Knows no trait.

use std::any::type_name;
use std::fmt;

/// A part of the state that is not checked and may differ between instances: where it is, its type, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exemption {
    /// The struct or variant and its field, if the part is in a field.
    pub field: Option<(&'static str, &'static str)>,
    /// The type that is not checked.
    pub holds: &'static str,
    /// Why it is allowed.
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

/// The exemptions found so far, and the place of the search.
#[derive(Debug)]
pub struct Exemptions<'a> {
    found: &'a mut Vec<Exemption>,
    field: Option<(&'static str, &'static str)>,
}

impl<'a> Exemptions<'a> {
    /// A search that begins at the state itself and adds to `found`.
    pub(super) fn into(found: &'a mut Vec<Exemption>) -> Exemptions<'a> {
        Exemptions { found, field: None }
    }
}

impl Exemptions<'_> {
    /// The search inside a field of a type.
    pub fn field(&mut self, owner: &'static str, field: &'static str) -> Exemptions<'_> {
        Exemptions { found: self.found, field: Some((owner, field)) }
    }

    /// Adds an exemption: a `T` at this place, for this reason. Equal exemptions are added once.
    pub fn allow<T: ?Sized>(&mut self, reason: impl Into<String>) {
        let exemption = Exemption { field: self.field, holds: type_name::<T>(), reason: reason.into() };
        if !self.found.contains(&exemption) {
            self.found.push(exemption);
        }
    }
}
