//! What one run shows of the requests of a finding: how each went there, and the words and files of the instance that
//! served it. It judges nothing.

use std::path::PathBuf;

use crate::prove::baselines::Observed;
use crate::prove::journal::InstanceRecord;
use crate::prove::verdict::Step;

/// A run, with its requests by their numbers in the baseline.
pub(super) struct Evidence<'a>(pub(super) &'a Observed);

impl<'a> Evidence<'a> {
    /// A request of the baseline as it went in this run; nothing where it never came there.
    pub(super) fn step(&self, number: usize) -> Option<Step> {
        let (_, there) = self.0.comparison.pairs.iter().find(|(baseline, _)| *baseline == number)?;
        Some(Step { number, exchange: self.0.run.exchanges()[there - 1].clone() })
    }

    /// From the first to the last of these requests; of what the proof asked again, only what is one of these.
    pub(super) fn story(&self, all: &[usize]) -> Vec<Step> {
        let (Some(first), Some(last)) = (all.iter().min(), all.iter().max()) else { return Vec::new() };
        let tells = |step: &Step| step.exchange.again.is_none() || all.contains(&step.number);
        (*first..=*last).filter_map(|number| self.step(number)).filter(tells).collect()
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

    /// How the instance that served it ended, where it died by itself.
    pub(super) fn ended(&self, number: usize) -> Option<String> {
        Some(self.instance(number)?.ended.as_ref()?.how.clone())
    }

    fn instance(&self, number: usize) -> Option<&'a InstanceRecord> {
        let name = self.step(number)?.exchange.instance?;
        self.0.run.journal.instances.iter().find(|one| one.name == name)
    }
}
