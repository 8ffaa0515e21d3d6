//! Hashes passwords with argon2id, a few at a time: each hash takes much memory and time, and a flood of logins must not
//! take the instance down. Knows no users.

use std::sync::Arc;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use tokio::sync::Semaphore;

use crate::setters::setters;

/// The cost of a hash, and how many are computed at the same time.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HasherOptions {
    /// Memory per hash in KiB; at least 8.
    pub memory_kib: u32,
    /// Passes over the memory; at least 1.
    pub passes: u32,
    /// Hashes computed at the same time; at least 1.
    pub at_once: usize,
    /// Requests that may wait for their turn; any more get [`TooManyAtOnce`].
    pub waiting: usize,
}

impl Default for HasherOptions {
    /// As OWASP recommends: 19 MiB, 2 passes. Half of the cores, so that the other half serves requests; 64 may wait.
    fn default() -> HasherOptions {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        HasherOptions { memory_kib: 19 * 1024, passes: 2, at_once: (cores / 2).max(1), waiting: 64 }
    }
}

setters!(HasherOptions: memory_kib: u32, passes: u32, at_once: usize, waiting: usize);

/// Computes and verifies password hashes. Clones share their limits.
#[derive(Debug, Clone)]
pub struct Hasher {
    argon2: Argon2<'static>,
    /// A hash that no password has, at the same cost: so that an unknown name takes as long as a known one.
    nobody: Arc<str>,
    /// Places for those that wait or compute, and for those that compute.
    admitted: Arc<Semaphore>,
    computing: Arc<Semaphore>,
}

/// More passwords are being hashed than [`HasherOptions`] allow. Nothing was done; try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked at once: try again in a moment")]
pub struct TooManyAtOnce;

impl Default for Hasher {
    fn default() -> Hasher {
        Hasher::new(&HasherOptions::default())
    }
}

impl Hasher {
    /// A hasher. Options below their minimum are raised to it.
    pub fn new(options: &HasherOptions) -> Hasher {
        let (memory, passes) = (options.memory_kib.max(Params::MIN_M_COST), options.passes.max(1));
        let params = Params::new(memory, passes, 1, None).unwrap_or(Params::DEFAULT);
        let at_once = options.at_once.max(1);
        Hasher {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            nobody: format!("$argon2id$v=19$m={memory},t={passes},p=1${}${}", "A".repeat(22), "A".repeat(43)).into(),
            admitted: Arc::new(Semaphore::new(at_once.saturating_add(options.waiting).min(Semaphore::MAX_PERMITS))),
            computing: Arc::new(Semaphore::new(at_once.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// The hash of a password with a new salt, as text (PHC string format).
    ///
    /// # Errors
    /// [`TooManyAtOnce`].
    pub async fn hash(&self, password: &str) -> Result<String, TooManyAtOnce> {
        let (argon2, password) = (self.argon2.clone(), password.to_owned());
        self.compute(move || argon2.hash_password(password.as_bytes()).map(|hash| hash.to_string())).await
    }

    /// Whether `hash` is that of `password`. Without a hash the result is false, after the same time.
    ///
    /// # Errors
    /// [`TooManyAtOnce`].
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, TooManyAtOnce> {
        let known = hash.is_some();
        let (argon2, password) = (self.argon2.clone(), password.to_owned());
        let hash = hash.unwrap_or(&self.nobody).to_owned();
        let verify = move || {
            let hash = PasswordHash::new(&hash)?;
            match argon2.verify_password(password.as_bytes(), &hash) {
                Ok(()) => Ok(known),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.compute(verify).await
    }

    async fn compute<T, W>(&self, work: W) -> Result<T, TooManyAtOnce>
    where
        T: Send + 'static,
        W: FnOnce() -> argon2::password_hash::Result<T> + Send + 'static,
    {
        let admitted = self.admitted.clone().try_acquire_owned().map_err(|_| TooManyAtOnce)?;
        let computing = self.computing.clone().acquire_owned().await.map_err(|_| TooManyAtOnce)?;
        // One line per hash: tests count them, to see that an unknown name is as much work as a known one.
        tracing::trace!("a password is hashed");
        // The permits move into the task: it goes on and still counts when the caller is dropped.
        let task = tokio::task::spawn_blocking(move || {
            let _permits = (admitted, computing);
            work()
        });
        match task.await {
            Ok(Ok(result)) => Ok(result),
            // Too little memory, or the text in the store is no hash.
            Ok(Err(error)) => {
                tracing::error!(%error, "hashing a password");
                Err(TooManyAtOnce)
            }
            Err(error) => {
                tracing::error!(%error, "hashing a password");
                Err(TooManyAtOnce)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick(at_once: usize, waiting: usize) -> Hasher {
        Hasher::new(&HasherOptions::default().memory_kib(8).passes(1).at_once(at_once).waiting(waiting))
    }

    #[tokio::test]
    async fn a_hash_is_of_its_password_only() {
        let hasher = quick(1, 8);
        let hash = hasher.hash("correct horse").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        assert_eq!(hasher.verify("correct horse", Some(&hash)).await, Ok(true));
        assert_eq!(hasher.verify("wrong horse", Some(&hash)).await, Ok(false));
        assert_eq!(hasher.verify("correct horse", None).await, Ok(false));
        assert_ne!(hasher.hash("correct horse").await.unwrap(), hash, "each has a salt of its own");
    }

    #[tokio::test]
    async fn the_default_costs_what_owasp_recommends() {
        let hasher = Hasher::default();
        let hash = hasher.hash("correct horse").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hasher.nobody.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hasher.nobody);
    }

    #[tokio::test]
    async fn beyond_the_bound_it_refuses_and_later_works_again() {
        let hasher = quick(1, 1);
        let held = hasher.computing.clone().acquire_owned().await.unwrap();
        let waiting =
            [hasher.clone(), hasher.clone()].map(|hasher| tokio::spawn(async move { hasher.hash("x").await }));
        while hasher.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hasher.hash("x").await, Err(TooManyAtOnce));
        drop(held);
        for task in waiting {
            assert!(task.await.unwrap().is_ok());
        }
        assert!(hasher.hash("x").await.is_ok());
    }
}
