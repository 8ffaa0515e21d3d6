//! Jobs: done by whichever instance is there, taken over from one that dies, tried again, and kept when they fail for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fungible::{Job, JobError, Jobs, Migration, Store, StoreError, Tx, Worker, WorkerOptions, params};
use test_basics::eventually_async;
use tokio::sync::oneshot;

use crate::helper::Helper;
use crate::on_both_engines;

const TABLE: &str = "CREATE TABLE done (what TEXT NOT NULL, attempt BIGINT NOT NULL)";
const DONE: &[Migration] = &[Migration { version: 1, name: "done", sqlite: TABLE, postgres: TABLE }];

pub(crate) async fn jobs(store: &Store) -> Jobs {
    let jobs = Jobs::new(store.clone());
    jobs.migrate().await.unwrap();
    store.migrate("done", DONE).await.unwrap();
    jobs
}

pub(crate) fn quick() -> WorkerOptions {
    WorkerOptions::default()
        .look_every(Duration::from_millis(20))
        .lease(Duration::from_millis(600))
        .attempts(3)
        .first_pause(Duration::from_millis(10))
}

async fn enqueue(store: &Store, kind: &'static str, what: &'static str) {
    let enqueue = async move |tx: &mut Tx| Jobs::enqueue(tx, kind, &what).await;
    store.write(enqueue).await.unwrap();
}

/// Writes down what was done, in the transaction that ends the job.
pub(crate) async fn write_down(job: Job) -> Result<(), JobError> {
    let (what, attempt) = (job.payload::<String>()?, job.attempts);
    let done = async move |tx: &mut Tx| {
        tx.execute("INSERT INTO done (what, attempt) VALUES ($1, $2)", params![what, attempt]).await?;
        Ok(())
    };
    job.finish(done).await
}

async fn done(store: &Store) -> Vec<(String, u32)> {
    let read = async move |tx: &mut Tx| tx.query("SELECT what, attempt FROM done ORDER BY what, attempt", &[]).await;
    let rows = store.read(read).await.unwrap();
    rows.iter().map(|row| (row.get("what").unwrap(), row.get("attempt").unwrap())).collect()
}

/// A worker that runs until it is dropped.
struct Running(Option<oneshot::Sender<()>>, tokio::task::JoinHandle<()>);

impl Running {
    fn start(worker: Worker) -> Running {
        let (stop, stopped) = oneshot::channel::<()>();
        Running(Some(stop), tokio::spawn(worker.run(async { drop(stopped.await) })))
    }

    async fn stop(mut self) {
        self.0.take();
        self.1.await.unwrap();
    }
}

