//! What passed by of a body or a message, within limits: small ones are kept, of large ones the hash and the length.
//! It does not know where the bytes came from.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::exchange::Body;

/// A body up to this size is kept; of a larger one its hash and length.
const KEEP_AT_MOST: usize = 256 * 1024;

/// Bytes of all bodies of a run that are kept; after that only small ones are.
const KEEP_IN_ALL: usize = 64 * 1024 * 1024;

/// What is small enough to be kept nearly always.
const SMALL: usize = 2 * 1024;

/// Bytes after which not even small ones are kept.
const KEEP_SMALL_IN_ALL: usize = 96 * 1024 * 1024;

/// What has passed of one body or message.
#[derive(Debug, Default)]
pub(crate) struct CapturedBody {
    kept: Vec<u8>,
    length: u64,
    /// Once it is too large to be kept.
    hash: Option<Sha256>,
}

impl CapturedBody {
    /// Of which nothing but the hash is wanted.
    pub(crate) fn hashing() -> CapturedBody {
        CapturedBody { hash: Some(Sha256::new()), ..CapturedBody::default() }
    }

    pub(crate) fn of(data: &[u8]) -> CapturedBody {
        let mut passed = CapturedBody::default();
        passed.pass(data);
        passed
    }

    pub(crate) fn pass(&mut self, data: &[u8]) {
        self.length += data.len() as u64;
        if self.hash.is_none() && self.kept.len() + data.len() > KEEP_AT_MOST {
            self.hash = Some(Sha256::new_with_prefix(std::mem::take(&mut self.kept)));
        }
        match &mut self.hash {
            Some(hash) => hash.update(data),
            None => self.kept.extend_from_slice(data),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// By its hash alone, whatever its size.
    pub(crate) fn hashed(self) -> Body {
        let hash = self.hash.unwrap_or_else(|| Sha256::new_with_prefix(&self.kept));
        Body::Hashed { sha256: hash.finalize().into(), length: self.length }
    }

    /// `kept_in_all`: the bytes that are kept of the whole run.
    pub(crate) fn body(mut self, kept_in_all: &AtomicUsize) -> Body {
        if self.hash.is_some() {
            return self.hashed();
        }
        let limit = if self.kept.len() > SMALL { KEEP_IN_ALL } else { KEEP_SMALL_IN_ALL };
        if kept_in_all.load(Ordering::Relaxed) + self.kept.len() > limit {
            return self.hashed();
        }
        kept_in_all.fetch_add(self.kept.len(), Ordering::Relaxed);
        self.kept.shrink_to_fit();
        Body::Kept(Bytes::from(self.kept))
    }
}
