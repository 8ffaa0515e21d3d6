//! Known secrets: values that were found at the places of secrets, so that they are found everywhere else too, in any
//! encoding.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;

use super::decode::{bare, base64, digit64};

/// Shorter values, in bytes, are hidden only at their own place: `admin` as a password must not hide each `/admin`.
const MIXED: usize = 8;
const LONG: usize = 12;
/// The minimum length in base64 of a secret of [`MIXED`] bytes, without the incomplete groups at its ends.
const RUN: usize = 11;

type Head = [u8; 6];

/// The known secrets of one verdict.
#[derive(Debug, Default)]
pub(super) struct Known {
    secrets: HashSet<Vec<u8>>,
    /// The lengths of the secrets with this prefix. So searching a text takes time in proportion to its length,
    /// whatever the number of secrets, even if all have the same prefix, as signed tokens do.
    lengths: HashMap<Head, BTreeSet<usize>>,
}

impl Known {
    /// Adds a secret.
    pub(super) fn learn(&mut self, secret: &[u8]) {
        let secret = secret.trim_ascii();
        let mixed = secret.iter().any(u8::is_ascii_digit) && secret.iter().any(u8::is_ascii_alphabetic);
        if secret.len() < if mixed { MIXED } else { LONG } {
            return;
        }
        // It may look like an escape without being one, so it is also kept as it is.
        for form in [folded(secret), folded(bare(secret).trim_ascii())] {
            // Bytes that are not text look alike and would be found in anything decoded from base64.
            let is_text = !form.windows(3).any(|three| three == "\u{fffd}".as_bytes());
            if is_text && form.len() >= size_of::<Head>() {
                self.lengths.entry(head(&form)).or_default().insert(form.len());
                self.secrets.insert(form);
            }
        }
    }

    /// The place of a known secret in these bytes.
    pub(super) fn find(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        if self.secrets.is_empty() {
            return Vec::new();
        }
        let bytes = folded(bytes);
        let mut found = Vec::new();
        for at in 0..bytes.len().saturating_sub(size_of::<Head>() - 1) {
            let longest = self.lengths.get(&head(&bytes[at..])).and_then(|lengths| {
                let stands =
                    |length: &&usize| bytes.get(at..at + **length).is_some_and(|one| self.secrets.contains(one));
                lengths.iter().rev().find(stands)
            });
            found.extend(longest.map(|length| at..at + length));
        }
        found
    }

    /// Runs of base64 that contain a known secret, at whatever offset its group of four starts.
    pub(super) fn find_base64(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        if self.secrets.is_empty() {
            return found;
        }
        let mut at = 0;
        while at < bytes.len() {
            let length = bytes[at..].iter().take_while(|byte| digit64(**byte).is_some()).count();
            let run = &bytes[at..at + length];
            let holds_one = |from: usize| {
                let decoded = base64(&run[from..]);
                !self.find(&decoded).is_empty() || !self.find(&bare(&decoded)).is_empty()
            };
            if length >= RUN && (0..4).any(holds_one) {
                found.push(at..at + length);
            }
            at += length + 1;
        }
        found
    }
}

fn head(bytes: &[u8]) -> Head {
    let mut head = Head::default();
    head.copy_from_slice(&bytes[..size_of::<Head>()]);
    head
}

/// Lower-cased, with the `+` of forms as a space.
pub(super) fn folded(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| if *byte == b'+' { b' ' } else { byte.to_ascii_lowercase() }).collect()
}