on_both_engines! {
    async fn a_job_is_there_if_and_only_if_its_transaction_is(engine: &Engine) {
        let store = engine.open().await;
        let jobs = jobs(&store).await;
        let fails = async move |tx: &mut Tx| {
            Jobs::enqueue(tx, "write", &"never").await?;
            Err::<(), _>(StoreError::Sql("mine".to_owned()))
        };
        store.write(fails).await.unwrap_err();
        assert_eq!(jobs.open().await, Ok(0));
        enqueue(&store, "write", "once").await;
        assert_eq!(jobs.open().await, Ok(1));
        let running = Running::start(Worker::new(jobs.clone(), quick()).on("write", write_down));
        eventually_async("the job", async || jobs.open().await == Ok(0)).await;
        running.stop().await;
        assert_eq!(done(&store).await, [("once".to_owned(), 1)]);
    }

    async fn three_instances_do_each_job_once(engine: &Engine) {
        let store = engine.open().await;
        let jobs = jobs(&store).await;
        let names: Vec<String> = (0..100).map(|nth| format!("{nth:03}")).collect();
        let all = names.clone();
        let enqueue = async move |tx: &mut Tx| {
            for name in &all {
                Jobs::enqueue(tx, "write", name).await?;
            }
            Ok::<_, StoreError>(())
        };
        store.write(enqueue).await.unwrap();
        let mut workers = Vec::new();
        for _ in 0..3 {
            let worker = Worker::new(Jobs::new(engine.open().await), quick());
            workers.push(Running::start(worker.on("write", write_down)));
        }
        eventually_async("all jobs", async || jobs.open().await == Ok(0)).await;
        for worker in workers {
            worker.stop().await;
        }
        let expected: Vec<_> = names.into_iter().map(|name| (name, 1)).collect();
        assert_eq!(done(&store).await, expected);
    }

    async fn one_that_fails_is_tried_again_and_at_last_kept(engine: &Engine) {
        let store = engine.open().await;
        let jobs = jobs(&store).await;
        enqueue(&store, "fail", "no paper").await;
        enqueue(&store, "panic", "").await;
        enqueue(&store, "second", "at the second attempt").await;
        enqueue(&store, "unknown", "nobody here knows it").await;
        let second = async |job: Job| if job.attempts < 2 { Err(JobError::Failed("not yet".to_owned())) } else { write_down(job).await };
        let worker = Worker::new(jobs.clone(), quick())
            .on("fail", async |job: Job| Err(JobError::Failed(job.payload::<String>()?)))
            .on("panic", async |_| panic!("on purpose"))
            .on("second", second);
        let running = Running::start(worker);
        eventually_async("two are dead", async || jobs.dead().await.unwrap().len() == 2).await;
        eventually_async("one is done", async || !done(&store).await.is_empty()).await;
        running.stop().await;
        assert_eq!(done(&store).await, [("at the second attempt".to_owned(), 2)]);
        let mut dead: Vec<_> = jobs.dead().await.unwrap();
        dead.sort_by(|one, other| one.kind.cmp(&other.kind));
        let said: Vec<_> = dead.iter().map(|job| (job.kind.as_str(), job.attempts, job.error.as_str())).collect();
        assert_eq!(said, [("fail", 3, "no paper"), ("panic", 3, "its handler panicked")]);
        // What nobody here knows waits for somebody who does.
        assert_eq!(jobs.open().await, Ok(1));
        assert_eq!((jobs.revive(dead[0].id).await, jobs.revive(uuid::Uuid::nil()).await), (Ok(true), Ok(false)));
        let running = Running::start(Worker::new(jobs.clone(), quick()).on("fail", write_down));
        eventually_async("the one that was revived", async || done(&store).await.len() == 2).await;
        running.stop().await;
    }

    async fn the_job_of_an_instance_that_dies_is_taken_over(engine: &Engine) {
        let store = engine.open().await;
        let jobs = jobs(&store).await;
        enqueue(&store, "hold", "held").await;
        // This one takes it and never ends.
        let holder = Helper::start("hold-job", &engine.url());
        assert_eq!(holder.hear(), "holding");
        let tried = Arc::new(AtomicUsize::new(0));
        let count = tried.clone();
        let take_over = move |job: Job| {
            count.fetch_add(1, Ordering::SeqCst);
            write_down(job)
        };
        let options = WorkerOptions::default().look_every(Duration::from_millis(20));
        let running = Running::start(Worker::new(jobs.clone(), options).on("hold", take_over));
        // As long as its holder lives nobody else gets it, though it takes longer than a lease lasts.
        let due = async || {
            let row = store.get("SELECT due_ms FROM fungible_jobs", &[]).await.unwrap().unwrap();
            row.get::<i64>("due_ms").unwrap()
        };
        let first = due().await;
        eventually_async("the lease is kept", async || due().await > first + 3500).await;
        assert_eq!(tried.load(Ordering::SeqCst), 0);
        holder.kill();
        let killed = Instant::now();
        eventually_async("it is taken over", async || !done(&store).await.is_empty()).await;
        assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
        running.stop().await;
        assert_eq!(done(&store).await, [("held".to_owned(), 2)]);
    }

    async fn one_that_takes_its_instance_with_it_is_dead_at_last(engine: &Engine) {
        let store = engine.open().await;
        let jobs = jobs(&store).await;
        enqueue(&store, "write", "deadly").await;
        // So often it was begun, and nobody has ever said how it went.
        store.statement("UPDATE fungible_jobs SET attempts = 3", &[]).await.unwrap();
        enqueue(&store, "write", "harmless").await;
        let worker = Worker::new(jobs.clone(), quick().attempts(3)).on("write", write_down);
        let running = Running::start(worker);
        eventually_async("the other one is done", async || done(&store).await.len() == 1).await;
        running.stop().await;
        assert_eq!(done(&store).await[0].0, "harmless");
        let dead = jobs.dead().await.unwrap();
        assert_eq!((dead.len(), dead[0].error.as_str()), (1, "each instance that began it ended"));
    }
}
