//! Captures a body or a message within limits: small ones are kept, of large ones the hash and the length.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::exchange::Body;

/// A body up to this size is kept; of a larger one the hash and the length. In bytes.
const KEEP_AT_MOST: usize = 256 * 1024;

/// The total of the kept bodies of a run, in bytes; beyond it only small ones are kept.
const KEEP_IN_ALL: usize = 64 * 1024 * 1024;

/// The size of a small body, in bytes.
const SMALL: usize = 2 * 1024;

/// The total beyond which not even small bodies are kept, in bytes.
const KEEP_SMALL_IN_ALL: usize = 96 * 1024 * 1024;

/// A body or message, as far as it was captured.
#[derive(Debug, Default)]
pub(crate) struct CapturedBody {
    kept: Vec<u8>,
    length: u64,
    /// Set once it is too large to be kept.
    hash: Option<Sha256>,
}

impl CapturedBody {
    /// Captures the hash and the length only.
    pub(crate) fn hashing() -> CapturedBody {
        CapturedBody { hash: Some(Sha256::new()), ..CapturedBody::default() }
    }

    /// Captures `data`.
    pub(crate) fn of(data: &[u8]) -> CapturedBody {
        let mut passed = CapturedBody::default();
        passed.pass(data);
        passed
    }

    /// Captures the next bytes.
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

    /// What was captured so far.
    pub(crate) fn so_far(&self) -> Body {
        match &self.hash {
            Some(hash) => Body::Hashed { sha256: hash.clone().finalize().into(), length: self.length },
            None => Body::Kept(Bytes::copy_from_slice(&self.kept)),
        }
    }

    /// Whether no byte was captured.
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The hash and the length, whatever the size.
    pub(crate) fn hashed(self) -> Body {
        let hash = self.hash.unwrap_or_else(|| Sha256::new_with_prefix(&self.kept));
        Body::Hashed { sha256: hash.finalize().into(), length: self.length }
    }

    /// The captured body. `kept_in_all`: the total of the kept bodies of the run, in bytes.
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
