//! What an app tells the pages here.

use axum::response::Response;
use fungible::Account;
use serde::de::DeserializeOwned;

use crate::access::Access;
use crate::assets::Asset;
use crate::notice::Notice;

/// An app: the state of its handlers, and the names of its pages.
pub trait Site: Clone + Send + Sync + 'static {
    /// The content of a form that came without a session, to be carried out after the login. The login form carries it.
    type Draft: DeserializeOwned + Default + Send;

    /// The app's name, at the head of each page.
    const NAME: &'static str;
    /// The name of its first page in links.
    const HOME: &'static str;
    /// The messages after its redirects.
    const NOTICES: &'static [Notice];
    /// Its icon.
    const ICON: &'static Asset;
    /// Its own stylesheet, beside the common one.
    const STYLE: &'static Asset;

    /// Users, sessions and tokens.
    fn access(&self) -> &Access;

    /// The instance's name, as shown at the end of pages.
    fn instance(&self) -> &str;

    /// What the login form shows and carries of a draft.
    fn carried(draft: &Self::Draft) -> Carried;

    /// The response after a login or a registration. It carries the draft out.
    fn arrived(&self, account: Account, draft: Self::Draft, notice: Notice) -> impl Future<Output = Response> + Send;
}

/// What a login form carries for afterwards.
#[derive(Debug, Clone, Default)]
pub struct Carried {
    /// Hidden fields: names and values, as the draft is read from.
    pub fields: Vec<(&'static str, String)>,
    /// The hint for the user.
    pub hint: String,
}
