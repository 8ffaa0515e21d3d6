//! Orders in the shared store: placed from a cart, paid or refused, and confirmed by a receipt. Each of these is one transaction
//! that is correct by its statements alone, so it can be READ COMMITTED: many orders take from the same stock. Knows no payment
//! service.

use fungible::failpoint::failpoint;
use fungible::{Jobs, OnceError, Row, Stateless, Store, StoreError, Tx, UserId, now_ms, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::carts::{self, Lines};

/// The jobs that follow an order.
pub(crate) const PAY: &str = "pay";
pub(crate) const RECEIPT: &str = "receipt";

/// The state of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// The payment service was asked, or will be.
    Paying,
    /// It is paid.
    Paid,
    /// The card was refused: the goods are back in stock and in the cart.
    Refused,
    /// The responses of the payment service were impossible; a person must look at it.
    Unclear,
}

impl State {
    pub(crate) fn word(self) -> &'static str {
        match self {
            State::Paying => "paying",
            State::Paid => "paid",
            State::Refused => "refused",
            State::Unclear => "unclear",
        }
    }

    fn parse(word: &str) -> State {
        let all = [State::Paying, State::Paid, State::Refused];
        all.into_iter().find(|state| state.word() == word).unwrap_or(State::Unclear)
    }
}

/// An order as its user sees it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Order {
    pub(crate) id: Uuid,
    pub(crate) state: State,
    pub(crate) cents: i64,
    pub(crate) placed_ms: i64,
    pub(crate) lines: Vec<Line>,
    pub(crate) receipt: Option<String>,
}

/// A product that was ordered, at its price at that time.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    pub(crate) product: String,
    pub(crate) name: String,
    pub(crate) cents: i64,
    pub(crate) quantity: u32,
}

/// What is to be paid.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) state: State,
    pub(crate) cents: i64,
    pub(crate) card: String,
}

