//! `fungible cell`: isolated instances of a command without a balancer. Hidden: it shows the effects of a private disk,
//! for people and tests.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::process;
use super::screen::{print, print_as_it_is, say};
use crate::fleet::{Change, DiskPlan, Launcher, Spec, Waited};

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct CellOptions {
    /// How many instances per run, all at once
    #[arg(short = 'n', default_value = "1")]
    count: usize,
    /// How many runs, one after the other
    #[arg(long, default_value = "1")]
    runs: usize,
    /// A file or folder that all instances of a run share
    #[arg(long)]
    share: Vec<PathBuf>,
    /// A file or folder that stays real
    #[arg(long)]
    real: Vec<PathBuf>,
    /// Each instance gets a copy of its own of the shared paths, as they are when it starts
    #[arg(long)]
    fork: bool,
    /// All instances of a run have one disk in common
    #[arg(long)]
    one_disk: bool,
    /// Wait until each instance accepts connections on this port
    #[arg(long)]
    port: Option<u16>,
    /// Kill each instance as soon as it is ready
    #[arg(long)]
    kill: bool,
    /// How long each instance may take
    #[arg(long, value_parser = humantime::parse_duration, default_value = "30s")]
    limit: Duration,
    #[arg(long)]
    no_namespaces: bool,
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// When the instances cannot be started.
pub(super) fn run(options: &CellOptions) -> anyhow::Result<()> {
    let plan = DiskPlan {
        share: options.share.clone(),
        real: options.real.clone(),
        working_directory: std::env::current_dir()?,
        home: std::env::var_os("HOME").map(PathBuf::from),
        temporary: std::env::temp_dir(),
    };
    process::runtime()?.block_on(async {
        let launcher = Launcher::start(&process::executable(), !options.no_namespaces, plan, options.limit).await?;
        print(format!("world: {}", serde_json::to_string(launcher.world())?));
        let (mut interrupt, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let outcome = tokio::select! {
            outcome = runs(options, &launcher) => outcome,
            _ = interrupt.recv() => Err(anyhow::anyhow!("interrupted")),
            _ = term.recv() => Err(anyhow::anyhow!("asked to end")),
        };
        launcher.close().await;
        outcome
    })
}

async fn runs(options: &CellOptions, launcher: &Launcher) -> anyhow::Result<()> {
    for run in 1..=options.runs {
        launcher.begin_run(options.one_disk).await?;
        let begun = Instant::now();
        let mut ids = Vec::new();
        for number in 1..=options.count {
            let name = format!("cell-{run}-{number}");
            let spec = Spec {
                outside: false,
                env: vec![("FUNGIBLE_INSTANCE".to_owned(), name.clone())],
                name,
                program: options.command.first().cloned().unwrap_or_default(),
                args: options.command.iter().skip(1).cloned().collect(),
            };
            let name = spec.name.clone();
            let id = if options.fork { launcher.launch_on_fork(spec).await? } else { launcher.launch(spec).await? };
            ids.push((name, id));
        }
        for (name, id) in &ids {
            match launcher.ready(*id, options.port, options.limit).await {
                Waited::Ready => print(format!("{name} ready after {:?}", begun.elapsed())),
                other => print(format!("{name} {other:?}")),
            }
        }
        for (name, id) in ids {
            if options.kill {
                let asked = Instant::now();
                launcher.kill(id).await?;
                print(format!("{name} dead after {:?}", asked.elapsed()));
            }
            let how = tokio::time::timeout(options.limit, launcher.ended(id)).await;
            for line in launcher.last_lines(id) {
                print_as_it_is(&format!("{name} | {line}"));
            }
            for file in launcher.files(id).await? {
                let mark = match file.change {
                    Change::Written => "wrote",
                    Change::Deleted => "deleted",
                    Change::Unshared => "unshared",
                };
                print(format!("{name} {mark} {}", file.path.display()));
            }
            match how {
                Ok(Waited::Ended(how)) => print(format!("{name} ended ({how})")),
                Ok(other) => print(format!("{name} {other:?}")),
                Err(_) => {
                    say(format!("{name} took too long"));
                    launcher.terminate(id).await?;
                }
            }
        }
        launcher.end_run().await?;
    }
    Ok(())
}
