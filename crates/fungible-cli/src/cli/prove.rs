//! `fungible prove`: builds a plan from the arguments and `fungible.toml`, and prints the verdict.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

mod hurl;

use super::args::{JudgeOptions, ProveOptions};
use super::progress::Progress;
use super::settings::{self, Prove};
use super::{front, output, process, run, screen};
use crate::fleet::{DiskPlan, Launcher};
use crate::prove::{Archive, Attack, Event, Lab, Plan, ProveError, Recorder, Verdict, misspelt, prove};

/// Runs a proof, prints its verdict, and returns the exit code for it.
///
/// # Errors
/// When the arguments are wrong, or the app or the driver cannot be run.
pub(super) fn run(options: ProveOptions) -> anyhow::Result<ExitCode> {
    output::make_way(&options.output)?;
    let output = options.output.clone();
    let recorder = options.record.as_deref().map(|folder| recorder(folder, options.redact)).transpose()?;
    let settings = settings::read()?.prove;
    let namespaces = !options.no_namespaces;
    let plan = plan(options, settings)?;
    can_be_shared(&plan.share)?;
    warn_of_misspelt_words(&plan)?;
    let (verdict, kept) = carry_out(&plan, namespaces, recorder)?;
    let code = output::show(&verdict, &output)?;
    kept?;
    Ok(code)
}

/// Judges the recorded runs of an earlier proof again, prints the verdict, and returns the exit code for it.
///
/// # Errors
/// When the recording cannot be read.
pub(super) fn judge(options: &JudgeOptions) -> anyhow::Result<ExitCode> {
    output::make_way(&options.output)?;
    let archive = Archive::read(&options.folder)?;
    let plan = archive.plan();
    let mut lab = Lab::recorded(&plan, archive);
    let verdict = process::runtime()?.block_on(prove(&mut lab));
    let verdict = verdict.map_err(|error| anyhow::anyhow!(crate::report::sentence(&error.to_string())))?;
    output::show(&verdict, &options.output)
}

fn recorder(folder: &Path, redact: bool) -> anyhow::Result<Recorder> {
    let recorder = Recorder::new(folder, redact.then_some(crate::report::is_secret as fn(&str) -> bool));
    let recorder = recorder.with_context(|| format!("cannot record to {}", folder.display()))?;
    if !redact {
        screen::warning(&format!(
            "{} will hold what the traffic holds, passwords and tokens too; only you can read it; --redact replaces them",
            folder.display()
        ));
    }
    Ok(recorder)
}

/// Builds the plan. Flags override the file; the rest has defaults.
fn plan(options: ProveOptions, file: Prove) -> anyhow::Result<Plan> {
    let command = if options.command.is_empty() { file.command } else { options.command };
    let mut command = command.into_iter();
    let program = command.next().context(
        "there is no app to prove: put its command after --, or `command` into fungible.toml (`fungible init` writes one)",
    )?;
    anyhow::ensure!(!program.is_empty(), "there is no app to prove: its command is empty");
    let mut env: Vec<(String, String)> = file.env.into_iter().collect();
    env.extend(options.env);
    // Either flag overrides both keys.
    let flags = options.drive.is_some() || !options.hurl.is_empty();
    let (drive, hurl) = if flags { (options.drive, options.hurl) } else { (file.drive, file.hurl) };
    let drive = match (drive, hurl.is_empty()) {
        (Some(_), false) if flags => bail!("give the traffic once: --drive or --hurl"),
        (Some(_), false) => bail!("fungible.toml: give the traffic once: `drive` or `hurl`"),
        (Some(drive), true) if drive.trim().is_empty() => bail!("there is no traffic: the command of --drive is empty"),
        (Some(drive), true) => drive,
        (None, false) => hurl::command(&hurl, &env)?,
        (None, true) => {
            bail!("there is no traffic: give a command with --drive, such as --drive 'npx playwright test'")
        }
    };
    let old = options.with.or(file.with);
    let given = [options.attacks, file.attacks].into_iter().find(|one| !one.is_empty());
    anyhow::ensure!(
        old.is_some() || given.as_ref().is_none_or(|given| !given.contains(&Attack::Skew)),
        "skew needs the command of the old version: give it with --with"
    );
    let mut attacks = given.unwrap_or_else(Attack::usual);
    if old.is_some() && !attacks.contains(&Attack::Skew) {
        attacks.push(Attack::Skew);
    }
    let reset = options.reset.or(file.reset);
    let beside = if options.beside.is_empty() { file.beside } else { options.beside };
    for (option, command) in [("--drive", Some(&drive)), ("--reset", reset.as_ref())]
        .into_iter()
        .chain(beside.iter().map(|one| ("--beside", Some(one))))
    {
        command.map_or(Ok(()), |command| of_no_instance(option, command))?;
    }
    let or = |flag: Vec<PathBuf>, file: Vec<PathBuf>| if flag.is_empty() { file } else { flag };
    let files = if options.file.is_empty() { file.file } else { options.file };
    Ok(Plan {
        program,
        args: command.collect(),
        env,
        files: files.iter().map(|text| template(text)).collect::<anyhow::Result<_>>()?,
        drive,
        reset,
        beside,
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, options.listen.or(file.listen).unwrap_or(0))),
        health: options.health.or(file.health),
        share: or(options.share, file.share),
        real: or(options.real, file.real),
        runs: options.runs.or(file.runs).unwrap_or(300).into(),
        budget: options.budget.or(file.budget).unwrap_or(Duration::from_mins(10)),
        start_limit: options.start_limit.or(file.start_limit).unwrap_or(Duration::from_mins(1)),
        drive_limit: options.drive_limit.or(file.drive_limit).unwrap_or(Duration::from_mins(5)),
        ignores: file.ignore,
        stale_bound: options.stale_bound.or(file.stale_bound).unwrap_or_default(),
        strict: options.strict || file.strict,
        attacks,
        old,
    })
}

