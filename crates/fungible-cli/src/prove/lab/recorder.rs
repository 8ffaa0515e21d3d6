//! Keeps the runs of a proof in a folder, one file for each, so that they can be judged again without starting anything.
//! docs/JOURNALS.md describes the files.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::pseudonyms::{IsSecret, Pseudonyms};
use crate::encoding;
use crate::prove::journal::Journal;
use crate::prove::model::Ignore;
use crate::prove::plan::{Attack, Plan};
use crate::prove::schedule::Experiment;

/// The version of the files.
pub(super) const SCHEMA_VERSION: u32 = 2;

/// The file beside the runs.
pub(super) const PROOF: &str = "proof.json";

/// One run, as its file has it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedRun {
    pub(super) experiment: Experiment,
    /// Processes of the app that it started.
    pub(super) starts: usize,
    pub(super) journal: Journal,
}

/// What all runs have in common, as its file has it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own in the file")]
pub(super) struct RecordedProof {
    pub(super) schema_version: u32,
    pub(super) program: String,
    pub(super) args: Vec<String>,
    #[serde(default)]
    pub(super) old: Option<String>,
    pub(super) drive: String,
    #[serde(with = "encoding::paths")]
    pub(super) share: Vec<PathBuf>,
    pub(super) ignores: Vec<Ignore>,
    #[serde(rename = "budget_ns", with = "encoding::nanoseconds")]
    pub(super) budget: std::time::Duration,
    #[serde(rename = "drive_limit_ns", with = "encoding::nanoseconds")]
    pub(super) drive_limit: std::time::Duration,
    #[serde(default)]
    pub(super) strict: bool,
    /// What was tried. Older recordings do not say it: then there was nothing else.
    #[serde(default = "first_attacks")]
    pub(super) attacks: Vec<Attack>,
    #[serde(default, rename = "stale_bound_ns", with = "encoding::nanoseconds")]
    pub(super) stale_bound: std::time::Duration,
    pub(super) cores: usize,
    /// Whether each instance had a view of the whole disk of its own.
    pub(super) disk_is_private: bool,
    pub(super) notes: Vec<String>,
    /// What the budget did not allow.
    pub(super) refused: Vec<Refused>,
    /// The budget ended in the middle of a run.
    pub(super) out_of_time: bool,
    /// Secrets were replaced.
    pub(super) redacted: bool,
}

fn first_attacks() -> Vec<Attack> {
    vec![Attack::Amnesia, Attack::Rotate, Attack::MidKill]
}

/// More runs than the budget allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refused {
    /// How many runs there were.
    pub(super) after: usize,
    /// How many more were wanted.
    pub(super) more: usize,
}

/// Writes the runs of a proof down.
#[derive(Debug)]
pub(crate) struct Recorder {
    folder: PathBuf,
    /// How many files there are.
    written: usize,
    refused: Vec<Refused>,
    out_of_time: bool,
    /// Why a run could not be written: the proof goes on without a recording.
    failed: Option<io::Error>,
    pseudonyms: Option<Pseudonyms>,
    /// Runs that are written at the end: before that it is not known what is a secret in them.
    kept: Vec<RecordedRun>,
}

impl Recorder {
    /// Records into a new folder, or an empty one, that nobody else can read. `redact`: secrets are replaced, one to one, and
    /// which names values of secrets have.
    ///
    /// # Errors
    /// When the folder cannot be made, or holds anything.
    pub(crate) fn new(folder: &Path, redact: Option<IsSecret>) -> io::Result<Recorder> {
        match fs::DirBuilder::new().recursive(true).mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        if fs::read_dir(folder)?.next().is_some() {
            return Err(io::Error::other("the folder is not empty: give a new one, or remove what is in it"));
        }
        let pseudonyms = redact.map(Pseudonyms::new).transpose()?;
        Ok(Recorder {
            folder: folder.to_owned(),
            written: 0,
            refused: Vec::new(),
            out_of_time: false,
            failed: None,
            pseudonyms,
            kept: Vec::new(),
        })
    }

    /// The budget did not allow so many more runs.
    pub(super) fn refuse(&mut self, refused: Refused) {
        if !self.refused.contains(&refused) {
            self.refused.push(refused);
        }
    }

    /// The budget ended in the middle of a run.
    pub(super) fn run_out_of_time(&mut self) {
        self.out_of_time = true;
    }

    /// Writes one run down; where secrets are replaced, at the end. That it cannot be written is said at the end.
    pub(super) fn add(&mut self, experiment: &Experiment, journal: &Journal, starts: usize) {
        if self.failed.is_some() {
            return;
        }
        let run = RecordedRun { experiment: experiment.clone(), starts, journal: journal.clone() };
        if let Some(pseudonyms) = &mut self.pseudonyms {
            pseudonyms.learn(journal);
            self.kept.push(run);
        } else {
            self.failed = self.write_run(&run).err();
        }
    }

    fn write_run(&mut self, run: &RecordedRun) -> io::Result<()> {
        self.written += 1;
        write(&self.folder.join(format!("run-{:03}.json", self.written)), run)
    }

    /// Writes down what all runs have in common; until then nobody takes the folder for a recording.
    pub(super) fn close(
        mut self,
        plan: &Plan,
        cores: usize,
        disk_is_private: bool,
        notes: Vec<String>,
    ) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut proof = RecordedProof {
            schema_version: SCHEMA_VERSION,
            program: plan.program.clone(),
            args: plan.args.clone(),
            old: plan.old.clone(),
            drive: plan.drive.clone(),
            share: plan.share.clone(),
            ignores: plan.ignores.clone(),
            budget: plan.budget,
            drive_limit: plan.drive_limit,
            strict: plan.strict,
            attacks: plan.attacks.clone(),
            stale_bound: plan.stale_bound,
            cores,
            disk_is_private,
            notes,
            refused: std::mem::take(&mut self.refused),
            out_of_time: self.out_of_time,
            redacted: self.pseudonyms.is_some(),
        };
        for mut run in std::mem::take(&mut self.kept) {
            if let Some(pseudonyms) = &self.pseudonyms {
                pseudonyms.redact(&mut run.journal, &mut run.experiment);
            }
            self.write_run(&run)?;
        }
        if let Some(pseudonyms) = &self.pseudonyms {
            for text in proof.args.iter_mut().chain([&mut proof.program, &mut proof.drive]) {
                pseudonyms.text(text);
            }
        }
        write(&self.folder.join(PROOF), &proof)
    }
}

/// Journals hold what the traffic held: only their owner may read them.
fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut file = io::BufWriter::new(file);
    serde_json::to_writer_pretty(&mut file, value)?;
    file.write_all(b"\n")?;
    file.flush()
}
