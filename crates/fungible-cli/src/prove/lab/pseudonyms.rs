//! Replaces secrets in journals, one to one: equal ones by equal ones, in all runs of a proof, and by others that look like
//! them. So the runs can be judged again, and what they say of each other stays; whoever reads them can log in nowhere.

use std::collections::{HashMap, HashSet};
use std::io;

use sha2::{Digest as _, Sha256};

use crate::exchange::{Body, Outcome};
use crate::prove::journal::Journal;
use crate::prove::parse::{Kind, ParsedRun, Place, atoms, plain};
use crate::prove::schedule::Experiment;

/// Shorter runs of letters and digits stand in many texts by chance: they are left as they are.
const SHORTEST: usize = 6;

/// Whether values of this name are secrets.
pub(crate) type IsSecret = fn(&str) -> bool;

/// The secrets of one proof, and what stands for them.
#[derive(Debug)]
pub(super) struct Pseudonyms {
    /// Makes the replacements: whoever does not have it cannot undo them. It is never written down.
    key: [u8; 32],
    is_secret: IsSecret,
    replaced: HashMap<String, String>,
    used: HashSet<String>,
}

impl Pseudonyms {
    pub(super) fn new(is_secret: IsSecret) -> io::Result<Pseudonyms> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        Ok(Pseudonyms { key, is_secret, replaced: HashMap::new(), used: HashSet::new() })
    }

    /// Replaces what is known to be secret in a run.
    pub(super) fn redact(&self, journal: &mut Journal, experiment: &mut Experiment) {
        for exchange in &mut journal.exchanges {
            self.text(&mut exchange.request.target);
            self.body(&mut exchange.request.body);
            for (_, value) in &mut exchange.request.headers {
                self.bytes(value);
            }
            if let Outcome::Answered { headers, body, .. } = &mut exchange.outcome {
                for (_, value) in headers {
                    self.bytes(value);
                }
                self.body(body);
            }
            for frame in &mut exchange.frames {
                self.body(&mut frame.data);
            }
        }
        for instance in &mut journal.instances {
            for file in &mut instance.files {
                let mut text = file.to_string_lossy().into_owned();
                self.text(&mut text);
                *file = text.into();
            }
        }
        let lines = journal.instances.iter_mut().flat_map(|instance| &mut instance.last_lines);
        let alone = journal.alone.iter_mut().flat_map(|alone| alone.lines.iter_mut().chain([&mut alone.how]));
        for line in journal.driver_lines.iter_mut().chain(lines).chain(alone) {
            self.text(line);
        }
        for key in experiment.keys_mut() {
            self.text(&mut key.pattern);
        }
    }

    /// Replaces the secrets that are known by now.
    pub(super) fn text(&self, text: &mut String) {
        let mut out = String::with_capacity(text.len());
        for (piece, is_run) in runs(text) {
            let replaced = if is_run { self.replaced.get(piece) } else { None };
            out.push_str(replaced.map_or(piece, String::as_str));
        }
        *text = out;
    }

    fn bytes(&self, bytes: &mut Vec<u8>) {
        if let Ok(mut text) = String::from_utf8(bytes.clone()) {
            self.text(&mut text);
            *bytes = text.into_bytes();
        }
    }

    fn body(&self, body: &mut Body) {
        let Body::Kept(bytes) = &*body else { return };
        // Nobody can look for secrets in what is packed or no text: of that only the hash is kept.
        *body = match String::from_utf8(bytes.to_vec()) {
            Ok(mut text) => {
                self.text(&mut text);
                Body::Kept(text.into())
            }
            Err(_) => body.by_hash(),
        };
    }

    /// Finds the secrets of a run: tokens, credentials, and what stands under the names of secrets.
    pub(super) fn learn(&mut self, journal: &Journal) {
        let run = ParsedRun::new(journal.clone());
        for (at, request) in run.requests.iter().enumerate() {
            for value in &request.values {
                let credential = value.place.starts_with("cookie ") || value.place == "header authorization";
                self.learn_value(&value.text, credential || (self.is_secret)(&value.of));
            }
            for (name, value) in &run.exchanges()[at].request.headers {
                if name == "authorization" {
                    let text = String::from_utf8_lossy(value);
                    self.learn_value(text.split_once(' ').map_or(&*text, |(_, credentials)| credentials), true);
                }
            }
            let response = run.response(at);
            for (root, node) in response.iter().flat_map(|response| &response.parts) {
                let is_cookie = root.starts_with("header set-cookie ");
                node.leaves(&mut Place::root(root.clone()), &mut |place, text| {
                    let credential = is_cookie && place.name() == "value";
                    self.learn_value(text, credential || (self.is_secret)(place.name()));
                });
            }
        }
    }

    /// The secrets in one value; all of it, where it is one.
    fn learn_value(&mut self, text: &str, is_secret: bool) {
        let text = plain(text);
        for atom in atoms(&text) {
            match atom.kind {
                // What it says is no secret, and is compared; that it is signed is what opens doors.
                Kind::Signed => self.learn_runs(atom.text.rsplit(['.', ':']).next().unwrap_or_default()),
                Kind::Opaque => self.learn_runs(atom.text),
                _ if is_secret => self.learn_runs(atom.text),
                _ => {}
            }
        }
    }

    fn learn_runs(&mut self, text: &str) {
        for (run, _) in runs(text).filter(|(run, is_run)| *is_run && run.len() >= SHORTEST) {
            if self.replaced.contains_key(run) {
                continue;
            }
            let another = (0..u32::MAX).map(|salt| self.another(run, salt)).find(|one| !self.used.contains(one));
            if let Some(another) = another {
                self.used.insert(another.clone());
                self.replaced.insert(run.to_owned(), another);
            }
        }
    }

    /// Another run of as many letters and digits, each of the kind of the one in its place.
    fn another(&self, run: &str, salt: u32) -> String {
        let hex = run.bytes().all(|byte| byte.is_ascii_hexdigit());
        let letters = if hex { 6 } else { 26 };
        let mut stream = Vec::new();
        while stream.len() < run.len() {
            let block = u32::try_from(stream.len()).unwrap_or(u32::MAX);
            let digest = Sha256::new()
                .chain_update(self.key)
                .chain_update(salt.to_be_bytes())
                .chain_update(block.to_be_bytes())
                .chain_update(run)
                .finalize();
            stream.extend_from_slice(&digest);
        }
        // A number must stay one: it does not begin with 0.
        let is_number = run.bytes().all(|byte| byte.is_ascii_digit());
        let mut first = is_number && !run.starts_with('0');
        let change = |(letter, random): (u8, u8)| match letter {
            b'0'..=b'9' if std::mem::take(&mut first) => b'1' + random % 9,
            b'0'..=b'9' => b'0' + random % 10,
            b'a'..=b'z' => b'a' + random % letters,
            _ => b'A' + random % letters,
        };
        run.bytes().zip(stream).map(change).map(char::from).collect()
    }
}

