//! Chooses by the name that a client asks for (SNI): an exact name, then a wildcard for its first label, then the first
//! one. Pure.

use std::collections::HashMap;

/// Values by the names that they are for.
#[derive(Debug)]
pub(super) struct ByName<T> {
    names: HashMap<String, T>,
    /// For clients that ask for no name, or for one that is unknown.
    default: T,
}

impl<T: Clone> ByName<T> {
    /// `default` with its names, and others. If several have the same name, the first one counts.
    pub(super) fn new(default: T, default_names: Vec<String>, others: Vec<(T, Vec<String>)>) -> ByName<T> {
        let mut names = HashMap::new();
        let all = std::iter::once((default.clone(), default_names)).chain(others);
        for (value, of_value) in all {
            for name in of_value {
                names.entry(name.to_ascii_lowercase()).or_insert_with(|| value.clone());
            }
        }
        ByName { names, default }
    }

    /// The value for this name.
    pub(super) fn of(&self, name: Option<&str>) -> &T {
        name.and_then(|name| self.named(&name.to_ascii_lowercase())).unwrap_or(&self.default)
    }

    fn named(&self, name: &str) -> Option<&T> {
        let name = name.strip_suffix('.').unwrap_or(name);
        self.names.get(name).or_else(|| {
            // A wildcard stands for exactly one label (RFC 6125, 6.4.3).
            let (_, parent) = name.split_once('.')?;
            self.names.get(&format!("*.{parent}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_name_counts_before_a_wildcard_and_that_before_the_first() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let by_name = ByName::new(
            1,
            names(&["first.example", "both.example"]),
            vec![(2, names(&["*.example", "both.example"])), (3, names(&["Exact.example", "*.deep.example"]))],
        );
        for (asked, expected) in [
            (None, 1),
            (Some("first.example"), 1),
            (Some("both.example"), 1),
            (Some("FIRST.Example"), 1),
            (Some("other.example"), 2),
            (Some("exact.example"), 3),
            (Some("exact.example."), 3),
            (Some("a.deep.example"), 3),
            (Some("a.b.example"), 1),
            (Some("example"), 1),
            (Some("elsewhere.test"), 1),
        ] {
            assert_eq!(*by_name.of(asked), expected, "{asked:?}");
        }
    }
}
