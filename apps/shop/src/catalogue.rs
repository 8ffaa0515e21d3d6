//! The products. Knows neither carts nor orders.

use fungible::{Row, Stateless, Store, StoreError, Tx, params};

/// A product.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) cents: i64,
    pub(crate) stock: i64,
}

#[derive(Debug, Clone, Stateless)]
pub(crate) struct Catalogue {
    store: Store,
}

impl Catalogue {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// The products with these words in name or description, by name; all for none.
    pub(crate) async fn search(&self, words: &str) -> Result<Vec<Product>, StoreError> {
        let words: Vec<String> = words.split_whitespace().take(8).map(pattern).collect();
        let read = async move |tx: &mut Tx| {
            let found = "LOWER(name || ' ' || description) LIKE";
            let clauses: Vec<String> = (1..=words.len()).map(|nth| format!("{found} ${nth} ESCAPE '!'")).collect();
            let clauses = if clauses.is_empty() { "1 = 1".to_owned() } else { clauses.join(" AND ") };
            let sql =
                format!("SELECT id, name, description, cents, stock FROM products WHERE {clauses} ORDER BY name, id");
            let words: Vec<_> = words.iter().map(fungible::ToValue::to_value).collect();
            tx.query(&sql, &words).await
        };
        let rows = self.store.read(read).await?;
        rows.iter().map(product).collect()
    }

    /// One product.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<Product>, StoreError> {
        // No id contains it, and the store refuses it.
        if id.contains('\0') {
            return Ok(None);
        }
        let sql = "SELECT id, name, description, cents, stock FROM products WHERE id = $1";
        self.store.get(sql, params![id]).await?.as_ref().map(product).transpose()
    }
}

/// Cents as people write them.
pub(crate) fn money(cents: i64) -> String {
    format!("€{}.{:02}", cents / 100, cents % 100)
}

/// The pattern with which LIKE finds a word anywhere.
fn pattern(word: &str) -> String {
    let mut pattern = String::from("%");
    for letter in word.to_lowercase().chars().filter(|letter| *letter != '\0').take(200) {
        if matches!(letter, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

fn product(row: &Row) -> Result<Product, StoreError> {
    Ok(Product {
        id: row.get("id")?,
        name: row.get("name")?,
        description: row.get("description")?,
        cents: row.get("cents")?,
        stock: row.get("stock")?,
    })
}
