//! The client's key: read from the header `Idempotency-Key`, and bound to the client and the request. Knows no store.

use std::fmt::Display;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// In characters; a UUID has 36.
const LONGEST_KEY: usize = 255;

/// The idempotency key of a request, as an extractor: `IdempotencyKey` if it is required, `Option<IdempotencyKey>` if it is
/// optional.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    text: String,
    /// The method and the path of the request.
    target: String,
}

/// A key bound to its client and to one request, as hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnceKey {
    /// Of the client and the key.
    pub(super) id: [u8; 32],
    /// Of the method, the path and the body.
    pub(super) request: [u8; 32],
}

/// Why a request has no usable key. As a response: 400 with a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdempotencyKeyRejection {
    /// There is no such header.
    #[error(
        "This request needs the header Idempotency-Key: a new UUID for each thing to be done, the same when it is sent again."
    )]
    Missing,
    /// The header is no key, or comes twice.
    #[error("The header Idempotency-Key must hold one key of 1 to 255 visible ASCII characters, such as a UUID.")]
    Malformed,
}

impl IntoResponse for IdempotencyKeyRejection {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, format!("{self}\n")).into_response()
    }
}

impl IdempotencyKey {
    /// A key from elsewhere than the header, such as a field of a form. `target` names the operation, as the method and the
    /// path do for a key from the header.
    ///
    /// # Errors
    /// When the text is no key.
    pub fn parse(text: &str, target: &str) -> Result<IdempotencyKey, IdempotencyKeyRejection> {
        // The draft has a string in quotes; many clients send it without.
        let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let fine = (1..=LONGEST_KEY).contains(&bare.len())
            && bare.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        if !fine {
            return Err(IdempotencyKeyRejection::Malformed);
        }
        Ok(IdempotencyKey { text: bare.to_owned(), target: target.to_owned() })
    }

    /// The key of the client `whose` for the request `body`. Equal keys of other clients are other keys; the same key with
    /// another body is refused.
    pub fn of(&self, whose: impl Display, body: &impl Serialize) -> OnceKey {
        let whose = whose.to_string();
        // A body that cannot be written as JSON is not compared.
        let body = serde_json::to_vec(body).unwrap_or_default();
        OnceKey { id: hash(&[whose.as_bytes(), self.text.as_bytes()]), request: hash(&[self.target.as_bytes(), &body]) }
    }
}

impl OnceKey {
    /// The number of its lock.
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
