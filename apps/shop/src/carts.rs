//! Carts. A guest's cart is in a sealed cookie. A user's cart is in the store, so that it is the same in every browser; the
//! guest's cart is merged into it after the login.
//!
//! Every write sets a quantity instead of adding to it, and each guest's cart is merged once, so any request may arrive twice.

use std::collections::BTreeMap;

use fungible::{Row, Stateless, Store, StoreError, Tx, UserId, params};
use serde::Serialize;
use uuid::Uuid;

/// The most of one product.
pub(crate) const QUANTITY_MAX: u32 = 99;
/// The most lines of a guest's cart, which must fit into a cookie.
pub(crate) const LINES_MAX: usize = 40;

/// The longest lifetime of a cookie with a guest's cart.
const COOKIES_LAST_MS: i64 = 31 * 24 * 3_600_000;

/// How many of which product.
pub(crate) type Lines = BTreeMap<String, u32>;

/// A cart as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct View {
    pub(crate) lines: Vec<Line>,
    pub(crate) cents: i64,
}

/// A product in a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    pub(crate) product: String,
    pub(crate) name: String,
    pub(crate) cents: i64,
    pub(crate) quantity: u32,
    #[serde(skip)]
    pub(crate) stock: i64,
}

impl Line {
    pub(crate) fn all_cents(&self) -> i64 {
        self.cents * i64::from(self.quantity)
    }
}

/// The carts of users.
#[derive(Debug, Clone, Stateless)]
pub(crate) struct Carts {
    store: Store,
}

impl Carts {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Sets the quantity of a product; 0 removes it.
    pub(crate) async fn set(&self, user: UserId, product: &str, quantity: u32) -> Result<(), StoreError> {
        let sql = if quantity == 0 {
            "DELETE FROM cart_lines WHERE user_id = $1 AND product_id = $2"
        } else {
            "INSERT INTO cart_lines (user_id, product_id, quantity) VALUES ($1, $2, $3) \
             ON CONFLICT (user_id, product_id) DO UPDATE SET quantity = excluded.quantity"
        };
        let values = params![user, product, quantity];
        self.store.statement(sql, if quantity == 0 { &values[..2] } else { values }).await.map(drop)
    }

    /// Merges a guest's cart into that of a user, once: of each product the larger quantity.
    pub(crate) async fn merge(&self, user: UserId, guest: Uuid, lines: Lines) -> Result<(), StoreError> {
        let merge = async move |tx: &mut Tx| {
            let sql =
                "INSERT INTO merged_carts (id, merged_ms) VALUES ($1, fungible_now_ms()) ON CONFLICT (id) DO NOTHING";
            if tx.execute(sql, params![guest]).await? == 0 {
                return Ok(());
            }
            // Those whose cookies have expired.
            let sql = "DELETE FROM merged_carts WHERE id IN \
                       (SELECT id FROM merged_carts WHERE merged_ms < fungible_now_ms() - $1 LIMIT 50)";
            tx.execute(sql, params![COOKIES_LAST_MS]).await?;
            put(tx, user, &lines).await
        };
        self.store.write(merge).await
    }

    /// The cart of a user.
    pub(crate) async fn of(&self, user: UserId) -> Result<View, StoreError> {
        let read = async move |tx: &mut Tx| {
            let sql = "SELECT p.id, p.name, p.cents, p.stock, c.quantity FROM cart_lines c \
                       JOIN products p ON p.id = c.product_id WHERE c.user_id = $1 ORDER BY p.name, p.id";
            tx.query(sql, params![user]).await
        };
        let rows = self.store.read(read).await?;
        rows.iter().map(|row| line(row, row.get("quantity")?)).collect::<Result<_, _>>().map(view)
    }

    /// These lines as a cart, without products that no longer exist.
    pub(crate) async fn with(&self, lines: Lines) -> Result<View, StoreError> {
        if lines.is_empty() {
            return Ok(View::default());
        }
        let read = async move |tx: &mut Tx| {
            let sql = "SELECT id, name, cents, stock FROM products ORDER BY name, id";
            let rows = tx.query(sql, &[]).await?;
            let mut found = Vec::new();
            for row in &rows {
                if let Some(quantity) = lines.get(&row.get::<String>("id")?) {
                    found.push(line(row, *quantity)?);
                }
            }
            Ok(found)
        };
        self.store.read(read).await.map(view)
    }
}

/// Puts lines into the cart of a user, of each product the larger quantity, as part of a transaction.
pub(crate) async fn put(tx: &mut Tx, user: UserId, lines: &Lines) -> Result<(), StoreError> {
    let sql = "INSERT INTO cart_lines (user_id, product_id, quantity) SELECT $1, id, $3 FROM products WHERE id = $2 \
               ON CONFLICT (user_id, product_id) DO UPDATE SET quantity = CASE \
               WHEN excluded.quantity > cart_lines.quantity THEN excluded.quantity ELSE cart_lines.quantity END";
    for (product, quantity) in lines {
        tx.execute(sql, params![user, product, *quantity]).await?;
    }
    Ok(())
}

fn line(row: &Row, quantity: u32) -> Result<Line, StoreError> {
    Ok(Line {
        product: row.get("id")?,
        name: row.get("name")?,
        cents: row.get("cents")?,
        stock: row.get("stock")?,
        quantity,
    })
}

fn view(lines: Vec<Line>) -> View {
    View { cents: lines.iter().map(Line::all_cents).sum(), lines }
}
