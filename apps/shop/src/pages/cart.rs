//! The cart, and the checkout from it. Each form posts, is answered with a redirect, and may be sent twice.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use fungible::{IdempotencyKey, User};
use fungible_web::{FormBody, Frame, LoggedIn, Notice, Problem, log_in_first, page};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use uuid::Uuid;

use super::{CHANGED, Draft, Head, IN_CART, user};
use crate::api::{known, not_there, refused};
use crate::app::App;
use crate::cart::Cart;
use crate::carts::{Line, QUANTITY_MAX};
use crate::catalogue::money;
use crate::checkout::{self, CARDS};
use crate::orders::State as OrderState;

#[derive(Template)]
#[template(path = "cart.html")]
struct CartPage {
    frame: Frame,
    head: Head,
    rows: Vec<Row>,
    total: String,
    /// The idempotency key of the form: sending it twice orders once.
    key: String,
    cards: [(&'static str, &'static str); 6],
    error: String,
}

/// A product in the cart, with the forms that change how many.
struct Row {
    line: Line,
    price: String,
    sum: String,
    /// What is wrong with the number.
    warning: String,
}

impl From<Line> for Row {
    fn from(line: Line) -> Row {
        let few = line.stock < i64::from(line.quantity);
        let warning = if few { format!("only {} left", line.stock) } else { String::new() };
        Row { price: money(line.cents), sum: money(line.all_cents()), warning, line }
    }
}

/// `GET /cart`
pub(crate) async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    cart: Cart,
    notice: Notice,
) -> Result<Response, Problem> {
    let user = user(&app, &headers).await?;
    render(&app, user, cart, notice, None).await
}

/// The cart. After a refused checkout it shows why, and the form keeps its key, so that it cannot order twice; unless there is
/// an order under that key already: then the form gets a new one.
async fn render(
    app: &App,
    user: Option<User>,
    cart: Cart,
    notice: Notice,
    refused: Option<(Problem, String)>,
) -> Result<Response, Problem> {
    let view = cart.view(app).await?;
    let (head, total) = (Head::new(user, &view), money(view.cents));
    let (mut status, mut error, mut key) = (StatusCode::OK, String::new(), Uuid::new_v4().to_string());
    if let Some((problem, sent)) = &refused {
        (status, error) = (problem.status, problem.sentence.to_string());
        if ![StatusCode::PAYMENT_REQUIRED, StatusCode::UNPROCESSABLE_ENTITY].contains(&status) {
            key.clone_from(sent);
        }
    }
    let rows = view.lines.into_iter().map(Row::from).collect();
    let shown = CartPage { frame: Frame::new(app, notice), head, rows, total, key, cards: CARDS, error };
    let response = page(status, &shown);
    Ok(match refused {
        Some((problem, _)) => Problem::reword(problem.into_response(), response),
        None => response,
    })
}

/// The form of `POST /cart/{product}`: the new quantity.
#[derive(Deserialize)]
pub(crate) struct Quantity {
    quantity: String,
    /// The search on the page from which it was sent, to lead back there.
    #[serde(default)]
    search: Option<String>,
}

/// `POST /cart/{product}`
pub(crate) async fn set(
    State(app): State<App>,
    cart: Cart,
    Path(product): Path<String>,
    FormBody(form): FormBody<Quantity>,
) -> Result<Response, Problem> {
    let quantity = form.quantity.trim().parse().ok().filter(|quantity| *quantity <= QUANTITY_MAX);
    let quantity = quantity.ok_or_else(|| Problem::invalid("A quantity is a number from 0 to 99."))?;
    let (_, cookie) = cart.set(&app, &product, quantity).await?;
    let place = form.search.map_or_else(|| CHANGED.on("/cart"), |search| IN_CART.on(&shelf(&search)));
    Ok((cookie, Redirect::to(&place)).into_response())
}

/// The address of the products with this search.
fn shelf(search: &str) -> String {
    if search.is_empty() {
        return "/".to_owned();
    }
    format!("/?search={}", utf8_percent_encode(search, NON_ALPHANUMERIC))
}

/// The form of `POST /checkout`.
#[derive(Deserialize)]
pub(crate) struct CheckOut {
    key: String,
    card: String,
}

/// `POST /checkout`
pub(crate) async fn check_out(
    State(app): State<App>,
    user: Option<LoggedIn>,
    FormBody(form): FormBody<CheckOut>,
) -> Result<Response, Problem> {
    // What is in the cart is kept; the login leads back to it.
    let Some(LoggedIn(user)) = user else { return Ok(log_in_first(&app, &Draft::check_out(), Notice::NOTHING)) };
    match order(&app, &user, &form).await {
        Ok(order) => Ok(Redirect::to(&format!("/orders/{order}")).into_response()),
        Err(problem) => {
            let cart = Cart::Of(user.id);
            render(&app, Some(user), cart, Notice::NOTHING, Some((problem, form.key))).await
        }
    }
}

async fn order(app: &App, user: &User, form: &CheckOut) -> Result<Uuid, Problem> {
    let key = IdempotencyKey::parse(&form.key, "POST /checkout");
    let key = key.map_err(|_| Problem::invalid("The form lacks its key. Load the page again."))?;
    let card = known(form.card.clone())?;
    let placed = checkout::check_out(app, key.of(user.id, &card), user.id, card).await?.ok_or_else(not_there)?;
    if placed.state == OrderState::Refused { Err(refused()) } else { Ok(placed.id) }
}
