//! What the store promises, whichever engine is behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fungible::{Migration, Store, StoreError, Tx, Value, now_ms, params};

use crate::on_both_engines;
use crate::support::Engine;

const NOTES: &[Migration] = &[Migration {
    version: 1,
    name: "notes",
    sqlite: "CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY, text TEXT, bytes BLOB);",
    postgres: "CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY, text TEXT, bytes BYTEA);",
}];

async fn store_with_notes(engine: &Engine) -> Store {
    let store = engine.open().await;
    store.migrate("notes", NOTES).await.unwrap();
    store
}

async fn add(tx: &mut Tx, id: i64) -> Result<u64, StoreError> {
    tx.execute("INSERT INTO notes (text, id) VALUES ($2, $1)", params![id, "text"]).await
}

async fn ids(store: &Store) -> Vec<i64> {
    let read = async |tx: &mut Tx| {
        let rows = tx.query("SELECT id FROM notes ORDER BY id", params![]).await?;
        rows.iter().map(|row| row.get("id")).collect::<Result<_, StoreError>>()
    };
    store.read(read).await.unwrap()
}

on_both_engines! {
    async fn what_was_written_is_read_on_every_path(engine: &Engine) {
        let store = store_with_notes(engine).await;
        assert_eq!(store.write(async |tx: &mut Tx| add(tx, 7).await).await, Ok(1));
        assert_eq!(ids(&store).await, [7]);
        // Markers count, not the order in which they stand.
        let sql = "SELECT text, CAST($2 AS TEXT) AS two, CAST($1 AS BIGINT) AS one FROM notes WHERE id = $1";
        let row = store.get(sql, params![7, "b"]).await.unwrap().unwrap();
        assert_eq!(row.get::<String>("text"), Ok("text".to_owned()));
        assert_eq!((row.get::<String>("two"), row.get::<i64>("one")), (Ok("b".to_owned()), Ok(7)));
        assert!(store.get("SELECT id FROM notes WHERE id = $1", params![8]).await.unwrap().is_none());
        store.health().await.unwrap();
        // Another handle, as another instance has one.
        assert_eq!(ids(&engine.open().await).await, [7]);
    }

    async fn a_list_is_whole_whether_it_is_short_or_long(engine: &Engine) {
        let store = store_with_notes(engine).await;
        let sql = "SELECT id FROM notes WHERE id >= $1 ORDER BY id";
        assert!(store.list(sql, params![0]).await.unwrap().is_empty());
        let fill = async |tx: &mut Tx| {
            for id in 0..1000 {
                add(tx, id).await?;
            }
            Ok::<_, StoreError>(())
        };
        store.write(fill).await.unwrap();
        for first in [0, 800, 898, 899, 900, 901, 999] {
            let rows = store.list(sql, params![first]).await.unwrap();
            let found: Vec<i64> = rows.iter().map(|row| row.get("id").unwrap()).collect();
            assert_eq!(found, (first..1000).collect::<Vec<_>>());
        }
        let writes = store.list("DELETE FROM notes RETURNING id", &[]).await.unwrap_err();
        assert!(matches!(writes, StoreError::Sql(_)), "{writes:?}");
        assert_eq!(ids(&store).await.len(), 1000);
    }

    async fn values_come_back_as_they_went_in(engine: &Engine) {
        let store = store_with_notes(engine).await;
        let bytes: Vec<u8> = (0..=255).collect();
        let (text, copy) = ("Zoë 🦀 'quoted'", bytes.clone());
        let insert = async move |tx: &mut Tx| {
            let sql = "INSERT INTO notes (id, text, bytes) VALUES ($1, $2, $3)";
            tx.execute(sql, params![i64::MIN, text, copy]).await?;
            tx.execute(sql, params![i64::MAX, None::<String>, None::<Vec<u8>>]).await
        };
        store.write(insert).await.unwrap();
        let sql = "SELECT id, text, bytes, text IS NULL AS empty, count(*) OVER () AS n FROM notes ORDER BY id";
        let rows = store.read(async move |tx: &mut Tx| tx.query(sql, &[]).await).await.unwrap();
        assert_eq!((rows[0].get("id"), rows[1].get("id")), (Ok(i64::MIN), Ok(i64::MAX)));
        assert_eq!((rows[0].get("text"), rows[0].get("bytes")), (Ok(text.to_owned()), Ok(bytes)));
        assert_eq!((rows[1].get::<Option<String>>("text"), rows[1].get::<Option<Vec<u8>>>("bytes")), (Ok(None), Ok(None)));
        assert_eq!((rows[0].get("empty"), rows[1].get("empty"), rows[0].get("n")), (Ok(false), Ok(true), Ok(2)));
    }

    async fn what_is_not_portable_is_refused(engine: &Engine) {
        let store = store_with_notes(engine).await;
        let float = store.get("SELECT 1.5e0 AS half", &[]).await.unwrap_err();
        assert!(matches!(&float, StoreError::Column { column, .. } if column == "half"), "{float:?}");
        let nul = store.get("SELECT id FROM notes WHERE text = $1", params!["a\0b"]).await.unwrap_err();
        assert_eq!((nul.status().as_u16(), nul), (400, StoreError::Nul));
        let many = vec![Value::Integer(1); 25];
        let many = store.get("SELECT 1", &many).await.unwrap_err();
        assert!(matches!(&many, StoreError::Sql(text) if text.contains("at most 24")), "{many:?}");
    }

    async fn a_closure_that_fails_is_undone(engine: &Engine) {
        let store = store_with_notes(engine).await;
        let twice = async |tx: &mut Tx| {
            add(tx, 1).await?;
            add(tx, 1).await
        };
        let result: Result<u64, StoreError> = store.write(twice).await;
        assert!(matches!(result, Err(StoreError::Constraint(_))), "{result:?}");
        let refuses = async |tx: &mut Tx| {
            add(tx, 2).await?;
            Err::<(), _>(StoreError::Sql("mine".to_owned()))
        };
        assert_eq!(store.write(refuses).await, Err(StoreError::Sql("mine".to_owned())));
        assert_eq!(ids(&store).await, [0; 0]);
    }

    async fn a_failed_statement_spoils_the_transaction_even_if_the_closure_goes_on(engine: &Engine) {
        let store = store_with_notes(engine).await;
        store.write(async |tx: &mut Tx| add(tx, 1).await).await.unwrap();
        let goes_on = async |tx: &mut Tx| {
            add(tx, 2).await?;
            let failed = add(tx, 1).await;
            assert!(matches!(failed, Err(StoreError::Constraint(_))), "{failed:?}");
            assert_eq!(add(tx, 3).await, failed, "the first error stays");
            Ok::<_, StoreError>(())
        };
        let result = store.write(goes_on).await;
        assert!(matches!(result, Err(StoreError::Constraint(_))), "{result:?}");
        // Where a conflict is no error it spoils nothing.
        let sql = "INSERT INTO notes (id) VALUES ($1) ON CONFLICT (id) DO NOTHING";
        let no_error = async move |tx: &mut Tx| Ok((tx.execute(sql, params![1]).await?, tx.execute(sql, params![4]).await?));
        assert_eq!(store.write(no_error).await, Ok::<_, StoreError>((0, 1)));
        assert_eq!(ids(&store).await, [1, 4]);
    }

    async fn a_closure_that_panics_or_waits_for_something_else_is_undone(engine: &Engine) {
        let store = store_with_notes(engine).await;
        let panics = async |tx: &mut Tx| {
            add(tx, 1).await?;
            panic!("on purpose")
        };
        assert_eq!(store.write::<(), _>(panics).await, Err(StoreError::Panicked));
        let waits = async |tx: &mut Tx| {
            add(tx, 2).await?;
            tokio::task::yield_now().await;
            Ok::<_, StoreError>(())
        };
        assert_eq!(store.write(waits).await, Err(StoreError::Waited));
        store.write(async |tx: &mut Tx| add(tx, 3).await).await.unwrap();
        assert_eq!(ids(&store).await, [3]);
    }

    async fn statements_that_are_not_the_callers_business_are_refused(engine: &Engine) {
        let store = store_with_notes(engine).await;
        let steering = ["COMMIT", "ROLLBACK", "PRAGMA synchronous = OFF", "ATTACH 'x' AS x", "/* */ SAVEPOINT a", "SET x = 1"];
        for sql in steering {
            let result = store.write(async move |tx: &mut Tx| tx.execute(sql, params![]).await).await;
            assert!(matches!(&result, Err(StoreError::Sql(text)) if text.contains("is not allowed")), "{sql}: {result:?}");
        }
        let write = "INSERT INTO notes (id) VALUES (1)";
        let expected = Err(StoreError::Sql("this statement writes: use Store::write".to_owned()));
        assert_eq!(store.read(async move |tx: &mut Tx| tx.execute(write, params![]).await).await, expected);
        assert_eq!(store.get(write, params![]).await.map(|_| 0), expected);
        let result = store.get("SELECT id FROM notes WHERE id = $1", params![1, 2]).await.map(drop);
        assert_eq!(result, Err(StoreError::Sql("the statement needs 1 values, 2 were given".to_owned())));
        assert!(store.get("SELECT 1; SELECT 2", params![]).await.is_err());
        assert_eq!(ids(&store).await, [0; 0]);
    }

    async fn a_read_sees_one_state_whatever_is_written_meanwhile(engine: &Engine) {
        let store = store_with_notes(engine).await;
        let (inside, entered) = std::sync::mpsc::channel();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let gone = std::sync::Mutex::new(gone);
        let read = async move |tx: &mut Tx| {
            let count = "SELECT count(*) AS n FROM notes";
            let before: i64 = tx.query(count, params![]).await?[0].get("n")?;
            inside.send(()).unwrap();
            gone.lock().unwrap().recv().unwrap();
            let after: i64 = tx.query(count, params![]).await?[0].get("n")?;
            Ok::<_, StoreError>((before, after))
        };
        // Another instance writes.
        let other = engine.open().await;
        let reading = tokio::spawn(async move { store.read(read).await });
        tokio::task::spawn_blocking(move || entered.recv().unwrap()).await.unwrap();
        other.write(async |tx: &mut Tx| add(tx, 1).await).await.unwrap();
        assert_eq!(ids(&other).await, [1]);
        go.send(()).unwrap();
        assert_eq!(reading.await.unwrap(), Ok((0, 0)));
    }

    async fn transactions_are_as_if_one_came_after_the_other(engine: &Engine) {
        let store = store_with_notes(engine).await;
        let insert = "INSERT INTO notes (id, text) VALUES ($1, '0')";
        for id in [1, 2] {
            store.write(async move |tx: &mut Tx| tx.execute(insert, params![id]).await).await.unwrap();
        }
        // Each reads both numbers, and adds their sum and one to one of them: no two may see the same.
        let instances = [store.clone(), engine.open().await, engine.open().await];
        let runs = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..60)
            .map(|nth: i64| {
                let (store, runs) = (instances[usize::try_from(nth).unwrap() % 3].clone(), runs.clone());
                let add = async move |tx: &mut Tx| {
                    runs.fetch_add(1, Ordering::Relaxed);
                    let rows = tx.query("SELECT CAST(text AS BIGINT) AS n FROM notes", &[]).await?;
                    let sum: i64 = rows.iter().map(|row| row.get::<i64>("n")).sum::<Result<_, _>>()?;
                    let own = tx.query("SELECT CAST(text AS BIGINT) AS n FROM notes WHERE id = $1", params![nth % 2 + 1]).await?;
                    let own: i64 = own[0].get("n")?;
                    let text = (own + 1).to_string();
                    tx.execute("UPDATE notes SET text = $1 WHERE id = $2", params![text, nth % 2 + 1]).await?;
                    Ok::<_, StoreError>(sum)
                };
                tokio::spawn(async move { store.write(add).await })
            })
            .collect();
        let mut seen = Vec::new();
        for task in tasks {
            seen.push(task.await.unwrap().unwrap());
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..60).collect::<Vec<_>>(), "in {} runs", runs.load(Ordering::Relaxed));
    }

    async fn a_statement_on_its_own_adds_up_over_all_instances(engine: &Engine) {
        let store = store_with_notes(engine).await;
        let instances = [store.clone(), engine.open().await, engine.open().await];
        let count = "INSERT INTO notes (id, text) VALUES ($1, '1') \
                     ON CONFLICT (id) DO UPDATE SET text = CAST(CAST(notes.text AS BIGINT) + 1 AS TEXT) RETURNING text";
        let tasks: Vec<_> = (0..60)
            .map(|nth| {
                let store = instances[nth % 3].clone();
                tokio::spawn(async move { store.statement(count, params![5]).await.unwrap()[0].get::<String>("text").unwrap() })
            })
            .collect();
        let mut seen = Vec::new();
        for task in tasks {
            seen.push(task.await.unwrap().parse::<usize>().unwrap());
        }
        seen.sort_unstable();
        assert_eq!(seen, (1..=60).collect::<Vec<_>>());
        assert!(matches!(store.statement("COMMIT", &[]).await, Err(StoreError::Sql(_))));
    }

    async fn the_store_has_a_time_of_its_own(engine: &Engine) {
        let store = engine.open().await;
        let now = store.get("SELECT fungible_now_ms() AS now", &[]).await.unwrap().unwrap();
        let now: i64 = now.get("now").unwrap();
        assert!((now - now_ms()).abs() < 60_000, "{now}");
    }
}

