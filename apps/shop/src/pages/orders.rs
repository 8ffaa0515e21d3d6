//! The orders of a user, and one of them with its receipt.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use fungible::User;
use fungible_web::{Frame, IdInPath, LoggedIn, Notice, Problem, page};

use super::Head;
use crate::api::not_there;
use crate::app::App;
use crate::assets;
use crate::catalogue::money;
use crate::orders::{Order, State as OrderState};

#[derive(Template)]
#[template(path = "orders.html")]
struct OrdersPage {
    frame: Frame,
    head: Head,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage {
    frame: Frame,
    head: Head,
    row: Row,
    /// Address of the script.
    script: String,
}

/// An order as a page shows it.
struct Row {
    id: String,
    /// The last characters of its id, which tell a user's orders apart.
    short: String,
    state: &'static str,
    sentence: &'static str,
    /// Whether it is not settled yet.
    waits: bool,
    total: String,
    lines: Vec<(u32, String, String)>,
    receipt: String,
}

impl From<Order> for Row {
    fn from(order: Order) -> Row {
        let id = order.id.to_string();
        let line = |line: crate::orders::Line| (line.quantity, line.name, money(line.cents * i64::from(line.quantity)));
        Row {
            short: id[id.len() - 6..].to_owned(),
            id,
            state: order.state.word(),
            sentence: match order.state {
                OrderState::Paying => "The payment is being made. You need not do anything.",
                OrderState::Paid => "It is paid. Thank you.",
                OrderState::Refused => "The card was refused. Nothing was charged, and the goods are back in the cart.",
                OrderState::Unclear => {
                    "The payment service gave no clear answer. Somebody looks at it; it is charged once at most."
                }
            },
            waits: order.state == OrderState::Paying || (order.state == OrderState::Paid && order.receipt.is_none()),
            total: money(order.cents),
            lines: order.lines.into_iter().map(line).collect(),
            receipt: order.receipt.unwrap_or_default(),
        }
    }
}

/// `GET /orders`
pub(crate) async fn list(
    State(app): State<App>,
    LoggedIn(user): LoggedIn,
    notice: Notice,
) -> Result<Response, Problem> {
    let rows = app.orders.of(user.id).await?.into_iter().map(Row::from).collect();
    let head = head(&app, user).await?;
    Ok(page(StatusCode::OK, &OrdersPage { frame: Frame::new(&app, notice), head, rows }))
}

/// `GET /orders/{id}`
pub(crate) async fn show(
    State(app): State<App>,
    LoggedIn(user): LoggedIn,
    IdInPath(id): IdInPath,
    notice: Notice,
) -> Result<Response, Problem> {
    let row = app.orders.find(user.id, id).await?.ok_or_else(not_there)?.into();
    let head = head(&app, user).await?;
    Ok(page(StatusCode::OK, &OrderPage { frame: Frame::new(&app, notice), head, row, script: assets::SCRIPT.url() }))
}

async fn head(app: &App, user: User) -> Result<Head, Problem> {
    let cart = app.carts.of(user.id).await?;
    Ok(Head::new(Some(user), &cart))
}
