//! Opening and migrating files that are not as they should be: each gives a sentence, and damages nothing.

use std::fs::{self, File};
use std::time::Duration;

use fungible::{Migration, Store, StoreError, StoreOptions, StoreUrl, Tx, params};

use crate::support::{Directory, assert_sound};

const TWO: &[Migration] = &[Migration { version: 1, name: "two", sqlite: "CREATE TABLE two (a TEXT)", postgres: "" }];

#[tokio::test]
async fn a_file_that_is_no_database() {
    let directory = Directory::new();
    let text = "This is not a database. ".repeat(100);
    fs::write(directory.store(), &text).unwrap();
    let error = Store::open(&directory.url()).await.unwrap_err();
    assert_eq!(error, StoreError::NotADatabase { store: directory.store().display().to_string() });
    assert!(error.to_string().ends_with("is not a SQLite database: name another file or move this one away"));
    assert_eq!(fs::read_to_string(directory.store()).unwrap(), text, "it is as it was");
}

#[tokio::test]
async fn the_database_of_another_program() {
    let directory = Directory::new();
    let other = rusqlite::Connection::open(directory.store()).unwrap();
    other.execute_batch("CREATE TABLE theirs (a)").unwrap();
    let expected = StoreError::OtherApplication { store: directory.store().display().to_string() };
    assert_eq!(Store::open(&directory.url()).await.unwrap_err(), expected);
    other.execute_batch("DROP TABLE theirs; PRAGMA application_id = 77").unwrap();
    assert_eq!(Store::open(&directory.url()).await.unwrap_err(), expected);
    let mode: String = other.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "delete", "it is as it was");
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_or_is_not_there() {
    for path in ["/proc/store.db", "/no/such/directory/store.db"] {
        let error = Store::open(&StoreUrl::sqlite(path)).await.unwrap_err();
        assert!(matches!(error, StoreError::Unwritable { .. }), "{error:?}");
        assert!(error.to_string().starts_with(path), "{error}");
    }
}

#[tokio::test]
async fn a_side_file_that_cannot_be_written() {
    let directory = Directory::new();
    drop(directory.open().await);
    // As root no permission stops us, but a directory in the place of the side file does.
    fs::remove_file(directory.ticket()).unwrap();
    fs::create_dir(directory.ticket()).unwrap();
    assert!(matches!(Store::open(&directory.url()).await.unwrap_err(), StoreError::Unwritable { .. }));
}

#[tokio::test]
async fn a_name_that_looks_like_a_uri_is_a_name() {
    let directory = Directory::new();
    let path = directory.path().join("file:x?mode=memory");
    drop(Store::open(&StoreUrl::sqlite(&path)).await.unwrap());
    assert!(path.exists());
}

#[tokio::test]
async fn opening_an_empty_file_waits_for_the_ticket_up_to_the_limit() {
    let directory = Directory::new();
    let ticket = File::create(directory.ticket()).unwrap();
    ticket.lock().unwrap();
    let options = StoreOptions::default().wait_limit(Duration::from_millis(100));
    assert_eq!(Store::open_with(&directory.url(), options.clone()).await.unwrap_err(), StoreError::Busy);
    ticket.unlock().unwrap();
    // A generous limit: the thread of the first attempt may just be setting the file up.
    directory.open().await;
    ticket.lock().unwrap();
    Store::open_with(&directory.url(), options).await.unwrap();
}

#[tokio::test]
async fn a_store_that_has_reached_its_size() {
    let directory = Directory::new();
    let options = StoreOptions::default().max_bytes(200_000);
    let store = Store::open_with(&directory.url(), options).await.unwrap();
    store.migrate("part", TWO).await.unwrap();
    let add = async |text: String| {
        let add = async move |tx: &mut Tx| tx.execute("INSERT INTO two VALUES ($1)", params![text]).await;
        store.write(add).await
    };
    let mut kept = 0;
    let error = loop {
        match add("x".repeat(10_000)).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, StoreError::Full { store: directory.store().display().to_string() });
    assert!(kept > 5, "{kept}");
    // Small writes still fit, and nothing of the large one is there.
    assert_eq!(add("small".to_owned()).await, Ok(1));
    let row = store.get("SELECT count(*) AS n FROM two", params![]).await.unwrap().unwrap();
    assert_eq!(row.get::<i64>("n"), Ok(kept + 1));
    store.write(async |tx: &mut Tx| tx.execute("DELETE FROM two", params![]).await).await.unwrap();
    assert_eq!(add("x".repeat(10_000)).await, Ok(1));
    assert_sound(&directory.store());
}

#[test]
fn clients_learn_nothing_about_sql_or_files() {
    let store = "/secret/place".to_owned();
    let errors = [
        StoreError::Busy,
        StoreError::Unknown("disk I/O error".to_owned()),
        StoreError::Full { store: store.clone() },
        StoreError::Damaged { store },
        StoreError::Sql("near SELECT".to_owned()),
        StoreError::Constraint("users.name".to_owned()),
    ];
    let statuses = [503, 503, 507, 500, 500, 500];
    for (error, status) in errors.into_iter().zip(statuses) {
        assert_eq!(error.status().as_u16(), status);
        let sentence = error.sentence();
        assert!(sentence.ends_with('.') && !sentence.contains("secret") && !sentence.contains("SELECT"), "{sentence}");
        let response = axum::response::IntoResponse::into_response(error.clone());
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers().contains_key("retry-after"), status == 503);
    }
}
