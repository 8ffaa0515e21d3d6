//! What parses tokens, given any bytes.

use super::jwt::Parts;
use super::refresh_token::RefreshToken;
use crate::secret::Secret;

/// An access or a refresh token. What is taken for an access token is, byte for byte, as it would be written; no refresh token
/// is sealed by the secret, which is not in these bytes.
///
/// # Panics
/// When an answer cannot be right.
pub fn token(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(parts) = Parts::of(&text) {
        assert_eq!(parts.text(), text);
    }
    let Ok(secret) = Secret::parse(&"0123456789".repeat(5)[..44]) else { return };
    assert!(RefreshToken::parse(&text, &secret).is_none(), "{text} is a refresh token");
}
