//! Parents and children of processes, read from /proc. Without /proc all lists are empty.

use std::fs;

/// The children of a process.
pub(super) fn children(pid: i32) -> Vec<i32> {
    // Not every kernel is built with this file.
    if !fs::exists("/proc/thread-self/children").unwrap_or(false) {
        return parents().into_iter().filter(|(_, parent)| *parent == pid).map(|(child, _)| child).collect();
    }
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| list.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<i32>>())
        .collect()
}

/// These processes and all their descendants.
pub(super) fn with_descendants(processes: Vec<i32>) -> Vec<i32> {
    descend(processes, &parents())
}

/// Whether a process was stopped by a signal.
pub(super) fn is_stopped(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
}

/// All processes, as they are at one moment.
pub(super) struct ProcessTree(Vec<(i32, i32)>);

impl ProcessTree {
    /// Reads it.
    pub(super) fn read() -> ProcessTree {
        ProcessTree(parents())
    }

    /// A process and all its descendants.
    pub(super) fn below(&self, pid: i32) -> Vec<i32> {
        descend(vec![pid], &self.0)
    }
}

fn descend(mut processes: Vec<i32>, parents: &[(i32, i32)]) -> Vec<i32> {
    let mut at = 0;
    while at < processes.len() {
        let parent = processes[at];
        processes.extend(parents.iter().filter(|(_, its)| *its == parent).map(|(child, _)| *child));
        at += 1;
    }
    processes
}

/// The process id of every process, with that of its parent.
fn parents() -> Vec<(i32, i32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // The program name in parentheses may contain anything; "state ppid .." follows the last parenthesis.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent =
            stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).and_then(|word| word.parse().ok());
        found.extend(parent.map(|parent| (pid, parent)));
    }
    found
}
