//! JSON Web Tokens (RFC 7519) of one kind: HS256 under a key of the ring. Everything else that the standard allows is
//! refused. Knows claims as bytes.
//!
//! The header of a token must be, byte for byte, what this file writes for the key that it names. So the algorithm is that of
//! the key, and `none`, `crit`, `jwk` and so on are refused without parsing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::keys::{Key, KeyError, KeyRing};

/// The most bytes of a token.
const LONGEST: usize = 2048;

/// The purpose for which the ring derives its keys.
const PURPOSE: &str = "fungible access token";

/// The header of a token under this key. The type is that of RFC 9068.
fn head(id: u32) -> String {
    URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{id}"}}"#))
}

/// The id of the key that a header names; `None` for a header that this file would not write.
fn key_of(first: &str) -> Option<u32> {
    let bytes = URL_SAFE_NO_PAD.decode(first).ok()?;
    let text = std::str::from_utf8(&bytes).ok()?;
    let id = text.strip_prefix(r#"{"alg":"HS256","typ":"at+jwt","kid":""#)?.strip_suffix(r#""}"#)?.parse().ok()?;
    (head(id) == first).then_some(id)
}

fn mac(key: &Key, signed: &str) -> Hmac<Sha256> {
    let mut mac = key.mac(PURPOSE);
    mac.update(signed.as_bytes());
    mac
}

/// A token with these claims, under the current signing key.
pub(super) async fn sign(ring: &KeyRing, claims: &[u8]) -> Result<String, KeyError> {
    let key = ring.signing().await?;
    let signed = format!("{}.{}", head(key.id), URL_SAFE_NO_PAD.encode(claims));
    let signature = mac(&key, &signed).finalize().into_bytes();
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The parts of a text that looks like a token.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    key: u32,
    signed: &'a str,
    claims: &'a str,
    signature: Vec<u8>,
}

impl Parts<'_> {
    /// `None` for a text that this file would not write.
    pub(super) fn of(token: &str) -> Option<Parts<'_>> {
        let (signed, signature) = token.rsplit_once('.').filter(|_| token.len() <= LONGEST)?;
        let (first, claims) = signed.split_once('.')?;
        let key = key_of(first)?;
        // Strict: no padding, no other alphabet, no unused bits.
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Parts { key, signed, claims, signature })
    }

    /// As text.
    #[cfg(any(test, fuzzing))]
    pub(super) fn text(&self) -> String {
        format!("{}.{}.{}", head(self.key), self.claims, URL_SAFE_NO_PAD.encode(&self.signature))
    }
}

/// The claims of a token that an instance of this service has signed; `None` for any other.
pub(super) async fn verify(ring: &KeyRing, token: &str) -> Result<Option<Vec<u8>>, KeyError> {
    let Some(parts) = Parts::of(token) else { return Ok(None) };
    let Some(key) = ring.find(parts.key).await? else { return Ok(None) };
    // Compared in constant time.
    if mac(&key, parts.signed).verify_slice(&parts.signature).is_err() {
        return Ok(None);
    }
    Ok(URL_SAFE_NO_PAD.decode(parts.claims).ok())
}