const ONE: &[Migration] = &[Migration { version: 1, name: "one", sqlite: A, postgres: A }];
const TWO: &[Migration] = &[ONE[0], Migration { version: 2, name: "two", sqlite: B, postgres: B }];
const A: &str = "CREATE TABLE one (a BIGINT)";
const B: &str = "CREATE TABLE two (a TEXT); CREATE TABLE three (a TEXT)";

on_both_engines! {
    async fn a_store_that_is_newer_than_the_program(engine: &Engine) {
        engine.open().await.migrate("part", TWO).await.unwrap();
        let store = engine.open().await;
        store.migrate("part", TWO).await.unwrap();
        let error = store.migrate("part", ONE).await.unwrap_err();
        assert!(error.to_string().contains("part is at version 2 and the program knows 1"), "{error}");
        // Components do not know of each other.
        store.migrate("other", &[]).await.unwrap();
    }

    async fn a_store_with_another_history(engine: &Engine) {
        const OTHER: &[Migration] = &[Migration { version: 1, name: "uno", sqlite: "CREATE TABLE uno (a BIGINT)", postgres: A }];
        let store = engine.open().await;
        store.migrate("part", ONE).await.unwrap();
        let error = store.migrate("part", OTHER).await.unwrap_err();
        assert!(error.to_string().contains("version 1 of part is `one` in the store and `uno` in the program"), "{error}");
    }

    async fn a_migration_that_fails_leaves_nothing_behind(engine: &Engine) {
        const DISORDER: &[Migration] = &[TWO[1], TWO[0]];
        const BROKEN: &str = "CREATE TABLE two (a TEXT); CREATE";
        const COMMITS: &str = "CREATE TABLE one (a TEXT); COMMIT";
        const BAD: &[Migration] = &[ONE[0], Migration { version: 2, name: "bad", sqlite: BROKEN, postgres: BROKEN }];
        const ENDS: &[Migration] = &[Migration { version: 1, name: "ends", sqlite: COMMITS, postgres: COMMITS }];
        let store = engine.open().await;
        assert!(matches!(store.migrate("part", BAD).await, Err(StoreError::Sql(_))));
        let error = store.migrate("part", ENDS).await.unwrap_err();
        assert_eq!(error, StoreError::Sql("COMMIT is not allowed in a migration".to_owned()));
        // Had anything stayed, this would fail.
        store.migrate("part", TWO).await.unwrap();
        assert!(store.migrate("part", DISORDER).await.is_err());
    }
}
