//! Several processes with one store: killed, frozen, started at the same moment.

use std::collections::HashSet;
use std::process::Command;
use std::time::{Duration, Instant};

use fungible::{Store, StoreError, StoreOptions, Tx, params};
use nix::sys::signal::Signal;
use test_basics::{Random, eventually_async};

use crate::helper::{Helper, ROWS};
use crate::on_both_engines;
use crate::support::{Directory, assert_sound, eprint};

async fn ids(store: &Store) -> HashSet<String> {
    let read = async move |tx: &mut Tx| {
        let rows = tx.query("SELECT id FROM rows", params![]).await?;
        rows.iter().map(|row| row.get("id")).collect::<Result<HashSet<String>, StoreError>>()
    };
    store.read(read).await.unwrap()
}

on_both_engines! {
    async fn nothing_acknowledged_is_lost_when_writers_are_killed(engine: &Engine) {
        let mut random = Random::new();
        let mut writers: Vec<Helper> = (0..3).map(|_| Helper::start("insert", &engine.url())).collect();
        let mut acknowledged = Vec::new();
        for _round in 0..20 {
            // Each of the three gets somewhere between two kills, the survivors too.
            for writer in &writers {
                acknowledged.extend((0..100).map(|_| writer.hear()));
            }
            for _ in 0..random.below(200) {
                let writer = random.below(writers.len());
                acknowledged.extend(writers[writer].lines.try_recv());
            }
            let victim = random.below(writers.len());
            acknowledged.extend(writers.swap_remove(victim).kill());
            writers.push(Helper::start("insert", &engine.url()));
        }
        for writer in writers {
            acknowledged.extend(writer.kill());
        }
        let store = engine.open().await;
        let there = ids(&store).await;
        let lost = acknowledged.iter().filter(|id| !there.contains(*id)).count();
        eprint(&format!("{} acknowledged, {} there", acknowledged.len(), there.len()));
        assert!(acknowledged.len() >= 20 * 3 * 100);
        assert_eq!(lost, 0, "of {} acknowledged rows", acknowledged.len());
        engine.assert_sound();
    }
}

/// One process is frozen while it holds the ticket; `how` it ends decides what becomes of its row.
async fn frozen(how: Signal) -> (Store, Directory) {
    let directory = Directory::new();
    let limit = Duration::from_millis(300);
    let options = StoreOptions::default().wait_limit(limit);
    let store = Store::open_with(&directory.url(), options.clone()).await.unwrap();
    store.migrate("rows", ROWS).await.unwrap();
    let add = async |id: &'static str| {
        let add = async move |tx: &mut Tx| tx.execute("INSERT INTO rows (id) VALUES ($1)", params![id]).await;
        store.write(add).await
    };
    add("before").await.unwrap();

    let mut holder = Helper::start("hold", &directory.url());
    assert_eq!(holder.hear(), "holding");
    holder.signal(Signal::SIGSTOP);
    let start = Instant::now();
    let answers = tokio::join!(add("one"), add("two"));
    assert_eq!(answers, (Err(StoreError::Busy), Err(StoreError::Busy)));
    assert!(start.elapsed() >= limit && start.elapsed() < 10 * limit, "{:?}", start.elapsed());
    // Reads go on, and even a new instance can start.
    assert_eq!(ids(&store).await, HashSet::from(["before".to_owned()]));
    store.health().await.unwrap();
    let another = Store::open_with(&directory.url(), options).await.unwrap();
    another.migrate("rows", ROWS).await.unwrap();
    assert_eq!(ids(&another).await.len(), 1);

    holder.signal(how);
    if how == Signal::SIGCONT {
        holder.tell("go on");
        assert_eq!(holder.hear(), "done");
    }
    eventually_async("writes work again", async || add("after").await.is_ok()).await;
    (store, directory)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_writer_costs_the_others_a_clear_busy_until_it_wakes() {
    let (store, _directory) = frozen(Signal::SIGCONT).await;
    // What was answered with Busy was not done, not even later.
    assert_eq!(ids(&store).await, ["before", "held", "after"].map(str::to_owned).into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_writer_costs_the_others_a_clear_busy_until_it_is_killed() {
    let (store, directory) = frozen(Signal::SIGKILL).await;
    assert_eq!(ids(&store).await, ["before", "after"].map(str::to_owned).into());
    assert_sound(&directory.store());
}

on_both_engines! {
    async fn eight_processes_open_and_migrate_a_new_store_at_once(engine: &Engine) {
        for _round in 0..5 {
            let engine = engine.another();
            let mut helpers: Vec<Helper> = (0..8).map(|_| Helper::start("migrate", &engine.url())).collect();
            for helper in &helpers {
                assert_eq!(helper.hear(), "waiting");
            }
            for helper in &mut helpers {
                helper.tell("go");
            }
            for helper in &helpers {
                assert_eq!(helper.hear(), "Ok(1)");
            }
            assert_eq!(ids(&engine.open().await).await.len(), 8);
            engine.assert_sound();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_damages_nothing() {
    let directory = Directory::new();
    // A disk of 4 MiB in a mount namespace, half of it taken by a file that can be removed.
    let script = "mount -t tmpfs -o size=4m tmpfs \"$0\" && head -c 2000000 /dev/zero > \"$0/ballast\" && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", script]).arg(directory.path());
    command.arg(std::env::current_exe().unwrap());
    let possible = Command::new("unshare").args(["--mount", "--map-root-user", "true"]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        eprint("not tested: no mount namespace here");
        return;
    }
    let helper = Helper::start_by(command, "fill", &directory.url());
    let full = helper.hear();
    assert!(
        full.ends_with("store.db is full: free some disk space; nothing was done and nothing is damaged"),
        "{full}"
    );
    assert_eq!(helper.hear(), "kept all: true");
    assert_eq!(helper.hear(), "Ok(1)");
    assert_eq!(helper.hear(), "sound");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_during_commit_is_unknown_and_damages_nothing() {
    let directory = Directory::new();
    drop(directory.open().await);
    // A file of this process may not grow beyond 1 MiB: writing the log fails, which happens at COMMIT.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ && ulimit -f 2048 && exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    let helper = Helper::start_by(command, "grow", &directory.url());
    let kept: usize = helper.hear().parse().unwrap();
    let error = helper.hear();
    assert!(error.starts_with("the store failed during COMMIT, and it is unknown whether"), "{error}");
    drop(helper);
    let there = ids(&directory.open().await).await.len();
    assert!(kept > 10 && (there == kept || there == kept + 1), "{kept} were acknowledged, {there} are there");
    assert_sound(&directory.store());
}
