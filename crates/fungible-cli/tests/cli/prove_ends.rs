//! `fungible prove` that is stopped in the middle: nothing survives, nothing stays mounted, nothing stays on the disk.

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::Duration;

use super::shop::{Shop, app, customer};
use super::world::{Random, eventually, seed, signal};

/// There as soon as the first driver runs.
const DRIVING: &str = "real/driving";

/// So long after its start it is stopped at the latest; by then it is in its attacks.
const LATEST: usize = 2500;

#[test]
fn nothing_survives_whenever_it_is_stopped() {
    let mut random = Random(seed());
    for namespaces in [&[][..], &["--no-namespaces"]] {
        for word in ["INT", "TERM", "HUP", "KILL", "INT", "TERM", "KILL"] {
            let after = u64::try_from(random.below(LATEST)).unwrap();
            let whom = if random.below(2) == 0 { Whom::Tool } else { Whom::Group };
            stopped(word, whom, namespaces, &|_| std::thread::park_timeout(Duration::from_millis(after)));
        }
    }
}

#[test]
fn nothing_survives_while_the_traffic_goes_on() {
    for namespaces in [&[][..], &["--no-namespaces"]] {
        for (word, whom) in [("INT", Whom::Tool), ("INT", Whom::Group), ("KILL", Whom::Tool), ("KILL", Whom::Group)] {
            stopped(word, whom, namespaces, &|shop| {
                eventually("the driver", || shop.path(DRIVING).exists().then_some(()));
            });
        }
    }
}

/// Who gets the signal.
#[derive(Debug, Clone, Copy)]
enum Whom {
    Tool,
    /// The tool's process group, as a terminal sends what Ctrl-C means.
    Group,
}

/// Stops a proof whose app, driver and worker have left processes of their own behind.
#[track_caller]
fn stopped(word: &str, whom: Whom, namespaces: &[&str], when: &dyn Fn(&Shop)) {
    let shop = Shop::new();
    let started = shop.path(DRIVING);
    let drive = format!("setsid sleep 1000 & : > {}; {}; sleep 0.3", started.display(), customer());
    let served = format!("setsid sleep 1000 & exec {} \"$0\" \"$1\"", app(&[])[0]);
    let mut tool = shop.tool(namespaces);
    tool.args([
        "--share",
        "data",
        "--beside",
        "setsid sleep 1000 & exec sleep 1000",
        "--drive",
        &drive,
        "--",
        "sh",
        "-c",
    ]);
    tool.arg(&served).args(&app(&["port={port}"])[1..]);
    let mut child = tool.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    when(&shop);
    let tool = child.id().cast_signed();
    signal(if let Whom::Group = whom { -tool } else { tool }, word);
    let status = eventually("its end", || child.try_wait().unwrap());
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    match (word, status.code()) {
        // It may have been over before.
        (_, Some(0 | 1)) => {}
        ("KILL", code) => assert_eq!(code, None, "{said}"),
        (_, code) => {
            assert_eq!(code, Some(2), "{word} {whom:?} {namespaces:?}: {said}");
            assert_eq!(said, "fungible: stopped before there was a verdict; nothing is left running\n");
        }
    }
    shop.is_clean();
}

#[test]
fn a_program_ends_whose_keeper_was_gone_when_it_had_just_started() {
    let shop = Shop::new();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut keeper = shop.place.tool(&["keeper", "first"]);
    keeper.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
    let program = serde_json::json!({ "path": "sleep", "args": ["1000"], "isolation": "subreaper" });
    writeln!(ours, "{program}").unwrap();
    drop(ours);
    keeper.spawn().unwrap().wait().unwrap();
    shop.is_clean();
}
