//! The pages of the shop, which work without script.

pub(crate) mod cart;
pub(crate) mod orders;
pub(crate) mod shelf;

use axum::response::{IntoResponse as _, Redirect, Response};
use fungible::{Account, User};
use fungible_web::{Access, Asset, Carried, Notice, Problem, Site};
use serde::Deserialize;

use crate::app::App;
use crate::assets;
use crate::carts::View;

pub(crate) const IN_CART: Notice = Notice::new("cart", "It is in the cart.");
pub(crate) const CHANGED: Notice = Notice::new("changed", "The cart is changed.");
pub(crate) const BACK: Notice = Notice::new("back", "You are logged in. Here is your cart.");

/// The content of a form that came without a session: the wish to check out.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Draft {
    /// Not empty: the login leads back to the cart.
    #[serde(default)]
    to_cart: String,
}

impl Draft {
    pub(crate) fn check_out() -> Draft {
        Draft { to_cart: "yes".to_owned() }
    }
}

impl Site for App {
    type Draft = Draft;

    const NAME: &'static str = "Shop";
    const HOME: &'static str = "Products";
    const NOTICES: &'static [Notice] = &[IN_CART, CHANGED, BACK];
    const ICON: &'static Asset = &assets::ICON;
    const STYLE: &'static Asset = &assets::STYLE;

    fn access(&self) -> &Access {
        &self.access
    }

    fn instance(&self) -> &str {
        &self.instance
    }

    fn carried(draft: &Draft) -> Carried {
        if draft.to_cart.is_empty() {
            return Carried::default();
        }
        Carried { fields: vec![("to_cart", draft.to_cart.clone())], hint: "Then you are back at your cart.".to_owned() }
    }

    async fn arrived(&self, _: Account, draft: Draft, notice: Notice) -> Response {
        let place = if draft.to_cart.is_empty() { notice.on("/") } else { BACK.on("/cart") };
        Redirect::to(&place).into_response()
    }
}

/// The line at the head of each page of the shop.
pub(crate) struct Head {
    /// Who is logged in; empty for a guest.
    pub(crate) name: String,
    /// How many things are in the cart.
    pub(crate) things: u32,
}

impl Head {
    pub(crate) fn new(user: Option<User>, cart: &View) -> Head {
        let name = user.map_or_else(String::new, |user| user.name);
        Head { name, things: cart.lines.iter().map(|line| line.quantity).sum() }
    }
}

/// Who sent the request, if somebody is logged in.
pub(crate) async fn user(app: &App, headers: &axum::http::HeaderMap) -> Result<Option<User>, Problem> {
    Ok(app.access.sessions.user(headers).await?)
}
