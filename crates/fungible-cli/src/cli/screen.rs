//! What people see on standard error: one line per event, in colour where that is wanted.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use super::printer::Printing;
use crate::fleet::{Event, InstanceState};

/// Whether to colour what goes to standard error.
pub(super) fn colour() -> bool {
    coloured(io::stderr().is_terminal())
}

/// Whether to colour what goes to a place that is, or is not, a terminal.
pub(super) fn coloured(terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

/// Prints a line on standard error. One that nobody reads is no failure.
pub(super) fn say(text: &str) {
    let _ = try_say(text);
}

/// Prints a line on standard error.
pub(super) fn try_say(text: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{text}")
}

/// Prints a line on standard output; quiet when its reader went away.
pub(super) fn print(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints what went wrong, in one line. It is the last one, and an output that nobody reads must not hold up the end.
pub(super) fn problem(error: &anyhow::Error) {
    let printing = Printing::start(try_say);
    printing.printer().say(format!("{} {error:#}", paint(colour(), 31, "fungible:")));
    printing.finish();
}

/// Prints what may be wrong, in one line.
pub(super) fn warning(text: &str) {
    say(&format!("{} {text}", paint(colour(), 33, "fungible: warning:")));
}

pub(super) fn paint(colour: bool, code: u8, text: &str) -> String {
    if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// An event as a line without its end.
pub(super) fn line(event: &Event, colour: bool) -> String {
    let green = |text: &str| paint(colour, 32, text);
    let yellow = |text: &str| paint(colour, 33, text);
    let red = |text: &str| paint(colour, 31, text);
    match event {
        Event::Ready { name, pid, address, after } => {
            let pid = pid.map_or_else(String::new, |pid| format!("pid {pid}, "));
            format!("{name} {} after {} ms ({pid}{address})", green("ready"), after.as_millis())
        }
        Event::Unhealthy { name, why } => format!("{name} {}: {why}", red("unhealthy")),
        Event::Recovered { name } => format!("{name} {} again", green("healthy")),
        Event::Ended { name, how, again_in: None } => format!("{name} ended ({how})"),
        Event::Ended { name, how, again_in: Some(pause) } => {
            format!("{name} {} ({how}); started again {}", red("died"), in_words(*pause))
        }
        Event::Late { name } => format!("{name} {}: killed", yellow("took too long")),
        Event::Draining => format!("{}: the last requests are finished", yellow("draining")),
        Event::Stopping => "stopping the instances".to_owned(),
    }
}

fn in_words(pause: Duration) -> String {
    if pause.is_zero() { "at once".to_owned() } else { format!("in {} ms", pause.as_millis()) }
}

/// The colour that a state is shown in.
pub(super) fn state_colour(state: InstanceState) -> u8 {
    match state {
        InstanceState::Healthy => 32,
        InstanceState::Starting | InstanceState::Draining | InstanceState::Stopping => 33,
        InstanceState::Unhealthy | InstanceState::Restarting => 31,
    }
}
