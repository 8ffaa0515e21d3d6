//! The runs of an earlier proof, to be judged again. It starts nothing.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::ProveError;
use super::recorder::{PROOF, RecordedProof, RecordedRun, Refused, SCHEMA_VERSION};
use super::run::Ended;
use crate::prove::plan::Plan;
use crate::prove::schedule::{Experiment, Schedule};

/// The runs of an earlier proof.
#[derive(Debug)]
pub(crate) struct Archive {
    proof: RecordedProof,
    /// Those that were not asked for yet, in their order.
    runs: VecDeque<RecordedRun>,
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error("{path}: {error}{}", hint(.path))]
    Io { path: PathBuf, error: io::Error },
    #[error("{path}: it is no journal of this format: {error}")]
    Format { path: PathBuf, error: serde_json::Error },
    #[error("{path}: the numbers of its exchanges must be 1, 2, 3 and so on")]
    Numbers { path: PathBuf },
    #[error("{path}: its format has version {found}, this program reads version {}", SCHEMA_VERSION)]
    Version { path: PathBuf, found: u32 },
}

fn hint(path: &Path) -> &'static str {
    if path.ends_with(PROOF) { "; it must be a folder that `fungible prove --record` wrote to its end" } else { "" }
}

impl Archive {
    /// Reads all runs in a folder.
    ///
    /// # Errors
    /// When a file is missing, cannot be read, or says something else than expected.
    pub(crate) fn read(folder: &Path) -> Result<Archive, ArchiveError> {
        let path = folder.join(PROOF);
        let Version { schema_version: found } = read(&path)?;
        if found != SCHEMA_VERSION {
            return Err(ArchiveError::Version { path, found });
        }
        let proof: RecordedProof = read(&path)?;
        let io = |error| ArchiveError::Io { path: folder.to_owned(), error };
        let entries = std::fs::read_dir(folder).map_err(io)?.collect::<io::Result<Vec<_>>>().map_err(io)?;
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.retain(|path| number(path).is_some());
        paths.sort_by_key(|path| number(path));
        let runs = paths.iter().map(|path| run(path)).collect::<Result<VecDeque<RecordedRun>, ArchiveError>>()?;
        Ok(Archive { proof, runs })
    }

    /// What was proved.
    pub(crate) fn plan(&self) -> Plan {
        let proof = &self.proof;
        Plan {
            program: proof.program.clone(),
            args: proof.args.clone(),
            env: Vec::new(),
            files: Vec::new(),
            old: proof.old.clone(),
            drive: proof.drive.clone(),
            reset: None,
            beside: Vec::new(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            health: None,
            share: proof.share.clone(),
            real: Vec::new(),
            runs: self.runs.len(),
            budget: proof.budget,
            start_limit: Duration::ZERO,
            drive_limit: proof.drive_limit,
            ignores: proof.ignores.clone(),
            strict: proof.strict,
            attacks: proof.attacks.clone(),
            stale_bound: proof.stale_bound,
        }
    }

    pub(super) fn cores(&self) -> usize {
        self.proof.cores
    }

    pub(super) fn disk_is_private(&self) -> bool {
        self.proof.disk_is_private
    }

    pub(super) fn notes(&self) -> &[String] {
        &self.proof.notes
    }

    /// Whether the budget allowed so many more runs then.
    pub(super) fn may_run(&self, wanted: Refused) -> bool {
        let refused = |one: &Refused| one.after == wanted.after && one.more <= wanted.more;
        !self.proof.refused.iter().any(refused)
    }

    /// The next run of this experiment, which is the `nth` of the proof.
    pub(super) fn next(&mut self, experiment: &Experiment, nth: usize) -> Result<Ended, ProveError> {
        let at = self.runs.iter().position(|run| is_alike(&run.experiment, experiment));
        match at.and_then(|at| self.runs.remove(at)) {
            Some(RecordedRun { journal, starts, .. }) => Ok(Ended { journal, starts }),
            None if self.proof.out_of_time && self.runs.is_empty() => {
                Err(ProveError::OutOfTime { budget: self.proof.budget, run: nth, experiment: experiment.name() })
            }
            None => Err(ProveError::NotRecorded { experiment: experiment.name() }),
        }
    }
}

/// By how much a baseline is slowed says nothing about what it shows.
fn is_alike(one: &Experiment, other: &Experiment) -> bool {
    match (&one.schedule, &other.schedule) {
        (Schedule::Baseline { swap, .. }, Schedule::Baseline { swap: there, .. }) => {
            swap == there
                && one.intervention == other.intervention
                && (one.added, one.versions) == (other.added, other.versions)
        }
        _ => one == other,
    }
}

/// What is read of a file first.
#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

/// The number of a run, by the name of its file: `run-012.json`.
fn number(path: &Path) -> Option<usize> {
    path.file_name()?.to_str()?.strip_prefix("run-")?.strip_suffix(".json")?.parse().ok()
}

fn run(path: &Path) -> Result<RecordedRun, ArchiveError> {
    let run: RecordedRun = read(path)?;
    let in_order = run.journal.exchanges.iter().zip(1..).all(|(exchange, number)| exchange.number == number);
    if in_order { Ok(run) } else { Err(ArchiveError::Numbers { path: path.to_owned() }) }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, ArchiveError> {
    let text = std::fs::read(path).map_err(|error| ArchiveError::Io { path: path.to_owned(), error })?;
    serde_json::from_slice(&text).map_err(|error| ArchiveError::Format { path: path.to_owned(), error })
}