/// Refuses the placeholders of an instance in a command that is not started per instance.
fn of_no_instance(option: &str, command: &str) -> anyhow::Result<()> {
    for word in ["{port}", "{port:", "{dir}"] {
        let meant = command.match_indices(word).any(|(at, _)| !command[..at].ends_with('$'));
        anyhow::ensure!(
            !meant,
            "{option} has {}: that is a placeholder for a single instance, and this command serves all of them; {{url}} is \
             the address that clients see",
            if word.ends_with(':') { "{port:NAME}" } else { word }
        );
    }
    Ok(())
}

/// Refuses shared paths in file systems that the kernel generates, which cannot be copied.
fn can_be_shared(share: &[PathBuf]) -> anyhow::Result<()> {
    for path in share {
        let made_up = path.canonicalize().is_ok_and(|path| path.starts_with("/proc") || path.starts_with("/sys"));
        let shown = path.display();
        anyhow::ensure!(
            !made_up,
            "--share {shown}: the kernel generates its content; share the folder of the app's own data"
        );
    }
    Ok(())
}

/// Warns of misspelt placeholders. It is only a warning, because the word may belong to another language.
fn warn_of_misspelt_words(plan: &Plan) -> anyhow::Result<()> {
    let mut places = vec![("the app's command".to_owned(), plan.command()), ("--drive".to_owned(), plan.drive.clone())];
    places.extend(plan.env.iter().map(|(key, value)| (format!("--env {key}"), value.clone())));
    places.extend(plan.reset.iter().map(|command| ("--reset".to_owned(), command.clone())));
    places.extend(plan.beside.iter().map(|command| ("--beside".to_owned(), command.clone())));
    for (template, place) in &plan.files {
        let text = std::fs::read_to_string(template).with_context(|| format!("cannot read {}", template.display()))?;
        places.push((format!("--file {}", template.display()), format!("{place} {text}")));
    }
    for (place, text) in places {
        for (word, meant) in misspelt(&text) {
            screen::warning(&format!("{place} has {word}, which is no placeholder; did you mean {meant}?"));
        }
    }
    Ok(())
}

fn template(text: &str) -> anyhow::Result<(PathBuf, String)> {
    let (template, place) =
        text.split_once('=').with_context(|| format!("--file {text}: write it as TEMPLATE=DEST"))?;
    let read = std::fs::read_to_string(template).with_context(|| format!("--file {text}: cannot read {template}"));
    let _ = read?;
    anyhow::ensure!(!place.is_empty(), "--file {text}: write it as TEMPLATE=DEST");
    Ok((template.into(), place.to_owned()))
}

/// The verdict, and whether the runs were recorded, where that was asked for.
type Proved = (Verdict, Result<(), ProveError>);

fn carry_out(plan: &Plan, namespaces: bool, recorder: Option<Recorder>) -> anyhow::Result<Proved> {
    let listener = front::listen(plan.listen)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let random = front::random_secret()?;
    let mark: String = random[..4].iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    let disk = DiskPlan {
        share: plan.share.clone(),
        real: plan.real.clone(),
        working_directory: std::env::current_dir().context("the working directory cannot be determined")?,
        home: std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_dir()),
        temporary: std::env::temp_dir(),
    };
    let mut progress = Progress::new();
    let bar = progress.bar();
    let mut tell = |event: Event| progress.show(&event);
    process::runtime()?.block_on(async {
        let mut stops = run::stop_signals()?;
        let began = Instant::now();
        let launcher = Launcher::start(&process::executable(), namespaces, disk, plan.budget).await?;
        let mut lab = Lab::new((plan, began, cores), (launcher, listener, mark), recorder, &mut tell);
        let proved = tokio::select! {
            proved = prove(&mut lab) => Some(proved),
            _ = stops.recv() => None,
        };
        let closed = lab.close(matches!(proved, Some(Ok(_)))).await;
        bar.finish_and_clear();
        match proved {
            Some(Ok(verdict)) => Ok((verdict, closed)),
            Some(Err(ProveError::Launch(error))) => Err(error.into()),
            // The error may quote output of the app.
            Some(Err(error)) => bail!(crate::report::sentence(&error.to_string())),
            None => bail!("stopped before there was a verdict; nothing is left running"),
        }
    })
}
