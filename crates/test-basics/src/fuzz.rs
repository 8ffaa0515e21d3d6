//! A short run of a fuzz target without a fuzzer: over its corpus, and over inputs of the corpus that are changed at random.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;

use crate::property::for_any;

/// A change of an input. Positions are shares of its length.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    /// Repeats a part somewhere else.
    Copy(Index, Index, Index),
}

/// Short runs of the targets of a crate, each with a number of cases, and a test that all of them are there. The functions stand in
/// the module above; the names are in order.
#[macro_export]
macro_rules! fuzz_briefly {
    ($krate:ident: $($target:ident $cases:literal,)*) => {
        $(#[test]
        fn $target() {
            $crate::fuzz_target_briefly(stringify!($target), $cases, super::$target);
        })*

        #[test]
        fn each_target_has_a_short_run() {
            assert_eq!($crate::fuzz_targets(stringify!($krate)), [$(stringify!($target)),*]);
        }
    };
}

/// Runs a target on each input in `fuzz/corpus/NAME`, and on so many inputs that differ from them.
pub fn fuzz_target_briefly(name: &str, cases: u32, target: fn(&[u8])) {
    let inputs = corpus(name);
    for input in &inputs {
        target(input);
    }
    let edits = prop::collection::vec(change(), 0..8);
    let inputs = (prop::sample::select(inputs), edits).prop_map(|(input, edits)| edits.into_iter().fold(input, apply));
    for_any(cases, &inputs, |input| target(&input));
}

/// The names of the targets in `fuzz/fuzz_targets` that are functions of a crate, in order.
#[must_use]
pub fn fuzz_targets(krate: &str) -> Vec<String> {
    let name = |file: PathBuf| {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        fs::read_to_string(file).unwrap().contains(&format!("{krate}::fuzz::{name}(")).then_some(name)
    };
    files(&folder().join("fuzz_targets")).into_iter().filter_map(name).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let inputs: Vec<_> =
        files(&folder().join("corpus").join(name)).iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(!inputs.is_empty(), "the corpus of {name} is empty");
    inputs
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at(), prop::collection::vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (at(), at()).prop_map(|(one, other)| Change::Remove(one, other)),
        (at(), at(), at()).prop_map(|(one, other, to)| Change::Copy(one, other, to)),
    ]
}

fn apply(mut input: Vec<u8>, change: Change) -> Vec<u8> {
    let place = |index: Index| index.index(input.len() + 1);
    let range = |one: Index, other: Index| place(one).min(place(other))..place(one).max(place(other));
    match change {
        Change::Set(at, byte) => {
            let at = place(at);
            if let Some(one) = input.get_mut(at) {
                *one = byte;
            }
        }
        Change::Insert(at, bytes) => {
            let at = place(at);
            input.splice(at..at, bytes);
        }
        Change::Remove(one, other) => drop(input.drain(range(one, other)).collect::<Vec<u8>>()),
        Change::Copy(one, other, to) => {
            let (copied, to) = (input[range(one, other)].to_vec(), place(to));
            // Not without end.
            if input.len() < 4096 {
                input.splice(to..to, copied);
            }
        }
    }
    input
}
