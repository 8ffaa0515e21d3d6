//! Places in the code where a test has its own instance killed, as by SIGKILL from outside. They have no effect without the
//! feature `failpoints`, and with it until one is armed.

/// A place where an armed instance is killed: nothing after it happens.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn failpoint(_name: &str) {}

#[cfg(feature = "failpoints")]
pub use armed::{arm, failpoint};

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicI64, Ordering};

    /// The place where this process is killed, and after how many passes.
    static ARMED: OnceLock<(String, AtomicI64)> = OnceLock::new();

    /// Has the process killed when it reaches the place `name` for the first time, or with `name:3` for the third time. Only
    /// the first call has an effect.
    pub fn arm(text: &str) {
        let (name, passes) = text.split_once(':').unwrap_or((text, "1"));
        let passes = passes.parse().unwrap_or(1);
        // A second call has no effect.
        let _ = ARMED.set((name.to_owned(), AtomicI64::new(passes)));
    }

    /// A place where an armed instance is killed: nothing after it happens.
    pub fn failpoint(name: &str) {
        let Some((armed, passes)) = ARMED.get() else { return };
        if armed == name && passes.fetch_sub(1, Ordering::SeqCst) == 1 {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            // Nothing may happen until the signal arrives.
            loop {
                std::thread::park();
            }
        }
    }
}
