//! The store within one process.

use fungible::store::{Migration, Row};
use fungible::{Store, StoreError, StoreOptions, Tx, params};

use crate::support::Directory;

const NOTES: &[Migration] = &[Migration {
    version: 1,
    name: "notes",
    sqlite: "CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY, text TEXT NOT NULL); \
             CREATE TRIGGER t AFTER DELETE ON notes BEGIN SELECT 1; END;",
}];

async fn store_with_notes(directory: &Directory) -> Store {
    let store = Store::open(directory.store()).unwrap();
    store.migrate("notes", NOTES).await.unwrap();
    store
}

async fn add(tx: &mut Tx, id: i64, text: &str) -> Result<u64, StoreError> {
    tx.execute("INSERT INTO notes (text, id) VALUES ($2, $1)", params![id, text])
        .await
}

async fn texts(store: &Store) -> Vec<String> {
    let read = async move |tx: &mut Tx| tx.query("SELECT text FROM notes ORDER BY id", params![]).await;
    let rows: Result<Vec<Row>, StoreError> = store.read(read).await;
    rows.unwrap().iter().map(|row| row.get("text").unwrap()).collect()
}

#[tokio::test]
async fn what_was_written_is_read_on_every_path() {
    let directory = Directory::new();
    let store = store_with_notes(&directory).await;
    assert_eq!(store.write(async |tx: &mut Tx| add(tx, 7, "seven").await).await, Ok(1));
    assert_eq!(texts(&store).await, ["seven"]);
    let row = store
        .get("SELECT text FROM notes WHERE id = $1", params![7])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.get::<String>("text"), Ok("seven".to_owned()));
    assert_eq!(
        store
            .get("SELECT 1 AS one FROM notes WHERE id = $1", params![8])
            .await
            .map(|row| row.is_none()),
        Ok(true)
    );
    store.health().await.unwrap();
    // Another handle on the same file, as another instance has one.
    assert_eq!(
        texts(&Store::open_with(directory.store(), StoreOptions::default()).unwrap()).await,
        ["seven"]
    );
}
