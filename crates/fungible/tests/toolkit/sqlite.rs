//! SQLite within one process: that neighbours in a batch do not harm each other, and what a caller gets who has to wait.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fungible::{Migration, Store, StoreError, StoreOptions, Tx, params};
use test_basics::eventually_async;
use tokio::task::JoinHandle;

use crate::support::{Directory, assert_sound};

const NOTES: &[Migration] = &[Migration {
    version: 1,
    name: "notes",
    sqlite: "CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY, text TEXT NOT NULL);
             CREATE TABLE parts (note BIGINT REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED);
             CREATE TRIGGER gone AFTER DELETE ON notes BEGIN DELETE FROM parts WHERE note = old.id; END;",
    postgres: "",
}];

async fn store_with_notes(directory: &Directory) -> Store {
    let store = directory.open().await;
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

/// Writes that are all in one batch: they wait together while the test holds the ticket.
struct Batch {
    store: Store,
    ticket: File,
    queued: Vec<JoinHandle<Result<(), StoreError>>>,
}

impl Batch {
    async fn new(directory: &Directory) -> Batch {
        let store = store_with_notes(directory).await;
        let ticket = File::options().write(true).open(directory.ticket()).unwrap();
        ticket.lock().unwrap();
        Batch { store, ticket, queued: Vec::new() }
    }

    /// Queues a write behind those that are queued already.
    async fn queue<F>(&mut self, closure: F)
    where
        F: AsyncFn(&mut Tx) -> Result<(), StoreError> + Send + 'static,
    {
        let store = self.store.clone();
        self.queued.push(tokio::spawn(async move { store.write(closure).await }));
        // On the one thread of the test, the task now runs up to its wait for the answer.
        tokio::task::yield_now().await;
    }

    async fn queue_add(&mut self, id: i64) {
        self.queue(async move |tx: &mut Tx| add(tx, id).await.map(drop)).await;
    }

    async fn answers(self) -> (Store, Vec<Result<(), StoreError>>) {
        self.ticket.unlock().unwrap();
        let mut answers = Vec::new();
        for task in self.queued {
            answers.push(task.await.unwrap());
        }
        (self.store, answers)
    }
}

#[tokio::test]
async fn neighbours_are_in_one_transaction() {
    let directory = Directory::new();
    let mut batch = Batch::new(&directory).await;
    let seen = Arc::new(AtomicUsize::new(0));
    batch.queue_add(1).await;
    // Nobody outside sees the neighbour's row yet.
    let outside = directory.open().await;
    let count = seen.clone();
    let look = async move |tx: &mut Tx| {
        let inside = tx.query("SELECT id FROM notes", params![]).await?.len();
        let outside = outside.get("SELECT id FROM notes", params![]).await?;
        count.store(10 * inside + usize::from(outside.is_some()), Ordering::SeqCst);
        Ok(())
    };
    batch.queue(look).await;
    let (_, answers) = batch.answers().await;
    assert_eq!(answers, [Ok(()), Ok(())]);
    assert_eq!(seen.load(Ordering::SeqCst), 10);
}

#[tokio::test]
async fn a_failing_a_panicking_and_a_waiting_command_do_not_harm_their_neighbours() {
    let directory = Directory::new();
    let mut batch = Batch::new(&directory).await;
    batch.queue_add(1).await;
    let fails = async |tx: &mut Tx| {
        add(tx, 2).await?;
        Err(StoreError::Sql("mine".to_owned()))
    };
    batch.queue(fails).await;
    batch.queue_add(3).await;
    let panics = async |tx: &mut Tx| {
        add(tx, 4).await?;
        panic!("on purpose")
    };
    batch.queue(panics).await;
    batch.queue_add(5).await;
    let waits = async |tx: &mut Tx| {
        add(tx, 6).await?;
        tokio::task::yield_now().await;
        Ok(())
    };
    batch.queue(waits).await;
    batch.queue_add(7).await;
    let (store, answers) = batch.answers().await;
    let expected = [
        Ok(()),
        Err(StoreError::Sql("mine".to_owned())),
        Ok(()),
        Err(StoreError::Panicked),
        Ok(()),
        Err(StoreError::Waited),
        Ok(()),
    ];
    assert_eq!(answers, expected);
    assert_eq!(ids(&store).await, [1, 3, 5, 7]);
}

#[tokio::test]
async fn a_command_that_rolls_everything_back_hits_only_itself() {
    let directory = Directory::new();
    let mut batch = Batch::new(&directory).await;
    batch.queue_add(1).await;
    batch
        .queue(async |tx: &mut Tx| {
            tx.execute("INSERT OR ROLLBACK INTO notes VALUES (1, 'x')", params![]).await.map(drop)
        })
        .await;
    batch.queue_add(2).await;
    let (store, answers) = batch.answers().await;
    assert_eq!(answers[0], Ok(()));
    assert!(matches!(answers[1], Err(StoreError::Constraint(_))), "{answers:?}");
    assert_eq!(answers[2], Ok(()));
    assert_eq!(ids(&store).await, [1, 2]);
}

#[tokio::test]
async fn a_command_that_makes_the_commit_fail_hits_only_itself() {
    let directory = Directory::new();
    let mut batch = Batch::new(&directory).await;
    batch.queue_add(1).await;
    // A deferred foreign key is checked at COMMIT.
    batch.queue(async |tx: &mut Tx| tx.execute("INSERT INTO parts VALUES (99)", params![]).await.map(drop)).await;
    batch.queue_add(2).await;
    let (store, answers) = batch.answers().await;
    assert_eq!(answers[0], Ok(()));
    assert!(matches!(answers[1], Err(StoreError::Constraint(_))), "{answers:?}");
    assert_eq!(answers[2], Ok(()));
    assert_eq!(ids(&store).await, [1, 2]);
    assert_sound(&directory.store());
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_its_command_back() {
    let directory = Directory::new();
    let mut batch = Batch::new(&directory).await;
    for id in 1..=3 {
        batch.queue_add(id).await;
    }
    batch.queued[1].abort();
    batch.queued[2].abort();
    let taken_back = batch.queued.split_off(1);
    for task in taken_back {
        assert!(task.await.unwrap_err().is_cancelled());
    }
    let (store, answers) = batch.answers().await;
    assert_eq!(answers, [Ok(())]);
    store.write(async |tx: &mut Tx| add(tx, 4).await).await.unwrap();
    assert_eq!(ids(&store).await, [1, 4]);
}

#[tokio::test]
async fn a_full_queue_is_busy_at_once() {
    let directory = Directory::new();
    drop(store_with_notes(&directory).await);
    let options = StoreOptions::default().queue(2).wait_limit(Duration::from_hours(1));
    let store = Store::open_with(&directory.url(), options).await.unwrap();
    let ticket = File::options().write(true).open(directory.ticket()).unwrap();
    ticket.lock().unwrap();
    let write = |id| {
        let store = store.clone();
        tokio::spawn(async move { store.write(async move |tx: &mut Tx| add(tx, id).await).await })
    };
    // One that the writer thread holds and two in the queue wait; the others do not.
    let tasks: Vec<_> = (0..10).map(write).collect();
    let finished = || tasks.iter().filter(|task| task.is_finished()).count();
    eventually_async("the rest is refused", async || finished() >= 7).await;
    ticket.unlock().unwrap();
    let mut done = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(1) => done += 1,
            other => assert_eq!(other, Err(StoreError::Busy)),
        }
    }
    assert!((2..=3).contains(&done), "{done}");
    assert_eq!(ids(&store).await.len(), done);
}

#[tokio::test]
async fn a_foreign_program_that_writes_without_a_ticket_costs_a_clear_busy() {
    let directory = Directory::new();
    drop(store_with_notes(&directory).await);
    let options = StoreOptions::default().wait_limit(Duration::from_millis(100));
    let store = Store::open_with(&directory.url(), options).await.unwrap();
    let foreign = rusqlite::Connection::open(directory.store()).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(store.write(async |tx: &mut Tx| add(tx, 1).await).await, Err(StoreError::Busy));
    foreign.execute_batch("COMMIT").unwrap();
    eventually_async("writes work again", async || store.write(async |tx: &mut Tx| add(tx, 2).await).await.is_ok())
        .await;
    assert_eq!(ids(&store).await, [2]);
}
