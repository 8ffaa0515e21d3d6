//! The same service as JSON, under `/api`. Every write may be sent again.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use fungible::{IdempotencyKey, IdempotencyKeyRejection};
use fungible_web::{Caller, IdInPath, JsonBody, Problem};
use serde::Deserialize;
use serde_json::{Number, Value, json};

use crate::app::App;
use crate::cart::Cart;
use crate::catalogue::Product;
use crate::checkout::{self, CARDS};
use crate::orders::{Order, PlaceError, State as OrderState};

impl From<PlaceError> for Problem {
    fn from(error: PlaceError) -> Self {
        let status = match error {
            PlaceError::Store(error) => return error.into(),
            PlaceError::Once(ref error) => error.status(),
            PlaceError::Empty | PlaceError::TooFew { .. } => StatusCode::CONFLICT,
        };
        Self::new(status, error.to_string())
    }
}

/// The query of `GET /api/products`.
#[derive(Deserialize)]
pub(crate) struct Search {
    #[serde(default)]
    pub(crate) search: String,
}

/// `GET /api/products`
pub(crate) async fn products(
    State(app): State<App>,
    Query(Search { search }): Query<Search>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "products": app.catalogue.search(&search).await? })))
}

/// `GET /api/products/{id}`
pub(crate) async fn product(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Product>, Problem> {
    let product = app.catalogue.find(&id).await?;
    product.map(Json).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "There is no such product."))
}

/// `GET /api/cart`
pub(crate) async fn cart(State(app): State<App>, cart: Cart) -> Result<Response, Problem> {
    Ok(Json(cart.view(&app).await?).into_response())
}

/// The body of `PUT /api/cart/{product}`.
#[derive(Deserialize)]
pub(crate) struct Quantity {
    quantity: Number,
}

/// A quantity as any JSON writes it: 2.0 is a whole number, too.
fn whole(quantity: &Number) -> Result<u32, Problem> {
    // The sum makes 0 of -0.
    let whole = quantity.as_f64().and_then(|number| (number + 0.0).to_string().parse().ok());
    whole.ok_or_else(|| Problem::invalid("A quantity is a whole number from 0 to 99."))
}

/// `PUT /api/cart/{product}`: sets the quantity.
pub(crate) async fn set(
    State(app): State<App>,
    cart: Cart,
    Path(product): Path<String>,
    JsonBody(Quantity { quantity }): JsonBody<Quantity>,
) -> Result<Response, Problem> {
    let (cart, cookie) = cart.set(&app, &product, whole(&quantity)?).await?;
    Ok((cookie, Json(cart.view(&app).await?)).into_response())
}

/// `DELETE /api/cart/{product}`
pub(crate) async fn remove(
    State(app): State<App>,
    cart: Cart,
    Path(product): Path<String>,
) -> Result<Response, Problem> {
    let (cart, cookie) = cart.set(&app, &product, 0).await?;
    Ok((cookie, Json(cart.view(&app).await?)).into_response())
}

/// The body of `POST /api/checkout`.
#[derive(Deserialize)]
pub(crate) struct CheckOut {
    card: String,
}

/// `POST /api/checkout`: 201 when the order is paid, 202 when the payment takes longer, 402 when the card was refused.
pub(crate) async fn check_out(
    State(app): State<App>,
    caller: Caller,
    key: Result<IdempotencyKey, IdempotencyKeyRejection>,
    JsonBody(CheckOut { card }): JsonBody<CheckOut>,
) -> Result<Response, Problem> {
    let key = key.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    let card = known(card)?;
    let key = key.of(caller.id, &card);
    let order = checkout::check_out(&app, key, caller.id, card).await?.ok_or_else(not_there)?;
    let status = match order.state {
        OrderState::Paid => StatusCode::CREATED,
        OrderState::Paying | OrderState::Unclear => StatusCode::ACCEPTED,
        OrderState::Refused => return Err(refused()),
    };
    let place = format!("/api/orders/{}", order.id);
    Ok((status, [(header::LOCATION, place)], Json(order)).into_response())
}

/// `GET /api/orders`
pub(crate) async fn orders(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "orders": app.orders.of(caller.id).await? })))
}

/// `GET /api/orders/{id}`
pub(crate) async fn order(
    State(app): State<App>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<Json<Order>, Problem> {
    app.orders.find(caller.id, id).await?.map(Json).ok_or_else(not_there)
}

/// A card that the payment service knows.
pub(crate) fn known(card: String) -> Result<String, Problem> {
    if CARDS.iter().any(|(known, _)| *known == card) {
        return Ok(card);
    }
    Err(Problem::invalid("There is no such card: use good, refused, slow, silent, lying or garbled."))
}

pub(crate) fn refused() -> Problem {
    Problem::new(StatusCode::PAYMENT_REQUIRED, "The card was refused. Nothing was charged, and the cart is as it was.")
}

pub(crate) fn not_there() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is no such order.")
}