/// The pieces of a text: runs of ASCII letters and digits, and what stands between them. The digits of `%2B` belong to no
/// run, so that a token is cut alike in a URL and elsewhere.
fn runs(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let bytes = rest.as_bytes();
        let first = *bytes.first()?;
        let is_run = first.is_ascii_alphanumeric();
        let length = if is_run {
            bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count()
        } else if first == b'%' && bytes.len() >= 3 && bytes[1..3].iter().all(u8::is_ascii_hexdigit) {
            3
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
        let (piece, after) = rest.split_at(length);
        rest = after;
        Some((piece, is_run))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_replaced_alike_wherever_it_stands() {
        let mut pseudonyms = Pseudonyms::new(|name| name == "password").unwrap();
        pseudonyms.learn_value("8f3a9c0d1e2b4f5a6c7d8e9f0a1b2c3d", false);
        pseudonyms.learn_value("correct-horse7", true);
        let mut texts = [
            "sid=8f3a9c0d1e2b4f5a6c7d8e9f0a1b2c3d; Path=/",
            "s%3A8f3a9c0d1e2b4f5a6c7d8e9f0a1b2c3d",
            "a correct answer",
        ]
        .map(str::to_owned);
        for text in &mut texts {
            pseudonyms.text(text);
        }
        let token = texts[0].strip_prefix("sid=").and_then(|text| text.strip_suffix("; Path=/")).unwrap();
        assert_ne!(token, "8f3a9c0d1e2b4f5a6c7d8e9f0a1b2c3d");
        assert!(token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
        assert_eq!(texts[1], format!("s%3A{token}"));
        assert_ne!(texts[2], "a correct answer", "a word of a password is one wherever it stands");
    }

    #[test]
    fn no_two_secrets_become_one() {
        let mut pseudonyms = Pseudonyms::new(|_| true).unwrap();
        let secrets: Vec<String> = (0..2000).map(|number| format!("aaa{number:04}")).collect();
        for secret in &secrets {
            pseudonyms.learn_value(secret, true);
        }
        let all: HashSet<&String> = pseudonyms.replaced.values().collect();
        assert_eq!((all.len(), pseudonyms.replaced.len()), (2000, 2000));
    }
}
