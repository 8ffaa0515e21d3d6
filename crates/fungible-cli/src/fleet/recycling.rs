//! When an instance is replaced although nothing is wrong with it: at an age, or when it uses much memory. It reads /proc
//! and ends nothing.

use std::fs;
use std::time::Duration;

use super::process_tree::ProcessTree;

/// How often the memory of instances is looked at.
pub(super) const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// Ages differ by up to this share in both directions, so that instances of one age do not leave at one time.
const JITTER: f64 = 0.1;

/// When an instance is replaced.
#[derive(Debug, Clone, Default)]
pub(crate) struct RecycleRule {
    pub(crate) max_age: Option<Duration>,
    /// In bytes of resident memory, of the process and all that it started.
    pub(crate) max_memory: Option<u64>,
}

impl RecycleRule {
    /// The age at which an instance is replaced; `random`: from 0 to 1.
    pub(super) fn age(&self, random: f64) -> Option<Duration> {
        Some(self.max_age?.mul_f64(1.0 + JITTER * (2.0 * random - 1.0)))
    }

    /// Why the instance with this first process is to be replaced, if it uses too much memory.
    pub(super) fn too_large(&self, pid: i32, tree: &ProcessTree) -> Option<String> {
        let most = self.max_memory?;
        let used = resident(pid, tree);
        (used > most).then(|| format!("it uses {} MiB of memory", used >> 20))
    }
}

/// The resident memory of a process and its descendants, in bytes; memory that they share counts once for each.
fn resident(pid: i32, tree: &ProcessTree) -> u64 {
    let of_one = |pid: i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or_default() * 1024
    };
    tree.below(pid).into_iter().map(of_one).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_differ_by_a_tenth_at_most() {
        let rule = RecycleRule { max_age: Some(Duration::from_secs(100)), max_memory: None };
        assert_eq!(rule.age(0.0), Some(Duration::from_secs(90)));
        assert_eq!(rule.age(0.5), Some(Duration::from_secs(100)));
        assert_eq!(rule.age(1.0), Some(Duration::from_secs(110)));
        assert_eq!(RecycleRule::default().age(0.5), None);
    }

    #[test]
    fn the_memory_of_a_process_is_known() {
        let own = std::process::id().cast_signed();
        let tree = ProcessTree::read();
        let used = resident(own, &tree);
        assert!(((1 << 20)..(1 << 34)).contains(&used), "{used}");
        let rule = RecycleRule { max_age: None, max_memory: Some(used / 2) };
        assert!(rule.too_large(own, &tree).is_some_and(|why| why.contains("MiB")));
    }
}
