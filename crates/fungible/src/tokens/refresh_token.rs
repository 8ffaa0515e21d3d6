//! Refresh tokens as text, as bits and as the store knows them. Knows no store.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::secret::Secret;

/// A refresh token: the id of its login, and 256 bits that cannot be guessed. As text it has a keyed hash behind it, so that a
/// token which somebody made up from a login's id does not end the login.
#[derive(Clone, Copy)]
pub(super) struct RefreshToken {
    pub(super) login: Uuid,
    pub(super) bits: [u8; 32],
}

/// Bytes of the keyed hash in the text.
const SEAL: usize = 16;
const SEAL_PURPOSE: &str = "fungible refresh token seal";
const STORED_PURPOSE: &str = "fungible refresh token";

impl RefreshToken {
    /// The token that replaces this one. It follows from this one under the shared secret, so every instance gives the
    /// same, however often it is asked.
    pub(super) fn next(&self, secret: &Secret) -> RefreshToken {
        RefreshToken { login: self.login, bits: secret.keyed_hash("fungible next refresh token", &self.bytes()) }
    }

    /// The keyed hash by which the store knows it.
    pub(super) fn stored(&self, secret: &Secret) -> [u8; 32] {
        secret.keyed_hash(STORED_PURPOSE, &self.bits)
    }

    /// Whether `hash` is that of this token.
    pub(super) fn is_stored_as(&self, secret: &Secret, hash: &[u8]) -> bool {
        secret.is_keyed_hash(STORED_PURPOSE, &self.bits, hash)
    }

    pub(super) fn text(&self, secret: &Secret) -> String {
        let seal = secret.keyed_hash(SEAL_PURPOSE, &self.bytes());
        URL_SAFE_NO_PAD.encode([&self.bytes()[..], &seal[..SEAL]].concat())
    }

    pub(super) fn parse(text: &str, secret: &Secret) -> Option<RefreshToken> {
        let bytes: [u8; 48 + SEAL] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (token, seal) = bytes.split_first_chunk::<48>()?;
        let (login, bits) = token.split_first_chunk::<16>()?;
        let refresh = RefreshToken { login: Uuid::from_bytes(*login), bits: bits.try_into().ok()? };
        secret.is_keyed_hash(SEAL_PURPOSE, token, seal).then_some(refresh)
    }

    fn bytes(&self) -> [u8; 48] {
        let mut bytes = [0; 48];
        let (login, bits) = bytes.split_at_mut(16);
        login.copy_from_slice(self.login.as_bytes());
        bits.copy_from_slice(&self.bits);
        bytes
    }
}
