//! Circles among files, and among the folders at each level.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Module, Modules};

/// Modules each of which leads to each other one.
pub(crate) type Circle = BTreeSet<Module>;

/// The circles among the files of a crate.
pub(crate) fn among_files(modules: &Modules) -> Vec<Circle> {
    circles(&modules.arrows())
}

/// The circles among the entries of each folder: files, and folders with all that is in them.
pub(crate) fn among_folders(modules: &Modules) -> Vec<Circle> {
    let arrows = modules.arrows();
    let depths = modules.all().map(Vec::len).max().unwrap_or_default();
    let mut found = BTreeSet::new();
    for depth in 1..=depths {
        let mut folded: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
        for (from, to) in &arrows {
            for to in to {
                // Only what stands in one folder: their faces are looked at among the files.
                let in_one = from.len() >= depth && to.len() >= depth && from[..depth - 1] == to[..depth - 1];
                if in_one && from[..depth] != to[..depth] {
                    folded.entry(from[..depth].to_vec()).or_default().insert(to[..depth].to_vec());
                }
            }
        }
        found.extend(circles(&folded));
    }
    found.into_iter().collect()
}

/// The strongly connected parts of more than one, by the way there and back.
fn circles(arrows: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<Circle> {
    let reached = |from: &Module| -> BTreeSet<Module> {
        let mut found = BTreeSet::new();
        let mut waiting = vec![from.clone()];
        while let Some(next) = waiting.pop() {
            for to in arrows.get(&next).into_iter().flatten() {
                if found.insert(to.clone()) {
                    waiting.push(to.clone());
                }
            }
        }
        found
    };
    let reach: BTreeMap<&Module, BTreeSet<Module>> = arrows.keys().map(|from| (from, reached(from))).collect();
    let mut found = BTreeSet::new();
    for (from, to) in &reach {
        let back = |other: &&Module| reach.get(*other).is_some_and(|there| there.contains(*from));
        let circle: Circle = to.iter().filter(back).cloned().collect();
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}
