//! The thread of this process that speaks to the server. It lives until the last handle on the store is gone and what
//! was sent before has been carried out.

use std::rc::Rc;
use std::thread;
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

use super::super::{Result, StoreError, StoreOptions};
use super::Job;
use super::attempt::{Limits, carry_out, set_up};

/// The pause before the server is tried again while the store is being opened.
const PAUSE: Duration = Duration::from_millis(100);

/// Starts the thread; answers when the store is open.
pub(super) async fn start(pool: Pool, store: Box<str>, options: &StoreOptions) -> Result<mpsc::UnboundedSender<Job>> {
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
            let limits = Rc::new(Limits { pool, store: store.into(), wait, statement });
            LocalSet::new().block_on(&runtime, serve(limits, queue, opened));
        }
        Err(error) => drop(opened.send(Err(no_runtime(&error)))),
    };
    thread::Builder::new().name("store-postgres".to_owned()).spawn(run).map_err(|error| failed(&error))?;
    opening.await.unwrap_or(Err(StoreError::Closed)).map(|()| sender)
}

async fn serve(limits: Rc<Limits>, mut queue: mpsc::UnboundedReceiver<Job>, opened: oneshot::Sender<Result<()>>) {
    let result = open(&limits).await;
    let failed = result.is_err();
    if opened.send(result).is_err() || failed {
        return;
    }
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            job = queue.recv() => match job {
                Some(job) => {
                    let limits = limits.clone();
                    tasks.spawn_local(async move {
                        let Job { kind, command, _place } = job;
                        carry_out(&limits, kind, command).await;
                    });
                }
                None => break,
            },
            Some(_) = tasks.join_next() => {}
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Tries for as long as a call may wait: the server may just be starting too.
async fn open(limits: &Limits) -> Result<()> {
    let deadline = Instant::now() + limits.wait;
    loop {
        match set_up(limits).await {
            Err(error) if error.is_retryable() && Instant::now() + PAUSE < deadline => tokio::time::sleep(PAUSE).await,
            result => return result,
        }
    }
}
