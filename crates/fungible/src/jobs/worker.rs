//! Does the jobs of a store on this instance until it is told to stop. Knows handlers by the kind of their jobs.

use std::collections::HashMap;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, sleep};

use super::{Job, JobError, Jobs};

/// How jobs are done.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// How many at once on this instance.
    pub at_once: usize,
    /// How often to look for jobs that are due.
    pub look_every: Duration,
    /// A job whose instance has not said for this long that it is still at it is taken over.
    pub lease: Duration,
    /// A job that has failed so often is dead.
    pub attempts: u32,
    /// The pause after the first failure; each further one is twice as long.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for WorkerOptions {
    /// Four at once; taken over after 3 s; 20 attempts, with pauses from 1 s to 10 min.
    fn default() -> WorkerOptions {
        WorkerOptions {
            at_once: 4,
            look_every: Duration::from_millis(500),
            lease: Duration::from_secs(3),
            attempts: 20,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(10),
        }
    }
}

type Doing = Pin<Box<dyn Future<Output = Result<(), JobError>> + Send>>;
type Handler = Arc<dyn Fn(Job) -> Doing + Send + Sync>;

/// Does jobs. Any number of instances may each have one over the same store.
#[derive(Clone)]
pub struct Worker {
    jobs: Jobs,
    options: WorkerOptions,
    handlers: HashMap<&'static str, Handler>,
}

impl Worker {
    /// A worker that knows no kind of job yet.
    pub fn new(jobs: Jobs, options: WorkerOptions) -> Worker {
        Worker { jobs, options, handlers: HashMap::new() }
    }

    /// Does jobs of this kind by `handler`, which ends with [`Job::finish`]. It may be run more than once for the same job,
    /// also on two instances at once when one of them was frozen: what it asks of others must bear the job's id.
    #[must_use]
    pub fn on<F, W>(mut self, kind: &'static str, handler: F) -> Worker
    where
        F: Fn(Job) -> W + Send + Sync + 'static,
        W: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        self.handlers.insert(kind, Arc::new(move |job| Box::pin(handler(job))));
        self
    }

    /// Works until `shutdown` is ready, and then finishes what it has begun.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut at_work = JoinSet::new();
        loop {
            let more = at_work.len() < self.options.at_once && self.take_one(&mut at_work).await;
            let pause = if more { Duration::ZERO } else { self.options.look_every };
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = at_work.join_next() => {}
                () = self.jobs.nudge.notified() => {}
                () = sleep(pause) => {}
            }
        }
        while at_work.join_next().await.is_some() {}
    }

    /// Takes the next job that is due; false when there is none.
    async fn take_one(&self, at_work: &mut JoinSet<()>) -> bool {
        let kinds: Vec<&str> = self.handlers.keys().copied().collect();
        match self.jobs.claim(&kinds, self.options.lease, self.options.attempts).await {
            Ok(Some(job)) => {
                let worker = self.clone();
                at_work.spawn(async move { worker.work(job).await });
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(%error, "looking for jobs");
                false
            }
        }
    }

    /// Does one job and keeps its lease meanwhile.
    async fn work(&self, job: Job) {
        // Only kinds that are known here are taken.
        let Some(handler) = self.handlers.get(job.kind.as_str()) else { return };
        // A task of its own: a handler that panics is one that failed.
        let mut doing = tokio::spawn(handler(job.clone()));
        let beat = self.options.lease / 3;
        // The lease has just begun.
        let mut beat = interval_at(Instant::now() + beat, beat);
        loop {
            tokio::select! {
                done = &mut doing => {
                    let (why, again) = match done {
                        Ok(Ok(()) | Err(JobError::TakenOver)) => return,
                        Ok(Err(JobError::GivenUp(why))) => (why, false),
                        Ok(Err(error)) => (error.to_string(), true),
                        Err(_panicked) => ("its handler panicked".to_owned(), true),
                    };
                    return self.failed(&job, &why, again).await;
                }
                _ = beat.tick() => match job.keep(self.options.lease).await {
                    Ok(true) => {}
                    // It may just have been finished; if not, it is another instance's, which does it from the beginning.
                    Ok(false) if doing.is_finished() => {}
                    Ok(false) => tracing::debug!(id = %job.id, "a job is not ours any more"),
                    Err(error) => tracing::warn!(%error, id = %job.id, "keeping a job"),
                }
            }
        }
    }

    async fn failed(&self, job: &Job, why: &str, again: bool) {
        let again = (again && job.attempts < self.options.attempts).then(|| self.pause(job.attempts));
        tracing::warn!(id = %job.id, kind = job.kind, attempts = job.attempts, ?again, why, "a job failed");
        if let Err(error) = job.give_back(again, why).await {
            // Then its lease ends by itself.
            tracing::warn!(%error, id = %job.id, "giving a job back");
        }
    }

    /// Twice as long each time, and a little different for each job.
    fn pause(&self, attempts: u32) -> Duration {
        let mut random = [0];
        // Without randomness all wait equally long.
        let _ = getrandom::fill(&mut random);
        let grown = self.options.first_pause.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1)));
        grown.min(self.options.longest_pause).mul_f32(f32::midpoint(0.5, f32::from(random[0]) / 255.0) + 0.5)
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("options", &self.options)
            .field("kinds", &self.handlers.keys())
            .finish_non_exhaustive()
    }
}
