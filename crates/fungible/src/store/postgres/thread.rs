//! The thread of this process that talks to the server. It ends when the last handle to the store is gone and all work
//! that was sent before is done.

use std::rc::Rc;
use std::thread;
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

use super::attempt::{Endpoint, Kind, carry_out, set_up};
use super::session::Session;
use crate::store::error::{Result, StoreError};
use crate::store::options::StoreOptions;
use crate::store::work::Work;

/// The pause between two attempts to open the store.
const PAUSE: Duration = Duration::from_millis(100);

/// Work in the queue.
pub(super) struct Queued {
    pub(super) kind: Kind,
    pub(super) work: Box<dyn Work<Session>>,
    /// Its place among those that may wait.
    pub(super) place: OwnedSemaphorePermit,
}

/// Starts the thread and returns its queue when the store is open.
pub(super) async fn start(
    pool: Pool,
    store: Box<str>,
    options: &StoreOptions,
) -> Result<mpsc::UnboundedSender<Queued>> {
    let (sender, queue) = mpsc::unbounded_channel();
    let (opened, opening) = oneshot::channel();
    let (wait, statement) = (options.wait_limit, options.statement_limit);
    let failed = {
        let store = store.to_string();
        move |error: &std::io::Error| StoreError::Unreachable { store: store.clone(), reason: error.to_string() }
    };
    let no_runtime = failed.clone();
    let run = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let endpoint = Rc::new(Endpoint { pool, store: store.into(), wait, statement });
            LocalSet::new().block_on(&runtime, serve(endpoint, queue, opened));
        }
        Err(error) => drop(opened.send(Err(no_runtime(&error)))),
    };
    thread::Builder::new().name("store-postgres".to_owned()).spawn(run).map_err(|error| failed(&error))?;
    opening.await.unwrap_or(Err(StoreError::Closed)).map(|()| sender)
}

async fn serve(
    endpoint: Rc<Endpoint>,
    mut queue: mpsc::UnboundedReceiver<Queued>,
    opened: oneshot::Sender<Result<()>>,
) {
    let result = open(&endpoint).await;
    let failed = result.is_err();
    if opened.send(result).is_err() || failed {
        return;
    }
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            next = queue.recv() => match next {
                Some(Queued { kind, work, place }) => {
                    let endpoint = endpoint.clone();
                    tasks.spawn_local(async move {
                        carry_out(&endpoint, kind, work).await;
                        drop(place);
                    });
                }
                None => break,
            },
            Some(_) = tasks.join_next() => {}
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Tries for as long as a call may wait: the server may still be starting.
async fn open(endpoint: &Endpoint) -> Result<()> {
    let deadline = Instant::now() + endpoint.wait;
    loop {
        match set_up(endpoint).await {
            Err(error) if error.is_retryable() && Instant::now() + PAUSE < deadline => tokio::time::sleep(PAUSE).await,
            result => return result,
        }
    }
}
