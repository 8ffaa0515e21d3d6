//! Waiting for a condition, never for a fixed time.

use std::time::{Duration, Instant};

/// Far more than anything takes on a busy machine: it only ends a test that would wait for ever.
pub const LIMIT: Duration = Duration::from_mins(1);

/// From one look at a condition to the next.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `condition` returns something. Panics with `what` after [`LIMIT`].
#[track_caller]
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    eventually_ok(|| condition().ok_or(what))
}

/// Waits until `condition` returns `Ok`. Panics with the last error after [`LIMIT`].
#[track_caller]
pub fn eventually_ok<T, E: std::fmt::Display>(mut condition: impl FnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        match condition() {
            Ok(found) => return found,
            Err(missing) => assert!(Instant::now() < deadline, "waited in vain: {missing}"),
        }
        std::thread::park_timeout(PAUSE);
    }
}

/// Waits until `condition` holds, without blocking the thread. Panics with `what` after [`LIMIT`].
pub async fn eventually_async(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
