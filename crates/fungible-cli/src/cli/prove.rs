//! `fungible prove`: from what was typed and what `fungible.toml` says to a plan, and from the verdict to the screen.

use std::io::IsTerminal as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};

use super::args::ProveOptions;
use super::settings::{self, Prove};
use super::{run, screen};
use crate::fleet::{DiskPlan, Launcher};
use crate::prove::{Event, Outcome, Plan, Stage, Verdict, prove};

/// The exit code of NOT FUNGIBLE, and of NOT SHOWN.
const NOT_FUNGIBLE: u8 = 1;
const NOT_SHOWN: u8 = 3;

pub(super) fn run(options: ProveOptions) -> anyhow::Result<ExitCode> {
    let settings = settings::read()?.prove;
    let (json, report, warn, all) = (options.json, options.report.clone(), options.not_shown_warns(), options.verbose);
    let namespaces = !options.no_namespaces;
    let plan = plan(options, settings)?;
    let verdict = carry_out(&plan, namespaces)?;
    if let Some(folder) = &report {
        write_report(folder, &verdict)?;
    }
    if json {
        screen::print(&crate::report::json(&verdict));
    } else {
        let colour = screen::coloured(std::io::stdout().is_terminal());
        let width = terminal_width();
        screen::print(crate::report::text(&verdict, crate::report::Style { colour, width, all }).trim_end());
    }
    Ok(match verdict.outcome {
        Outcome::Fungible => ExitCode::SUCCESS,
        Outcome::NotFungible(_) => ExitCode::from(NOT_FUNGIBLE),
        Outcome::NotShown(_) if warn => ExitCode::SUCCESS,
        Outcome::NotShown(_) => ExitCode::from(NOT_SHOWN),
    })
}

/// Flags win over the file; what neither says has its default.
fn plan(options: ProveOptions, file: Prove) -> anyhow::Result<Plan> {
    let command = if options.command.is_empty() { file.command } else { options.command };
    let mut command = command.into_iter();
    let program = command.next().context(
        "there is no app to prove: put its command behind --, or `command` into fungible.toml (`fungible init` writes one)",
    )?;
    let hurl = if options.hurl.is_empty() { file.hurl } else { options.hurl };
    let drive = match (options.drive.or(file.drive), hurl.is_empty()) {
        (Some(_), false) => bail!("give the traffic once: --drive or --hurl"),
        (Some(drive), true) => drive,
        (None, false) => hurl_command(&hurl),
        (None, true) => {
            bail!("there is no traffic: give a command with --drive, such as --drive 'npx playwright test'")
        }
    };
    let mut env: Vec<(String, String)> = file.env.into_iter().collect();
    env.extend(options.env);
    let or = |flag: Vec<PathBuf>, file: Vec<PathBuf>| if flag.is_empty() { file } else { flag };
    let files = if options.file.is_empty() { file.file } else { options.file };
    Ok(Plan {
        program,
        args: command.collect(),
        env,
        files: files.iter().map(|text| template(text)).collect::<anyhow::Result<_>>()?,
        drive,
        reset: options.reset.or(file.reset),
        beside: if options.beside.is_empty() { file.beside } else { options.beside },
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, options.listen.or(file.listen).unwrap_or(0))),
        health: options.health.or(file.health),
        share: or(options.share, file.share),
        real: or(options.real, file.real),
        runs: options.runs.or(file.runs).unwrap_or(60),
        budget: options.budget.or(file.budget).unwrap_or(Duration::from_mins(10)),
        start_limit: options.start_limit.or(file.start_limit).unwrap_or(Duration::from_mins(1)),
        drive_limit: options.drive_limit.or(file.drive_limit).unwrap_or(Duration::from_mins(5)),
        ignores: file.ignore,
    })
}

fn hurl_command(files: &[PathBuf]) -> String {
    let files: Vec<String> =
        files.iter().map(|file| format!("'{}'", file.display().to_string().replace('\'', "'\\''"))).collect();
    format!("hurl --test --variable base_url=\"$BASE_URL\" {}", files.join(" "))
}

fn template(text: &str) -> anyhow::Result<(PathBuf, String)> {
    let (template, place) =
        text.split_once('=').with_context(|| format!("--file {text}: write it as TEMPLATE=DEST"))?;
    anyhow::ensure!(Path::new(template).is_file(), "--file {text}: there is no file {template}");
    Ok((template.into(), place.to_owned()))
}

fn carry_out(plan: &Plan, namespaces: bool) -> anyhow::Result<Verdict> {
    let listener = run::listen(plan.listen)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let random = run::random_secret()?;
    let mark: String = random[..4].iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    let disk = DiskPlan {
        share: plan.share.clone(),
        real: plan.real.clone(),
        working_directory: std::env::current_dir().context("the working directory cannot be told")?,
        home: std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_dir()),
        temporary: std::env::temp_dir(),
    };
    let progress = Progress::new();
    let mut tell = |event: Event| progress.show(&event);
    super::runtime()?.block_on(async {
        let mut stops = run::stop_signals()?;
        let launcher = Launcher::start(&super::executable(), namespaces, disk).await?;
        for note in launcher.world().notes.clone() {
            tell(Event::Note(note));
        }
        let mut stage = Stage::new(plan, launcher, listener, mark, cores, &mut tell);
        let proved = tokio::select! {
            proved = prove(&mut stage) => Some(proved),
            _ = stops.recv() => None,
        };
        stage.close().await;
        progress.clear();
        match proved {
            Some(verdict) => Ok(verdict?),
            None => bail!("stopped before there was a verdict; nothing is left running"),
        }
    })
}

fn write_report(folder: &Path, verdict: &Verdict) -> anyhow::Result<()> {
    let unusable = || format!("cannot write the report to {}", folder.display());
    std::fs::create_dir_all(folder).with_context(unusable)?;
    std::fs::write(folder.join("verdict.json"), crate::report::json(verdict)).with_context(unusable)?;
    std::fs::write(folder.join("report.md"), crate::report::markdown(verdict)).with_context(unusable)?;
    Ok(())
}

fn terminal_width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let measured = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    columns.or_else(measured).unwrap_or(100).clamp(60, 120)
}

/// One line at the bottom of the terminal: the attack, the request, the time. Nothing where nobody looks.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new() -> Progress {
        let bar = ProgressBar::new_spinner();
        bar.set_style(
            ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.enable_steady_tick(Duration::from_millis(120));
        Progress { bar }
    }

    fn show(&self, event: &Event) {
        match event {
            Event::Note(note) => self.bar.println(format!("note: {note}")),
            Event::Run { number, attack, requests } => {
                let of = requests.map_or_else(String::new, |requests| format!(", {requests} requests"));
                self.bar.set_message(format!("run {number}: {attack}{of}"));
                self.bar.set_prefix(format!("run {number}: {attack}"));
            }
            Event::Request { number } => {
                self.bar.set_message(format!(
                    "{}, request {number}, {} s",
                    self.bar.prefix(),
                    self.bar.elapsed().as_secs()
                ));
            }
            Event::Ran { .. } => {}
            Event::Differs { exchange, place } => {
                self.bar.println(format!("#{exchange} differs at {place}; is it there again, and why?"));
            }
            Event::Trying { writers, reader } => {
                let writers: Vec<String> = writers.iter().take(3).map(|writer| format!("#{writer}")).collect();
                self.bar.set_message(format!("is {} the cause of #{reader}?", writers.join(", ")));
            }
        }
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
