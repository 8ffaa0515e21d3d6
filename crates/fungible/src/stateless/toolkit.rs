//! What of the toolkit goes into an app's state: handles to the shared store, what all instances are told alike, and a
//! few things of the instance's own that nobody was promised. Each line is a claim that a reader must be able to check.

use crate::stateless::plain::plain;

// Handles to the shared store.
plain!(crate::store::Store, crate::store::StoreUrl, crate::once::Once, crate::limits::Limits);
plain!(crate::kit::Kit, crate::jobs::Jobs, crate::users::Users, crate::users::Logins, crate::sessions::Sessions);

// Told alike to all instances, or read from the store by all.
plain!(crate::secret::Secret, crate::cookie::CookieMode, crate::client::Proxies, crate::limits::Limit);
plain!(crate::keys::KeyRing, crate::sealed::Seals, crate::tokens::Tokens);

// The machine's time; one that a test has set goes with the test.
plain!(crate::clock::Clock);

// Its queue of waiting passwords bounds the processor and memory of this machine. Who waits was not yet answered.
plain!(crate::users::Hasher);

// Plain data.
plain!(crate::users::UserId, crate::users::Account, crate::cache::CacheMode);

// Only copies, none of which is served for longer than it may: see there.
impl<K, V> crate::stateless::Stateless for crate::cache::Cache<K, V> {
    fn exemptions(&self, _: &mut crate::stateless::Exemptions<'_>) {}
}
