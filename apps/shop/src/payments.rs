//! The client of the payment service, another program that may be unreachable or slow, or return nonsense. Knows no orders.

use std::fmt;
use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request, StatusCode, Uri};
use bytes::Bytes;
use fungible::{Handle, Stateless};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

/// The time for a response. After that it is unknown whether the card was charged, and the request is repeated.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most bytes of a response.
const LONGEST: usize = 64 * 1024;

/// Charges cards.
#[derive(Clone, Stateless)]
pub struct Payments {
    #[stateless(allow = "told alike to all instances")]
    charges: Uri,
    client: Handle<Client<HttpConnector, Full<Bytes>>>,
}

/// `SHOP_PAYMENTS` is no address of a payment service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PaymentsUrlError(String);

/// The outcome of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Charged,
    Refused,
}

/// Why the outcome is unknown.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ChargeError {
    /// Repeating the request under the same key may help.
    #[error("the payment service gave no answer: {0}")]
    Silence(String),
    /// The response is impossible.
    #[error("the payment service answered {0}")]
    Nonsense(String),
}

/// The response about a charge.
#[derive(Deserialize)]
struct Charge {
    order: Uuid,
    cents: i64,
    charged: bool,
}

impl Payments {
    /// Reads `SHOP_PAYMENTS=http://HOST:PORT` through `lookup`.
    ///
    /// # Errors
    /// When it is missing or no such address.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, PaymentsUrlError> {
        let text = lookup("SHOP_PAYMENTS").ok_or_else(|| {
            PaymentsUrlError(
                "SHOP_PAYMENTS is not set: set it to the payment service, such as http://127.0.0.1:9000".into(),
            )
        })?;
        let charges = format!("{}/charges", text.trim_end_matches('/')).parse::<Uri>();
        let named = |uri: &Uri| uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        let fits = |uri: &Uri| uri.scheme_str() == Some("http") && uri.host().is_some() && named(uri);
        match charges {
            Ok(charges) if fits(&charges) => {
                let client = Client::builder(TokioExecutor::new()).build_http();
                Ok(Self { charges, client: Handle::new(client, "the payment service") })
            }
            // The message does not show the value, which may hold a password.
            _ => Err(PaymentsUrlError("SHOP_PAYMENTS cannot be used: set it to http://HOST:PORT".to_owned())),
        }
    }

    /// Charges a card for an order, once: the order is the idempotency key.
    pub(crate) async fn charge(&self, order: Uuid, cents: i64, card: &str) -> Result<Outcome, ChargeError> {
        let silence = |error: &dyn fmt::Display| ChargeError::Silence(error.to_string());
        let body = json!({ "order": order, "cents": cents, "card": card }).to_string();
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.charges.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("idempotency-key", order.to_string())
            .body(Full::from(body))
            .map_err(|error| silence(&error))?;
        let ask = async {
            let answer = self.client.request(request).await.map_err(|error| silence(&error))?;
            let (status, body) = (answer.status(), Limited::new(answer.into_body(), LONGEST).collect().await);
            let body = body.map_err(|error| ChargeError::Silence(error.to_string()))?.to_bytes();
            judge(order, cents, status, &body)
        };
        let within = tokio::time::timeout(PATIENCE, ask).await;
        within.unwrap_or_else(|_| Err(ChargeError::Silence(format!("within {} s", PATIENCE.as_secs()))))
    }
}

/// Accepts a response only if it is about this order and this sum.
fn judge(order: Uuid, cents: i64, status: StatusCode, body: &[u8]) -> Result<Outcome, ChargeError> {
    // Errors of the service or of its address, not of this charge.
    let elsewhere =
        [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED];
    let later = [StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS];
    if status.is_server_error() || later.contains(&status) || elsewhere.contains(&status) {
        return Err(ChargeError::Silence(format!("but {status}")));
    }
    let charge: Charge = serde_json::from_slice(body)
        .map_err(|_| ChargeError::Nonsense(format!("{status} with something that is no charge")))?;
    if (charge.order, charge.cents) != (order, cents) {
        return Err(ChargeError::Nonsense(format!("for another order or sum: {} cents", charge.cents)));
    }
    match (status, charge.charged) {
        (StatusCode::OK | StatusCode::CREATED, true) => Ok(Outcome::Charged),
        (StatusCode::PAYMENT_REQUIRED, false) => Ok(Outcome::Refused),
        (status, charged) => Err(ChargeError::Nonsense(format!("{status} with charged: {charged}"))),
    }
}

impl fmt::Debug for Payments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payments").field("charges", &self.charges).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<String, String> {
        let payments = Payments::from_lookup(|_| Some(text.to_owned()));
        payments.map(|payments| payments.charges.to_string()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn addresses_are_read_and_refused_in_a_sentence() {
        assert_eq!(url("http://127.0.0.1:9000/"), Ok("http://127.0.0.1:9000/charges".to_owned()));
        for text in
            ["", "127.0.0.1:9000", "https://pay.example", "http://", "http://a b", "http://me:hunter2@pay.example"]
        {
            let error = url(text).unwrap_err();
            assert!(error.ends_with("set it to http://HOST:PORT") && !error.contains("hunter2"), "{error}");
        }
        assert!(Payments::from_lookup(|_| None).unwrap_err().to_string().starts_with("SHOP_PAYMENTS is not set"));
    }

    #[test]
    fn only_what_speaks_of_this_charge_is_believed() {
        let order = Uuid::from_u128(7);
        let say = |status: u16, body: &str| {
            let judged = judge(order, 500, StatusCode::from_u16(status).unwrap(), body.as_bytes());
            judged.map_err(|error| matches!(error, ChargeError::Nonsense(_)))
        };
        let charge =
            |cents: i64, charged: bool| json!({ "order": order, "cents": cents, "charged": charged }).to_string();
        assert_eq!(say(201, &charge(500, true)), Ok(Outcome::Charged));
        assert_eq!(say(402, &charge(500, false)), Ok(Outcome::Refused));
        let other = json!({ "order": Uuid::from_u128(8), "cents": 500, "charged": true }).to_string();
        for (status, body) in [
            (201, charge(501, true)),
            (201, charge(500, false)),
            (402, charge(500, true)),
            (201, other),
            (200, "<html>".to_owned()),
            (302, String::new()),
            (422, "no".to_owned()),
        ] {
            assert_eq!(say(status, &body), Err(true), "{status} {body}");
        }
        for status in [401, 404, 409, 429, 500, 503] {
            assert_eq!(say(status, &charge(500, true)), Err(false), "{status}");
        }
    }
}
