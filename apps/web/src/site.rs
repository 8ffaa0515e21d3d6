//! What the pages here must know of an app.

use axum::response::Response;
use fungible::Account;
use serde::de::DeserializeOwned;

use crate::access::Access;
use crate::assets::Asset;
use crate::notice::Notice;

/// An app: what its handlers can reach, and what its pages are called.
pub trait Site: Clone + Send + Sync + 'static {
    /// What a form that came without a session wants done after the login; the login form carries it.
    type Draft: DeserializeOwned + Default + Send;

    /// The app's name, at the head of each page.
    const NAME: &'static str;
    /// What its first page is called in a link.
    const HOME: &'static str;
    /// The messages after its redirects.
    const NOTICES: &'static [Notice];
    /// Its icon.
    const ICON: &'static Asset;
    /// Its own stylesheet, beside the common one.
    const STYLE: &'static Asset;

    /// Who may be what.
    fn access(&self) -> &Access;

    /// The instance's name, for small print.
    fn instance(&self) -> &str;

    /// What the login form shows and carries of a draft.
    fn carried(draft: &Self::Draft) -> Carried;

    /// Where a form leads that has just logged somebody in or registered somebody; does what the draft wants done.
    fn arrived(&self, account: Account, draft: Self::Draft, notice: Notice) -> impl Future<Output = Response> + Send;
}

/// What a login form carries for afterwards.
#[derive(Debug, Clone, Default)]
pub struct Carried {
    /// Hidden fields: names and values, as the draft is read from.
    pub fields: Vec<(&'static str, String)>,
    /// What the user is told of it.
    pub hint: String,
}
