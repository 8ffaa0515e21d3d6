//! The types of the toolkit that an app's state may hold: handles to the shared store, settings that are equal in all
//! instances, and a few parts of one instance that may be lost. Each line is a claim that a reader must be able to check.

use super::definition::Stateless;
use super::exemptions::Exemptions;
use super::plain::plain;

// Handles to the shared store.
plain!(crate::store::Store, crate::store::StoreUrl, crate::once::Once, crate::limits::Limits);
plain!(crate::kit::Kit, crate::jobs::Jobs, crate::users::Users, crate::users::Logins, crate::sessions::Sessions);

// Settings that are equal in all instances, or keys that all of them read from the store.
plain!(crate::secret::Secret, crate::cookie::CookieMode, crate::client::Proxies, crate::limits::Limit);
plain!(crate::keys::KeyRing, crate::sealed::Seals, crate::tokens::Tokens);

// The machine's clock; one that a test has set is lost with the test.
plain!(crate::clock::Clock);

// Its queue bounds the processor time and memory of this machine. Requests in it have not been answered yet.
plain!(crate::users::Hasher);

// Plain data.
plain!(crate::users::UserId, crate::users::Account, crate::cache::CacheMode);

// Only copies, none of which is served after its time: see there.
impl<K, V> Stateless for crate::cache::Cache<K, V> {
    fn exemptions(&self, _: &mut Exemptions<'_>) {}
}
