//! Places in the code where a test kills its own instance, as SIGKILL from outside would. In programs that are built
//! without the feature `failpoints`, and in those that are not told otherwise, they are nothing.

/// A place where an instance may be killed: nothing of what comes after it happens.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn failpoint(_name: &str) {}

#[cfg(feature = "failpoints")]
pub use armed::{arm, failpoint};

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicI64, Ordering};

    /// Where this process is to be killed, and after how many passes.
    static ARMED: OnceLock<(String, AtomicI64)> = OnceLock::new();

    /// Has the process killed where it comes to the place `name` for the first time, or with `name:3` for the third time.
    /// Only the first call counts.
    pub fn arm(text: &str) {
        let (name, passes) = text.split_once(':').unwrap_or((text, "1"));
        let passes = passes.parse().unwrap_or(1);
        // A second call has nothing to say.
        let _ = ARMED.set((name.to_owned(), AtomicI64::new(passes)));
    }

    /// A place where an instance may be killed: nothing of what comes after it happens.
    pub fn failpoint(name: &str) {
        let Some((armed, passes)) = ARMED.get() else { return };
        if armed == name && passes.fetch_sub(1, Ordering::SeqCst) == 1 {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            // The kernel needs a moment; nothing may happen in it.
            loop {
                std::thread::park();
            }
        }
    }
}
