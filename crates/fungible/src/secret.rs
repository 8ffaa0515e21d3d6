//! The secret that all instances share, given from outside. Nothing here makes one: an instance with a secret of its own would
//! not accept what the others have signed, nor after a restart what it signed itself. Knows hashing, not what is hashed.

use std::fmt;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Standard base64, with or without padding, as many tools leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The fewest bytes of a secret.
const LEAST_BYTES: usize = 32;

/// The fewest bytes of a hash that cannot be guessed.
const LEAST_HASH: usize = 16;

/// The secret that all instances share, as a key for hashes. `Debug` does not show it.
#[derive(Clone)]
pub struct Secret {
    keyed: Hmac<Sha256>,
}

/// Why a text is no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The text is not base64.
    #[error("the secret is not base64: make one with `openssl rand -base64 32`")]
    NotBase64,
    /// Fewer than 32 bytes.
    #[error(
        "the secret has only {bytes} bytes and needs at least {LEAST_BYTES}: make one with `openssl rand -base64 32`"
    )]
    TooShort {
        /// How many bytes were given.
        bytes: usize,
    },
}

impl Secret {
    /// Reads a secret from base64 (white space around it is ignored).
    ///
    /// # Errors
    /// When the text is not base64 or holds fewer than 32 bytes.
    pub fn parse(text: &str) -> Result<Secret, SecretError> {
        let bytes = BASE64.decode(text.trim()).map_err(|_| SecretError::NotBase64)?;
        if bytes.len() < LEAST_BYTES {
            return Err(SecretError::TooShort { bytes: bytes.len() });
        }
        let keyed = Hmac::new_from_slice(&bytes).map_err(|_| SecretError::TooShort { bytes: bytes.len() })?;
        Ok(Secret { keyed })
    }

    /// HMAC-SHA256 of `data` under this secret, for one purpose: hashes of equal data for different purposes are unrelated.
    /// The length of the purpose is hashed before it.
    pub fn keyed_hash(&self, purpose: &str, data: &[u8]) -> [u8; 32] {
        self.mac(purpose, data).finalize().into_bytes().into()
    }

    /// Whether `hash` is what [`Secret::keyed_hash`] returns, or its first 16 bytes or more. It compares in constant time.
    pub fn is_keyed_hash(&self, purpose: &str, data: &[u8], hash: &[u8]) -> bool {
        hash.len() >= LEAST_HASH && self.mac(purpose, data).verify_truncated_left(hash).is_ok()
    }

    fn mac(&self, purpose: &str, data: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(&(purpose.len() as u64).to_be_bytes());
        mac.update(purpose.as_bytes());
        mac.update(data);
        mac
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn takes_base64_with_and_without_padding() {
        let padded = Secret::parse(GOOD).unwrap();
        let bare = Secret::parse(&format!(" {}\n", GOOD.trim_end_matches('='))).unwrap();
        assert_eq!(padded.keyed_hash("a", b"b"), bare.keyed_hash("a", b"b"));
    }

    #[test]
    fn refuses_what_is_short_or_no_base64() {
        assert_eq!(Secret::parse("AAAA").unwrap_err(), SecretError::TooShort { bytes: 3 });
        assert_eq!(Secret::parse("").unwrap_err(), SecretError::TooShort { bytes: 0 });
        assert_eq!(Secret::parse("not base64!").unwrap_err(), SecretError::NotBase64);
    }

    #[test]
    fn purposes_are_separate() {
        let secret = Secret::parse(GOOD).unwrap();
        assert_ne!(secret.keyed_hash("session", b"x"), secret.keyed_hash("token", b"x"));
        assert_ne!(secret.keyed_hash("ab", b"c"), secret.keyed_hash("a", b"bc"));
    }

    #[test]
    fn a_hash_is_compared_whole_or_in_its_beginning() {
        let secret = Secret::parse(GOOD).unwrap();
        let hash = secret.keyed_hash("a", b"b");
        assert!(secret.is_keyed_hash("a", b"b", &hash) && secret.is_keyed_hash("a", b"b", &hash[..16]));
        assert!(!secret.is_keyed_hash("a", b"c", &hash) && !secret.is_keyed_hash("b", b"b", &hash));
        for wrong in [&hash[..15], &hash[1..], &[], &[hash, hash].concat()] {
            assert!(!secret.is_keyed_hash("a", b"b", wrong), "{wrong:?}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::parse(GOOD).unwrap()), "Secret(..)");
    }
}
