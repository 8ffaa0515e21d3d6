//! `fungible prove` that is stopped in the middle, or whose keeper is killed, or in which something hangs: it ends, nothing
//! survives, nothing stays mounted, nothing stays on the disk.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::Duration;

use test_basics::{Random, eventually};

use super::shop::{Shop, app, customer, driven};
use super::world::signal;

/// There as soon as the first driver runs.
const DRIVING: &str = "real/driving";

/// So long after its start it is stopped at the latest; by then it is in its attacks.
const LATEST: usize = 2500;

#[test]
fn nothing_survives_whenever_it_is_stopped() {
    let mut random = Random::new();
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

#[test]
fn it_ends_when_its_keeper_is_killed() {
    let mut random = Random::new();
    for _ in 0..7 {
        for namespaces in [&[][..], &["--no-namespaces"]] {
            let (after, one) = (u64::try_from(random.below(LATEST)).unwrap(), random.below(2));
            let wait = |_: &Shop| std::thread::park_timeout(Duration::from_millis(after));
            stopped("KILL", Whom::Keeper(one), namespaces, &wait);
        }
    }
}

#[test]
fn it_ends_by_its_budget_whatever_hangs() {
    for namespaces in [&[][..], &["--no-namespaces"]] {
        let told = |options: &[&str], drive: &str, words: &[&str]| {
            driven(&[&["--budget", "2s"], namespaces, options].concat(), drive, words)
        };
        let deaf = "trap '' TERM INT HUP; setsid sleep 1000 & while :; do sleep 1; done";
        for (what, arguments) in [
            ("--reset", told(&["--reset", deaf], &customer(), &[])),
            ("the driver", told(&[], deaf, &[])),
            ("the app, before it is ready", told(&[], "true", &["port=0"])),
            ("the app, in an answer", told(&["--share", "data"], &customer(), &["slow=1000"])),
        ] {
            let shop = Shop::new();
            let mut command = shop.tool(&arguments);
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let status = eventually(&format!("the end where {what} hangs"), || child.try_wait().unwrap());
            let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
            assert_eq!(status.code(), Some(2), "{what}: {said}");
            assert_eq!(said, format!("fungible: {OUT_OF_TIME} 1, baseline: it needs more, unless something hangs\n"));
            shop.is_clean();
        }
    }
}

#[test]
fn a_hang_in_a_later_run_ends_with_not_shown() {
    let shop = Shop::new();
    let reset = "test ! -e real/reset || exec sleep 1000; : > real/reset";
    let arguments = driven(&["--budget", "2s", "--share", "data", "--reset", reset], &customer(), &[]);
    let mut child = shop.tool(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let status = eventually("the end where the second --reset hangs", || child.try_wait().unwrap());
    let out = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
    assert_eq!(status.code(), Some(3), "{out}");
    let reason = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(reason.contains(&format!("{OUT_OF_TIME} 2, baseline")), "{out}");
    shop.is_clean();
}

#[test]
fn it_ends_by_its_budget_when_its_keeper_hangs() {
    for namespaces in [&[][..], &["--no-namespaces"]] {
        let shop = Shop::new();
        let started = shop.path(DRIVING);
        let drive = format!(": > {}; exec sleep 1000", started.display());
        let arguments = driven(&[&["--budget", "4s"], namespaces].concat(), &drive, &[]);
        let mut child = shop.tool(&arguments).stderr(Stdio::piped()).spawn().unwrap();
        eventually("the driver", || started.exists().then_some(()));
        for keeper in keepers(&shop) {
            signal(keeper, "STOP");
        }
        let status = eventually("the end where the keeper hangs", || child.try_wait().unwrap());
        let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert_eq!(status.code(), Some(2), "{said}");
        assert!(said.contains("the 4 s of --budget ended"), "{said}");
        is_clean_after_the_next(&shop);
    }
}

/// Stopped as soon as it is there, it never says that it is ready.
#[test]
fn it_ends_by_its_budget_when_its_keeper_hangs_from_the_start() {
    for namespaces in [&[][..], &["--no-namespaces"]] {
        let shop = Shop::new();
        let arguments = driven(&[&["--budget", "3s"], namespaces].concat(), "exec sleep 1000", &[]);
        let mut child = shop.tool(&arguments).stderr(Stdio::piped()).spawn().unwrap();
        eventually("the keeper", || {
            let found = keepers(&shop);
            for keeper in &found {
                signal(*keeper, "STOP");
            }
            (!found.is_empty()).then_some(())
        });
        let status = eventually("the end where the keeper hangs", || child.try_wait().unwrap());
        let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert_eq!(status.code(), Some(2), "{said}");
        is_clean_after_the_next(&shop);
    }
}

const OUT_OF_TIME: &str = "the 2 s of --budget ended in the middle of run";

/// Who gets the signal.
#[derive(Debug, Clone, Copy)]
enum Whom {
    Tool,
    /// The tool's process group, as a terminal sends what Ctrl-C means.
    Group,
    /// The keeper; where it consists of two processes, one of them.
    Keeper(usize),
}

/// The processes of the keeper, as far as they run.
fn keepers(shop: &Shop) -> Vec<i32> {
    let is_keeper = |command: &str| {
        let mut words = command.split_whitespace().skip(1);
        words.next() == Some("keeper") && words.next() != Some("first")
    };
    let processes = shop.place.processes().into_iter();
    processes.filter(|(_, command)| is_keeper(command)).map(|(pid, _)| pid).collect()
}

/// A keeper that was killed leaves a folder: the next one removes it.
#[track_caller]
fn is_clean_after_the_next(shop: &Shop) {
    shop.place.is_empty_eventually();
    // The kernel closes the files of a process a little after its environment cannot be read any more.
    for folder in shop.temporary() {
        let locked = || File::open(folder.join("lock")).is_ok_and(|lock| lock.try_lock().is_err());
        eventually("the end of the lock", || (!locked()).then_some(()));
    }
    let mut next = shop.place.tool(&["cell", "--", "true"]);
    let next = next.env("TMPDIR", shop.path("tmp")).output().unwrap();
    assert!(next.status.success(), "{next:?}");
    shop.is_clean();
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
    let target = match whom {
        Whom::Tool => Some(tool),
        Whom::Group => Some(-tool),
        Whom::Keeper(one) => {
            let keepers = keepers(&shop);
            keepers.get(one).or(keepers.last()).copied()
        }
    };
    if let Some(target) = target {
        signal(target, word);
    }
    let status = eventually("its end", || child.try_wait().unwrap());
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    match (word, status.code()) {
        // It may have been over before.
        (_, Some(0 | 1)) => {}
        (_, code) if matches!(whom, Whom::Keeper(_)) => {
            assert_eq!(code, Some(2), "{whom:?} {namespaces:?}: {said}");
            assert!(said.starts_with("fungible: the keeper process ") && said.lines().count() == 1, "{said}");
        }
        ("KILL", code) => assert_eq!(code, None, "{said}"),
        (_, code) => {
            assert_eq!(code, Some(2), "{word} {whom:?} {namespaces:?}: {said}");
            assert_eq!(said, "fungible: stopped before there was a verdict; nothing is left running\n");
        }
    }
    if let Whom::Keeper(_) = whom { is_clean_after_the_next(&shop) } else { shop.is_clean() }
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
