//! Runs the jobs of a store on this instance until it is told to stop. Knows handlers by the kind of their jobs.

use std::collections::HashMap;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, sleep};

use super::job::{Job, JobError};
use super::queue::Jobs;
use crate::setters::setters;

/// How a [`Worker`] runs jobs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkerOptions {
    /// The most jobs at the same time on this instance.
    pub at_once: usize,
    /// How often to look for jobs that are due.
    pub look_every: Duration,
    /// How long a lease lasts. A worker renews it at each third of that; a job whose lease has expired is taken over.
    pub lease: Duration,
    /// The attempts after which a job is dead.
    pub attempts: u32,
    /// The pause after the first failed attempt; each further pause is twice as long.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for WorkerOptions {
    /// 4 jobs at once; a look every 500 ms; leases of 3 s; 20 attempts, with pauses from 1 s to 10 min.
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

setters!(
    WorkerOptions: at_once: usize, look_every: Duration, lease: Duration, attempts: u32, first_pause: Duration,
    longest_pause: Duration,
);

type Attempt = Pin<Box<dyn Future<Output = Result<(), JobError>> + Send>>;
type Handler = Arc<dyn Fn(Job) -> Attempt + Send + Sync>;

/// Runs jobs. Any number of instances may each have a worker over the same store.
#[derive(Clone)]
pub struct Worker {
    jobs: Jobs,
    options: WorkerOptions,
    handlers: HashMap<&'static str, Handler>,
}

impl Worker {
    /// A worker without handlers.
    pub fn new(jobs: Jobs, options: WorkerOptions) -> Worker {
        Worker { jobs, options, handlers: HashMap::new() }
    }

    /// Runs jobs of this kind with `handler`, which ends with [`Job::finish`]. A job may be run more than once, also on two
    /// instances at the same time when one of them was frozen: send the job's id with each request to another service.
    #[must_use]
    pub fn on<F, W>(mut self, kind: &'static str, handler: F) -> Worker
    where
        F: Fn(Job) -> W + Send + Sync + 'static,
        W: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        self.handlers.insert(kind, Arc::new(move |job| Box::pin(handler(job))));
        self
    }

    /// Runs jobs until `shutdown` is ready, and then finishes those that it has begun.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut at_work = JoinSet::new();
        loop {
            let more = at_work.len() < self.options.at_once && self.take_one(&mut at_work).await;
            let pause = if more { Duration::ZERO } else { self.options.look_every };
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = at_work.join_next() => {}
                () = self.jobs.nudged() => {}
                () = sleep(pause) => {}
            }
        }
        while at_work.join_next().await.is_some() {}
    }

    /// Begins the next job that is due; false when there is none.
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

    /// Runs one job and renews its lease meanwhile.
    async fn work(&self, job: Job) {
        // Only jobs that have a handler are leased.
        let Some(handler) = self.handlers.get(job.kind.as_str()) else { return };
        // In a task of its own, so that a panic is an attempt that failed.
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
                    // The handler may have finished it a moment ago; if not, another instance has taken it over.
                    Ok(false) if doing.is_finished() => {}
                    Ok(false) => tracing::debug!(id = %job.id, "another instance has taken a job over"),
                    Err(error) => tracing::warn!(%error, id = %job.id, "renewing the lease of a job"),
                }
            }
        }
    }

    async fn failed(&self, job: &Job, why: &str, again: bool) {
        let again = (again && job.attempts < self.options.attempts).then(|| self.pause(job.attempts));
        tracing::warn!(id = %job.id, kind = job.kind, attempts = job.attempts, ?again, why, "a job failed");
        if let Err(error) = job.give_back(again, why).await {
            // Then its lease expires by itself.
            tracing::warn!(%error, id = %job.id, "ending the lease of a job");
        }
    }

    /// The pause after an attempt: twice as long each time, and in part random.
    fn pause(&self, attempts: u32) -> Duration {
        let mut random = [0];
        // Without randomness all pauses are equally long.
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
