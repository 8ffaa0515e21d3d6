//! The journal: what one run of the traffic was, as one complete value.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::encoding;
use crate::exchange::{Exchange, Outcome, Request};

/// No client has a shorter time limit for what only reads: whoever goes away sooner has lost interest.
const SHORTEST_PATIENCE: Duration = Duration::from_millis(900);

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Journal {
    /// In the order of arrival: `exchanges[n].number == n + 1`.
    pub(crate) exchanges: Vec<Exchange>,
    /// Every instance that the run started, in the order of their starts.
    pub(crate) instances: Vec<InstanceRecord>,
    pub(crate) driver: DriverEnd,
    /// The word that `{run}` stood for.
    pub(crate) run: String,
    /// The address that clients saw, for example `127.0.0.1:40001`: the same in all runs of a proof.
    pub(crate) address: String,
    #[serde(rename = "began_ns", with = "encoding::nanoseconds::since_1970")]
    pub(crate) began: SystemTime,
    #[serde(rename = "took_ns", with = "encoding::nanoseconds")]
    pub(crate) took: Duration,
    /// How long requests were held back in all, until an instance was ready for them.
    #[serde(rename = "held_ns", with = "encoding::nanoseconds")]
    pub(crate) held: Duration,
    /// The longest that one request was held back for.
    #[serde(rename = "longest_hold_ns", with = "encoding::nanoseconds")]
    pub(crate) longest_hold: Duration,
    /// The last lines that the driver printed.
    pub(crate) driver_lines: Vec<String>,
    /// The requests during which files changed that instances share; `None` where that was not watched.
    #[serde(default)]
    pub(crate) stored: Option<Vec<usize>>,
    /// An instance could not start although the first one had: the run ended there.
    pub(crate) alone: Option<Alone>,
}

impl Journal {
    /// Of a run in which nothing happened.
    pub(crate) fn empty() -> Journal {
        Journal {
            exchanges: Vec::new(),
            instances: Vec::new(),
            driver: DriverEnd::Exited(0),
            run: String::new(),
            address: String::new(),
            began: SystemTime::UNIX_EPOCH,
            took: Duration::ZERO,
            held: Duration::ZERO,
            longest_hold: Duration::ZERO,
            driver_lines: Vec::new(),
            stored: None,
            alone: None,
        }
    }

    /// The first instance that ended by itself, and how.
    pub(crate) fn crash(&self) -> Option<(&InstanceRecord, &InstanceEnd)> {
        let ended = self.instances.iter().filter_map(|one| Some((one, one.ended.as_ref()?)));
        ended.min_by_key(|(_, end)| end.at)
    }

    /// The requests that a client gave up while we had no instance for them, and not only because it left a page.
    pub(crate) fn starved(&self) -> impl Iterator<Item = &Request> {
        let waited = |one: &Exchange| one.ended.saturating_sub(one.arrived) >= SHORTEST_PATIENCE;
        let starved = self.exchanges.iter().filter(move |one| {
            one.outcome == Outcome::Abandoned && one.instance.is_none() && (waited(one) || !one.request.is_safe())
        });
        starved.map(|one| &one.request)
    }
}

/// An instance that could not start beside, or after, another.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alone {
    pub(crate) how: String,
    /// The last lines of its output.
    pub(crate) lines: Vec<String>,
}

/// What is known of one instance of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstanceRecord {
    pub(crate) name: String,
    pub(crate) port: u16,
    /// The number of its first process, where it has no process namespace of its own.
    pub(crate) pids: Vec<i32>,
    pub(crate) host_name: String,
    #[serde(rename = "started_ns", with = "encoding::nanoseconds")]
    pub(crate) started: Duration,
    /// `None`: it never became ready.
    #[serde(rename = "ready_ns", with = "encoding::nanoseconds::option")]
    pub(crate) ready: Option<Duration>,
    #[serde(rename = "killed_ns", with = "encoding::nanoseconds::option")]
    pub(crate) killed: Option<Duration>,
    /// Files that it wrote to its private disk.
    #[serde(with = "encoding::paths")]
    pub(crate) files: Vec<PathBuf>,
    /// `None`: it lived until it was killed or the run was over. Runs that were recorded by older versions do not say it.
    #[serde(default)]
    pub(crate) ended: Option<InstanceEnd>,
    /// The last lines of its output.
    pub(crate) last_lines: Vec<String>,
}

/// The end of an instance that nobody killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstanceEnd {
    /// When it was noticed: its clients may have noticed it a moment before.
    #[serde(rename = "at_ns", with = "encoding::nanoseconds")]
    pub(crate) at: Duration,
    /// `exit status 1`, `SIGSEGV`
    pub(crate) how: String,
}

/// How the driver ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DriverEnd {
    Exited(i32),
    /// By a signal.
    Killed(String),
    /// It ran longer than it may.
    Hung,
    /// We ended it: the run had shown what it was for.
    Stopped,
}
