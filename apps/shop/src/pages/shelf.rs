//! The products, to browse and to search.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use fungible_web::{Frame, Notice, Problem, page};

use super::{Head, user};
use crate::api::Search;
use crate::app::App;
use crate::cart::Cart;
use crate::carts::{QUANTITY_MAX, View};
use crate::catalogue::{Product, money};

#[derive(Template)]
#[template(path = "shelf.html")]
struct ShelfPage {
    frame: Frame,
    head: Head,
    search: String,
    rows: Vec<Row>,
}

/// A product with the form that puts one more into the cart.
struct Row {
    product: Product,
    price: String,
    /// A note that few are left, or none.
    stock: String,
    /// The quantity in the cart.
    has: u32,
    /// The quantity after one more: the form sets it, so it may be sent twice.
    wants: u32,
    may: bool,
}

impl Row {
    fn new(product: Product, cart: &View) -> Row {
        let has = cart.lines.iter().find(|line| line.product == product.id).map_or(0, |line| line.quantity);
        let wants = has + 1;
        let may = wants <= QUANTITY_MAX && i64::from(wants) <= product.stock;
        let stock = match product.stock {
            0 => "sold out".to_owned(),
            few @ 1..10 => format!("{few} left"),
            _ => String::new(),
        };
        Row { price: money(product.cents), product, stock, has, wants, may }
    }
}

/// `GET /`
pub(crate) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    cart: Cart,
    Query(Search { search }): Query<Search>,
    notice: Notice,
) -> Result<Response, Problem> {
    let cart = cart.view(&app).await?;
    let rows = app.catalogue.search(&search).await?.into_iter().map(|product| Row::new(product, &cart)).collect();
    let head = Head::new(user(&app, &headers).await?, &cart);
    Ok(page(StatusCode::OK, &ShelfPage { frame: Frame::new(&app, notice), head, search, rows }))
}
