//! A verdict on its way out: to the screen, to the files of a report, and to the exit code.

use std::fs::OpenOptions;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use super::args::OutputOptions;
use super::screen;
use crate::prove::{Judgement, Verdict};

/// The exit code of NOT FUNGIBLE, and of NOT SHOWN.
const NOT_FUNGIBLE: u8 = 1;
const NOT_SHOWN: u8 = 3;

/// Removes an old report now, and not when the work is done: nobody shall take an old verdict for that of a proof which
/// failed.
pub(super) fn make_way(options: &OutputOptions) -> anyhow::Result<()> {
    options.report.as_deref().map_or(Ok(()), make_way_for_a_report)
}

/// Prints a verdict, writes the report where one is wanted, and says what the program ends with.
pub(super) fn show(verdict: &Verdict, options: &OutputOptions) -> anyhow::Result<ExitCode> {
    if options.json {
        screen::print_as_it_is(&crate::report::json(verdict));
    } else {
        let colour = screen::coloured(std::io::stdout().is_terminal());
        let style = crate::report::Style { colour, width: terminal_width(), all: options.verbose };
        screen::print_as_it_is(crate::report::text(verdict, style).trim_end());
    }
    if let Some(folder) = &options.report {
        write_report(folder, verdict)?;
    }
    Ok(match verdict.judgement {
        Judgement::Fungible => ExitCode::SUCCESS,
        Judgement::NotFungible(_) => ExitCode::from(NOT_FUNGIBLE),
        Judgement::NotShown(_) if options.not_shown == "warn" => ExitCode::SUCCESS,
        Judgement::NotShown(_) => ExitCode::from(NOT_SHOWN),
    })
}

/// What a report consists of: the verdict as JSON and as Markdown.
const REPORT: [&str; 2] = ["verdict.json", "report.md"];

/// Sees to it that the folder can take a report, and that no old one is in there.
fn make_way_for_a_report(folder: &Path) -> anyhow::Result<()> {
    let unusable = || format!("cannot write the report to {}", folder.display());
    anyhow::ensure!(!folder.exists() || folder.is_dir(), "{}: it is not a folder", unusable());
    std::fs::create_dir_all(folder).with_context(unusable)?;
    nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK).with_context(unusable)?;
    for name in REPORT {
        match std::fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("{}: the old {name} is in the way", unusable()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn write_report(folder: &Path, verdict: &Verdict) -> anyhow::Result<()> {
    for (name, text) in REPORT.into_iter().zip([crate::report::json(verdict), crate::report::markdown(verdict)]) {
        // Renamed when it is whole: so it replaces a link that somebody made by this name, and follows none.
        let fresh = folder.join(format!(".{name}.{}", std::process::id()));
        let _ = std::fs::remove_file(&fresh);
        let written = OpenOptions::new().write(true).create_new(true).open(&fresh);
        let written = written.and_then(|mut file| file.write_all(text.as_bytes()));
        if let Err(error) = written.and_then(|()| std::fs::rename(&fresh, folder.join(name))) {
            let _ = std::fs::remove_file(&fresh);
            return Err(error).with_context(|| format!("cannot write the report to {}", folder.display()));
        }
    }
    Ok(())
}

fn terminal_width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let measured = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    columns.or_else(measured).unwrap_or(100).clamp(60, 120)
}
