//! Secrets that a test has given or was given, to be looked for where they must not be.

use std::collections::BTreeSet;

use test_basics::Browser;

use crate::fleet::SECRET;

/// Some secrets.
#[derive(Debug)]
pub struct Secrets(BTreeSet<String>);

impl Default for Secrets {
    /// The one that all instances share.
    fn default() -> Secrets {
        Secrets(BTreeSet::from([SECRET.trim_end_matches('=').to_owned()]))
    }
}

impl Secrets {
    /// One more, which is long enough not to be anywhere by chance.
    pub fn note(&mut self, secret: &str) {
        assert!(secret.len() >= 8, "too short to be looked for: {secret}");
        self.0.insert(secret.to_owned());
    }

    /// What a browser carries: its cookies and its access token.
    pub fn note_of(&mut self, browser: &Browser) {
        browser.cookies.values().for_each(|value| self.note(value));
        let tokens = browser.headers.iter().filter_map(|(_, value)| value.strip_prefix("Bearer "));
        tokens.for_each(|token| self.note(token));
    }

    /// Fails when one of them stands in the text.
    pub fn assert_not_in(&self, what: &str, text: &str) {
        for secret in &self.0 {
            let line = text.lines().find(|line| line.contains(secret.as_str()));
            assert!(line.is_none(), "{what} holds {secret}: {line:?}");
        }
    }
}
