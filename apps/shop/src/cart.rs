//! The cart of a request: the user's in the store, or the guest's in its cookie.

use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use fungible::{SealError, SetCookie, Tokens, UserId};
use fungible_web::{Caller, Problem};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::app::App;
use crate::carts::{LINES_MAX, Lines, QUANTITY_MAX, View};

const COOKIE: &str = "cart";
/// The purpose for which the cookie is sealed.
const PURPOSE: &str = "shop cart";
/// How long a guest's cart lasts after the last change.
const LASTS: Duration = Duration::from_hours(30 * 24);

/// What the cookie holds.
#[derive(Serialize, Deserialize)]
struct Carried {
    /// The id of this version of the cart; each change makes a new one.
    id: Uuid,
    lines: Lines,
}

/// The cart of a request.
#[derive(Debug)]
pub(crate) enum Cart {
    /// In the store.
    Of(UserId),
    /// In the cookie.
    Guest(Lines),
}

impl FromRequestParts<App> for Cart {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match caller(parts, app).await? {
            Some(user) => Ok(Cart::Of(user)),
            None => Ok(Cart::Guest(carried(app, &parts.headers).await?.map_or_else(Lines::new, |cart| cart.lines))),
        }
    }
}

impl Cart {
    /// What is in it.
    pub(crate) async fn view(self, app: &App) -> Result<View, Problem> {
        Ok(match self {
            Cart::Of(user) => app.carts.of(user).await?,
            Cart::Guest(lines) => app.carts.with(lines).await?,
        })
    }

    /// Sets the quantity of a product; 0 removes it. A guest gets the new cart as a cookie.
    pub(crate) async fn set(
        self,
        app: &App,
        product: &str,
        quantity: u32,
    ) -> Result<(Self, Option<SetCookie>), Problem> {
        if quantity > QUANTITY_MAX {
            return Err(Problem::invalid("Of one product 99 are the most."));
        }
        if app.catalogue.find(product).await?.is_none() {
            return Err(Problem::new(StatusCode::NOT_FOUND, "There is no such product."));
        }
        match self {
            Cart::Of(user) => {
                app.carts.set(user, product, quantity).await?;
                Ok((Cart::Of(user), None))
            }
            Cart::Guest(mut lines) => {
                if quantity == 0 {
                    lines.remove(product);
                } else {
                    lines.insert(product.to_owned(), quantity);
                }
                if lines.len() > LINES_MAX {
                    return Err(Problem::invalid("This cart is full. Log in, and it has room for everything."));
                }
                // With a new id, as each is merged once.
                let carried = Carried { id: Uuid::new_v4(), lines: lines.clone() };
                let sealed = app.access.seals.seal(PURPOSE, &carried, LASTS).await.map_err(problem)?;
                Ok((Cart::Guest(lines), Some(app.access.cookies.set(COOKIE, &sealed, LASTS))))
            }
        }
    }
}

/// Merges the guest's cart that a browser still sends after a login, and removes the cookie. When the response is lost the
/// cookie comes again, and the store knows that its cart was merged.
pub(crate) async fn merge(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let Some(cart) = carried(&app, request.headers()).await? else { return Ok(next.run(request).await) };
    let (mut parts, body) = request.into_parts();
    let user = match caller(&mut parts, &app).await {
        // Handlers that need the caller refuse the token; a login or a refresh does not need it.
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED => None,
        found => found?,
    };
    let Some(user) = user else {
        return Ok(next.run(Request::from_parts(parts, body)).await);
    };
    app.carts.merge(user, cart.id, cart.lines).await?;
    let mut response = next.run(Request::from_parts(parts, body)).await;
    let gone = app.access.cookies.remove(COOKIE);
    if let Ok(value) = HeaderValue::from_str(gone.header_value()) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(response)
}

/// The user of the request, if there is one. An invalid token is refused, not taken for a guest.
async fn caller(parts: &mut Parts, app: &App) -> Result<Option<UserId>, Problem> {
    if Tokens::bearer(&parts.headers).is_some() {
        return Ok(Some(Caller::from_request_parts(parts, app).await?.id));
    }
    Ok(app.access.sessions.user(&parts.headers).await?.map(|user| user.id))
}

/// The guest's cart in the cookies of a request. One that is invalid or has expired is ignored.
async fn carried(app: &App, headers: &HeaderMap) -> Result<Option<Carried>, Problem> {
    for value in app.access.cookies.values(COOKIE, headers) {
        match app.access.seals.open(PURPOSE, value).await {
            Ok(cart) => return Ok(Some(cart)),
            Err(SealError::Invalid | SealError::Expired) => {}
            Err(error) => return Err(problem(error)),
        }
    }
    Ok(None)
}

fn problem(error: SealError) -> Problem {
    match error {
        SealError::Store(error) => error.into(),
        SealError::Keys(error) => error.into(),
        other => Problem::new(StatusCode::BAD_REQUEST, other.to_string()),
    }
}
