//! What the tests share: a directory of their own, waiting for a condition, quick password hashes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fungible::{Hasher, HasherOptions};

/// A new directory, removed at the end of the test.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Directory {
        let path = std::env::temp_dir().join(format!("fungible-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Directory(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the tests put their store.
    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("store.db")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits until `condition` holds; a limit that is never reached on a machine that works.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < Duration::from_secs(30), "waited 30 s in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Password hashes that cost next to nothing.
pub(crate) fn quick_hasher() -> Hasher {
    Hasher::new(&HasherOptions {
        memory_kib: 8,
        passes: 1,
        at_once: 2,
        waiting: 64,
    })
}
