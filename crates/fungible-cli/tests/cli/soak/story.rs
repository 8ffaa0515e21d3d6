//! What happens during a soak: events with their times, the times in which an instance was harmed, and what went wrong.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Of the events, those from so long before a failure until so long after it are printed.
const BEFORE: Duration = Duration::from_secs(8);
const AFTER: Duration = Duration::from_secs(3);

/// How many failures are printed with what happened around them.
const PRINTED: usize = 4;

/// How an instance is harmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Harm {
    /// Its processes are killed: a request in flight on it may fail.
    Killed,
    /// They stand still: a request in flight on it may wait, and fail when they are killed in the end. They may also hold
    /// up the writers of the store, so that the app says that it is busy.
    Frozen,
}

#[derive(Debug)]
struct Harmed {
    how: Harm,
    pid: i64,
    until: Option<Instant>,
}

#[derive(Debug)]
struct Failed {
    at: Instant,
    what: String,
}

/// The story of one fleet.
#[derive(Debug, Clone)]
pub(super) struct Story(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    began: Instant,
    length: Duration,
    over: AtomicBool,
    events: Mutex<Vec<(Instant, String)>>,
    /// How much of what the supervisor says has been heard.
    heard: Mutex<usize>,
    harmed: Mutex<Vec<Harmed>>,
    failed: Mutex<Vec<Failed>>,
    counts: Counts,
}

/// How many requests there were.
#[derive(Debug, Default)]
struct Counts {
    answered: AtomicUsize,
    writes: AtomicUsize,
    excused: AtomicUsize,
    cut: AtomicUsize,
    busy: AtomicUsize,
}

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Count {
    /// A request got a whole answer of the app.
    Answered,
    /// A write was acknowledged.
    Write,
    /// A write failed while an instance was harmed.
    Excused,
    /// An answer broke off after its head while an instance was harmed.
    Cut,
    /// The app was too busy for a write while an instance was frozen.
    Busy,
}

impl Story {
    /// Begins a story that lasts so long.
    pub(super) fn begin(length: Duration) -> Story {
        Story(Arc::new(Inner {
            began: Instant::now(),
            length,
            over: AtomicBool::new(false),
            events: Mutex::default(),
            heard: Mutex::default(),
            harmed: Mutex::default(),
            failed: Mutex::default(),
            counts: Counts::default(),
        }))
    }

    /// Whether the fleet is to be disturbed no more: the time is up, or something went wrong.
    pub(super) fn is_long_enough(&self) -> bool {
        self.0.began.elapsed() > self.0.length || self.has_failed()
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.0.failed.lock().unwrap().is_empty()
    }

    /// Nothing disturbs the fleet any more: customers come to an end.
    pub(super) fn ends(&self) {
        self.0.over.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Relaxed)
    }

    /// Notes an event.
    pub(super) fn tells(&self, what: impl Into<String>) {
        self.0.events.lock().unwrap().push((Instant::now(), what.into()));
    }

    /// Notes the lines that the supervisor has added to what it said.
    pub(super) fn hears(&self, said: &str) {
        let mut heard = self.0.heard.lock().unwrap();
        let whole = said.rfind('\n').map_or(0, |at| at + 1);
        for line in said[*heard..whole].lines() {
            // Lines of instances are their access log.
            if line.starts_with("fungible | ") {
                self.tells(line);
            }
        }
        *heard = whole;
    }

    /// Something went wrong.
    pub(super) fn fails(&self, what: String) {
        self.0.failed.lock().unwrap().push(Failed { at: Instant::now(), what });
    }

    pub(super) fn counts(&self, what: Count) {
        self.count(what).fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counted(&self, what: Count) -> usize {
        self.count(what).load(Ordering::Relaxed)
    }

    fn count(&self, what: Count) -> &AtomicUsize {
        let counts = &self.0.counts;
        match what {
            Count::Answered => &counts.answered,
            Count::Write => &counts.writes,
            Count::Excused => &counts.excused,
            Count::Cut => &counts.cut,
            Count::Busy => &counts.busy,
        }
    }

    /// A process is about to be harmed.
    pub(super) fn harms(&self, how: Harm, pid: i64) {
        self.0.harmed.lock().unwrap().push(Harmed { how, pid, until: None });
    }

    /// The harm is over: the process is gone, or goes on.
    pub(super) fn heals(&self, pid: i64) {
        for harmed in self.0.harmed.lock().unwrap().iter_mut().filter(|one| one.pid == pid) {
            harmed.until.get_or_insert_with(Instant::now);
        }
    }

    /// Whether an instance was harmed in one of these ways at some time since then.
    pub(super) fn was_harmed_since(&self, since: Instant, ways: &[Harm]) -> bool {
        let harmed = self.0.harmed.lock().unwrap();
        harmed.iter().any(|one| ways.contains(&one.how) && one.until.is_none_or(|until| until >= since))
    }

    /// Prints what there was, and panics with the events around each failure.
    pub(super) fn ends_well(&self, customers: &dyn fmt::Display) {
        let counted = |what| self.counted(what);
        println!(
            "{customers} customers for {:?}: {} answers, {} writes acknowledged; {} writes failed and {} answers broke off \
             while an instance was killed or frozen, {} writes met a store that a frozen instance held up",
            self.0.began.elapsed(),
            counted(Count::Answered),
            counted(Count::Write),
            counted(Count::Excused),
            counted(Count::Cut),
            counted(Count::Busy),
        );
        let failed = self.0.failed.lock().unwrap();
        for one in failed.iter().take(PRINTED) {
            println!("{:.3} FAILED {}\n{}\n", self.time(one.at), one.what, self.around(one.at));
        }
        assert!(failed.is_empty(), "{} failures", failed.len());
    }

    /// How often each kind of event that begins with one of these words came.
    pub(super) fn summary(&self, words: &[&str]) -> String {
        let events = self.0.events.lock().unwrap();
        let of = |word: &&str| format!("{} {word}", events.iter().filter(|(_, what)| what.starts_with(*word)).count());
        words.iter().map(of).collect::<Vec<_>>().join(", ")
    }

    fn time(&self, at: Instant) -> f64 {
        at.duration_since(self.0.began).as_secs_f64()
    }

    fn around(&self, at: Instant) -> String {
        let mut events = self.0.events.lock().unwrap().clone();
        events.sort_by_key(|(when, _)| *when);
        let near = events.iter().filter(|(when, _)| *when + BEFORE > at && *when < at + AFTER);
        let lines: Vec<_> = near.map(|(when, what)| format!("  {:.3} {what}", self.time(*when))).collect();
        lines.join("\n")
    }
}
