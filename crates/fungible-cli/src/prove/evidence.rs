//! What one run shows of the requests of a finding: how each went there, and the words and files of the instance that
//! served it. It judges nothing.

use std::path::PathBuf;

use super::compare::Baseline;
use super::journal::{InstanceRecord, Journal};
use super::verdict::Step;

/// A run, with its requests by their numbers in the reference.
pub(super) struct Evidence<'a> {
    journal: &'a Journal,
    /// Number in the reference, number in the run. Found once: comparing is the dear part.
    pairs: Vec<(usize, usize)>,
}

impl<'a> Evidence<'a> {
    pub(super) fn of(baseline: &Baseline, journal: &'a Journal) -> Evidence<'a> {
        Evidence { journal, pairs: baseline.compare(journal).pairs }
    }

    /// A request of the reference as it went in this run; nothing where it never came there.
    pub(super) fn step(&self, number: usize) -> Option<Step> {
        let (_, there) = self.pairs.iter().find(|(reference, _)| *reference == number)?;
        Some(Step { number, exchange: self.journal.exchanges[there - 1].clone() })
    }

    /// From the first to the last of the writers and the reader.
    pub(super) fn story(&self, writers: &[usize], reader: usize) -> Vec<Step> {
        let all = || writers.iter().chain([&reader]).copied();
        let (first, last) = (all().min().unwrap_or(reader), all().max().unwrap_or(reader));
        (first..=last).filter_map(|number| self.step(number)).collect()
    }

    /// What the instances of these requests wrote to their private disks.
    pub(super) fn files(&self, numbers: &[usize]) -> Vec<PathBuf> {
        let instances = numbers.iter().filter_map(|number| self.instance(*number));
        let mut files: Vec<_> = instances.flat_map(|one| one.files.clone()).collect();
        files.sort();
        files.dedup();
        files
    }

    /// The last lines of the instance that served it.
    pub(super) fn last_lines(&self, number: usize) -> Vec<String> {
        self.instance(number).map(|one| one.last_lines.clone()).unwrap_or_default()
    }

    fn instance(&self, number: usize) -> Option<&'a InstanceRecord> {
        let name = self.step(number)?.exchange.instance?;
        self.journal.instances.iter().find(|one| one.name == name)
    }
}