/// Why no order was placed. The messages are for the user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("The cart is empty.")]
    Empty,
    #[error("Only {left} left of “{name}”. Change the cart and try again.")]
    TooFew { name: String, left: i64 },
    #[error(transparent)]
    Once(#[from] OnceError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug, Clone, Stateless)]
pub(crate) struct Orders {
    store: Store,
}

impl Orders {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Makes an order of the cart: takes the goods from the stock, empties the cart, and enqueues the payment, as part of one
    /// transaction.
    pub(crate) async fn place(tx: &mut Tx, user: UserId, card: &str) -> Result<Uuid, PlaceError> {
        // Exactly the deleted lines are ordered, even if another line is added meanwhile.
        let sql = "DELETE FROM cart_lines WHERE user_id = $1 RETURNING product_id, quantity";
        let mut wanted = Lines::new();
        for row in tx.query(sql, params![user]).await? {
            wanted.insert(row.get("product_id")?, row.get("quantity")?);
        }
        if wanted.is_empty() {
            return Err(PlaceError::Empty);
        }
        let order = Uuid::now_v7();
        let mut lines = Vec::new();
        // In the order of the products' ids, so that two orders cannot deadlock.
        for (product, quantity) in wanted {
            lines.push(take(tx, product, quantity).await?);
        }
        failpoint("checkout.reserved");
        let cents: i64 = lines.iter().map(|line| line.cents * i64::from(line.quantity)).sum();
        let sql = "INSERT INTO orders (id, user_id, cents, card, state, placed_ms) VALUES ($1, $2, $3, $4, $5, $6)";
        tx.execute(sql, params![order, user, cents, card, State::Paying.word(), now_ms()]).await?;
        for Line { product, name, cents, quantity } in &lines {
            let sql =
                "INSERT INTO order_lines (order_id, product_id, name, cents, quantity) VALUES ($1, $2, $3, $4, $5)";
            tx.execute(sql, params![order, product, name, *cents, *quantity]).await?;
        }
        failpoint("checkout.written");
        Jobs::enqueue(tx, PAY, &order).await?;
        Ok(order)
    }

    /// Stores the outcome of the payment, once, as part of a transaction.
    pub(crate) async fn settle(tx: &mut Tx, order: Uuid, state: State) -> Result<(), StoreError> {
        let sql = "UPDATE orders SET state = $2 WHERE id = $1 AND state IN ('paying', 'unclear') RETURNING user_id";
        let Some(row) = tx.query_opt(sql, params![order, state.word()]).await? else { return Ok(()) };
        match state {
            State::Paid => drop(Jobs::enqueue(tx, RECEIPT, &order).await?),
            State::Refused => give_back(tx, order, UserId(row.get("user_id")?)).await?,
            State::Paying | State::Unclear => {}
        }
        failpoint("pay.settled");
        Ok(())
    }

    /// Counts an impossible response of the payment service, and returns the count.
    pub(crate) async fn nonsense(&self, order: Uuid) -> Result<u32, StoreError> {
        let sql = "UPDATE orders SET nonsense = nonsense + 1 WHERE id = $1 RETURNING nonsense";
        self.store.statement(sql, params![order]).await?.first().map_or(Ok(0), |row| row.get("nonsense"))
    }

    /// Stores that the outcome of the payment is unknown.
    pub(crate) async fn unclear(&self, order: Uuid) -> Result<(), StoreError> {
        tracing::error!(%order, "it is unclear whether an order was paid: somebody must look");
        let sql = "UPDATE orders SET state = 'unclear' WHERE id = $1 AND state = 'paying'";
        self.store.statement(sql, params![order]).await.map(drop)
    }

    /// Writes the receipt, as part of a transaction.
    pub(crate) async fn confirm(tx: &mut Tx, order: Uuid, text: &str) -> Result<(), StoreError> {
        let sql =
            "INSERT INTO receipts (order_id, text, written_ms) VALUES ($1, $2, $3) ON CONFLICT (order_id) DO NOTHING";
        tx.execute(sql, params![order, text, now_ms()]).await?;
        failpoint("receipt.written");
        Ok(())
    }

    /// The sum that is due for an order.
    pub(crate) async fn due(&self, order: Uuid) -> Result<Option<Due>, StoreError> {
        let row = self.store.get("SELECT state, cents, card FROM orders WHERE id = $1", params![order]).await?;
        let due = |row: Row| Ok(Due { state: state(&row)?, cents: row.get("cents")?, card: row.get("card")? });
        row.map(due).transpose()
    }

    /// An order of this user.
    pub(crate) async fn find(&self, user: UserId, order: Uuid) -> Result<Option<Order>, StoreError> {
        let order = self.read("o.user_id = $1 AND o.id = $2", Some(user), Some(order)).await?;
        Ok(order.into_iter().next())
    }

    /// Any order, for its receipt.
    pub(crate) async fn any(&self, order: Uuid) -> Result<Option<Order>, StoreError> {
        Ok(self.read("o.id = $1", None, Some(order)).await?.into_iter().next())
    }

    /// The orders of a user, the newest first; at most a hundred.
    pub(crate) async fn of(&self, user: UserId) -> Result<Vec<Order>, StoreError> {
        self.read("o.user_id = $1", Some(user), None).await
    }

    async fn read(&self, clause: &str, user: Option<UserId>, order: Option<Uuid>) -> Result<Vec<Order>, StoreError> {
        let sql = format!(
            "SELECT o.id, o.state, o.cents, o.placed_ms, r.text AS receipt FROM orders o \
             LEFT JOIN receipts r ON r.order_id = o.id WHERE {clause} ORDER BY o.id DESC LIMIT 100"
        );
        let read = async move |tx: &mut Tx| {
            let ids: Vec<String> =
                user.map(|user| user.to_string()).into_iter().chain(order.map(|id| id.to_string())).collect();
            let values: Vec<_> = ids.iter().map(fungible::ToValue::to_value).collect();
            let mut orders = Vec::new();
            for row in tx.query(&sql, &values).await? {
                let id: Uuid = row.get("id")?;
                orders.push(Order {
                    id,
                    state: state(&row)?,
                    cents: row.get("cents")?,
                    placed_ms: row.get("placed_ms")?,
                    lines: lines(tx, id).await?,
                    receipt: row.get("receipt")?,
                });
            }
            Ok(orders)
        };
        self.store.read(read).await
    }
}

/// Takes goods from the stock.
async fn take(tx: &mut Tx, product: String, quantity: u32) -> Result<Line, PlaceError> {
    let sql = "UPDATE products SET stock = stock - $2 WHERE id = $1 AND stock >= $2 RETURNING name, cents";
    if let Some(row) = tx.query_opt(sql, params![product, quantity]).await? {
        return Ok(Line { product, quantity, name: row.get("name")?, cents: row.get("cents")? });
    }
    let row = tx.query_opt("SELECT name, stock FROM products WHERE id = $1", params![product]).await?;
    let Some(row) = row else { return Err(PlaceError::TooFew { name: product, left: 0 }) };
    Err(PlaceError::TooFew { name: row.get("name")?, left: row.get("stock")? })
}

/// Puts the goods of a refused order back into the stock and the cart.
async fn give_back(tx: &mut Tx, order: Uuid, user: UserId) -> Result<(), StoreError> {
    let lines: Lines = lines(tx, order).await?.into_iter().map(|line| (line.product, line.quantity)).collect();
    // First the cart and then the stock, as an order does, so that the two cannot deadlock.
    carts::put(tx, user, &lines).await?;
    for (product, quantity) in &lines {
        let sql = "UPDATE products SET stock = stock + $2 WHERE id = $1";
        tx.execute(sql, params![product, *quantity]).await?;
    }
    Ok(())
}

async fn lines(tx: &mut Tx, order: Uuid) -> Result<Vec<Line>, StoreError> {
    let sql = "SELECT product_id AS id, name, cents, quantity FROM order_lines WHERE order_id = $1 ORDER BY product_id";
    tx.query(sql, params![order]).await?.iter().map(line).collect()
}

fn line(row: &Row) -> Result<Line, StoreError> {
    Ok(Line {
        product: row.get("id")?,
        name: row.get("name")?,
        cents: row.get("cents")?,
        quantity: row.get("quantity")?,
    })
}

fn state(row: &Row) -> Result<State, StoreError> {
    Ok(State::parse(&row.get::<String>("state")?))
}
