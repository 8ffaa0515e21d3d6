//! `POST /charges` and the ledger, `GET /charges`.

use std::future::pending;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use fungible::{IdempotencyKey, OnceError, StoreError};
use serde_json::{Value, json};

use crate::card::Card;
use crate::ledger::{Demand, Ledger};

pub(crate) fn router(ledger: Ledger) -> Router {
    Router::new().route("/charges", get(all).post(charge)).with_state(ledger)
}

/// `GET /charges`
async fn all(State(ledger): State<Ledger>) -> Result<Json<Value>, StoreError> {
    Ok(Json(json!({ "charges": ledger.all().await? })))
}

/// `POST /charges`: 201 when it was charged, 402 when it was refused; the same again for the same key.
async fn charge(
    State(ledger): State<Ledger>,
    key: IdempotencyKey,
    Json(order): Json<Demand>,
) -> Result<Response, OnceError> {
    if order.cents <= 0 {
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, "Only more than nothing can be charged.\n").into_response());
    }
    tokio::time::sleep(order.card.thinks()).await;
    let card = order.card;
    let done = ledger.charge(key.of("shop", &order), order).await?;
    let mut charge = done.answer;
    match card {
        Card::Silent if !done.repeated => pending().await,
        Card::Lying => charge.cents += 1,
        Card::Garbled => return Ok("<html>Thank you for your payment".into_response()),
        _ => {}
    }
    let status = if charge.charged { StatusCode::CREATED } else { StatusCode::PAYMENT_REQUIRED };
    Ok((status, Json(charge)).into_response())
}
