//! What README.md promises: its proofs of the express example come out as they are printed there.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::traps::copy;
use super::world::{Place, is_whole};

#[test]
fn the_proofs_come_out_as_printed() {
    if !is_whole() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let place = Place::new();
    let folder = place.folder.path().join("express");
    copy(&root.join("examples/express"), &folder);
    let installed = Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).output().unwrap();
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));

    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let section = readme.split("## Are my instances interchangeable?").nth(1).unwrap();
    let mut tried = 0;
    for block in section.split("```sh\n").skip(1) {
        let (commands, after) = block.split_once("```\n").unwrap();
        let Some(printed) = after.strip_prefix("```\n").and_then(|after| after.split("```").next()) else { continue };
        let command = commands.lines().last().unwrap();
        let words = command.strip_prefix("fungible ").unwrap().split(' ').collect::<Vec<_>>();
        let output = place.tool(&words).current_dir(&folder).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        // How long it took is another time each time.
        let timeless = |text: &str| text.rsplit_once(" · ").map(|(before, _)| before.to_owned());
        let (first, rest) = printed.split_once('\n').unwrap();
        assert_eq!(said.lines().next().and_then(timeless), timeless(first), "{command}\n{said}");
        for line in rest.lines() {
            assert!(said.lines().any(|there| there == line), "{command}: {line:?} is not in\n{said}");
        }
        tried += 1;
    }
    assert_eq!(tried, 2, "the section has two proofs with what they print");
}
