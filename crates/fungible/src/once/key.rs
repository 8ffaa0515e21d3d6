//! The client's key: read from the header `Idempotency-Key`, bound to whose it is and to what was asked. Knows no store.

use std::fmt::Display;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// A UUID has 36.
const LONGEST_KEY: usize = 255;

/// The key that a request came with, as an extractor: `IdempotencyKey` where it must be there, `Option<IdempotencyKey>`
/// where it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    text: String,
    /// The method and the path of the request.
    target: String,
}

/// A key with whose it is and what was asked, as hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnceKey {
    pub(super) id: [u8; 32],
    pub(super) request: [u8; 32],
}

/// Why a request has no usable key. As a response: 400 with a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdempotencyKeyRejection {
    /// The header is not there.
    #[error(
        "This request needs the header Idempotency-Key: a new UUID for each thing to be done, the same when it is sent again."
    )]
    Missing,
    /// The header holds no key.
    #[error("The header Idempotency-Key must hold one key of 1 to 255 visible ASCII characters, such as a UUID.")]
    Malformed,
}

impl IntoResponse for IdempotencyKeyRejection {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, format!("{self}\n")).into_response()
    }
}

impl IdempotencyKey {
    /// A key that came elsewhere than in the header, as in a field of a form; `target` says what it is for.
    ///
    /// # Errors
    /// When it is no key.
    pub fn parse(text: &str, target: &str) -> Result<IdempotencyKey, IdempotencyKeyRejection> {
        // The draft writes it as a string in quotes; many clients leave them out.
        let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let fine = (1..=LONGEST_KEY).contains(&bare.len())
            && bare.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        if !fine {
            return Err(IdempotencyKeyRejection::Malformed);
        }
        Ok(IdempotencyKey { text: bare.to_owned(), target: target.to_owned() })
    }

    /// The key of one client (`whose`: nobody else's keys are the same) for one request: `body` is what was sent, as it was
    /// understood.
    pub fn of(&self, whose: impl Display, body: &impl Serialize) -> OnceKey {
        let whose = whose.to_string();
        // What cannot be written as JSON is as good as nothing: then the key alone decides.
        let body = serde_json::to_vec(body).unwrap_or_default();
        OnceKey { id: hash(&[whose.as_bytes(), self.text.as_bytes()]), request: hash(&[self.target.as_bytes(), &body]) }
    }
}

impl OnceKey {
    /// A number for locks.
    pub(super) fn lock(&self) -> i64 {
        self.id.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes))
    }
}

/// SHA-256 of parts, each with its length in front.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

fn from_parts(parts: &Parts) -> Result<IdempotencyKey, IdempotencyKeyRejection> {
    let mut values = parts.headers.get_all(HEADER).iter();
    let first = values.next().ok_or(IdempotencyKeyRejection::Missing)?;
    match (first.to_str(), values.next()) {
        (Ok(text), None) => IdempotencyKey::parse(text.trim(), &format!("{} {}", parts.method, parts.uri.path())),
        _ => Err(IdempotencyKeyRejection::Malformed),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = IdempotencyKeyRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<IdempotencyKey, IdempotencyKeyRejection> {
        from_parts(parts)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = IdempotencyKeyRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<IdempotencyKey>, IdempotencyKeyRejection> {
        match from_parts(parts) {
            Err(IdempotencyKeyRejection::Missing) => Ok(None),
            found => found.map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<IdempotencyKey, IdempotencyKeyRejection> {
        IdempotencyKey::parse(text, "POST /orders")
    }

    #[test]
    fn keys_are_read_with_and_without_quotes() {
        assert_eq!(key("\"8e03978e-40d5\""), key("8e03978e-40d5"));
        for text in ["", "\"\"", "two words", "a\"b", "back\\slash", "Zoë", &"x".repeat(256)] {
            assert_eq!(key(text), Err(IdempotencyKeyRejection::Malformed), "{text}");
        }
    }

    #[test]
    fn a_key_is_of_one_client_and_one_request() {
        let one = key("k").unwrap();
        assert_eq!(one.of("ann", &1), key("k").unwrap().of("ann", &1));
        assert_ne!(one.of("ann", &1).id, one.of("bob", &1).id);
        assert_ne!(one.of("a", &1).id, IdempotencyKey::parse("nk", "").unwrap().of("an", &1).id);
        assert_eq!(one.of("ann", &1).id, one.of("ann", &2).id);
        assert_ne!(one.of("ann", &1).request, one.of("ann", &2).request);
        assert_ne!(one.of("ann", &1).request, IdempotencyKey::parse("k", "POST /carts").unwrap().of("ann", &1).request);
    }
}
