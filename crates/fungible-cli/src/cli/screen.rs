//! Output on standard error: one line per event, in colour if that is wanted.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use super::line::Line;
use super::printer::Printing;
use crate::fleet::{FleetEvent, InstanceState};

/// Whether standard error is coloured.
pub(super) fn colour() -> bool {
    coloured(io::stderr().is_terminal())
}

/// Whether an output is coloured, given that it is a terminal or not.
pub(super) fn coloured(terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

/// Prints a line on standard error. It is no error if it cannot be written.
pub(super) fn say(line: impl Into<Line>) {
    let _ = try_say(line);
}

/// Prints a line on standard error.
pub(super) fn try_say(line: impl Into<Line>) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{}", line.into())
}

/// Prints a line on standard output. It is no error if the reader went away.
pub(super) fn print(line: impl Into<Line>) {
    print_as_it_is(&line.into().to_string());
}

/// Prints text that is already safe, such as a report, on standard output.
pub(super) fn print_as_it_is(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints an error in one line. A blocked output does not delay the end.
pub(super) fn problem(error: &anyhow::Error) {
    let printing = Printing::start(try_say);
    printing.printer().say(Line::default().painted(colour(), 31, "fungible:").plain(&format!(" {error:#}")));
    printing.finish();
}

/// Prints a warning in one line.
pub(super) fn warning(text: &str) {
    say(Line::default().painted(colour(), 33, "fungible: warning:").plain(&format!(" {text}")));
}

/// The line for an event, after the prefix `begin`.
pub(super) fn line(begin: &Line, event: &FleetEvent, colour: bool) -> Line {
    const GREEN: u8 = 32;
    const YELLOW: u8 = 33;
    const RED: u8 = 31;
    let of = |name: &str, code: u8, word: &str, rest: &str| {
        begin.clone().plain(name).plain(" ").painted(colour, code, word).plain(rest)
    };
    match event {
        FleetEvent::Ready { name, pid, address, after } => {
            let pid = pid.map_or_else(String::new, |pid| format!("pid {pid}, "));
            of(name, GREEN, "ready", &format!(" after {} ms ({pid}{address})", after.as_millis()))
        }
        FleetEvent::Unhealthy { name, why } => of(name, RED, "unhealthy", &format!(": {why}")),
        FleetEvent::Recovered { name } => of(name, GREEN, "healthy", " again"),
        FleetEvent::Ended { name, how, again_in: None, .. } => begin.clone().plain(&format!("{name} ended ({how})")),
        FleetEvent::Ended { name, how, again_in: Some(pause), .. } => {
            of(name, RED, "ended", &format!(" ({how}); restarting {}", in_words(*pause)))
        }
        FleetEvent::Late { name } => of(name, YELLOW, "exceeded its time limit", ": killed"),
        FleetEvent::PortTaken { name, port, by } => {
            of(name, RED, "lost its port", &format!(": {by} listens on {port}; it gets another one"))
        }
        FleetEvent::Scaled { from, to, in_flight } => {
            begin.clone().plain(&format!("scaling from {from} to {to} instances: {in_flight} requests in flight"))
        }
        FleetEvent::Recycling { name, why } => of(name, YELLOW, "is replaced", &format!(": {why}")),
        FleetEvent::Deploying { version } => begin.clone().plain(&format!("deploying version {version}")),
        FleetEvent::Deployed { version } => {
            begin.clone().painted(colour, GREEN, "deployed").plain(&format!(" version {version}"))
        }
        FleetEvent::NotDeployed { version, reason } => {
            let rest = format!(" version {version}, which is rolled back: {reason}");
            begin.clone().painted(colour, RED, "could not deploy").plain(&rest)
        }
        FleetEvent::Draining => {
            begin.clone().painted(colour, YELLOW, "draining").plain(": waiting for requests in flight")
        }
        FleetEvent::Stopping => begin.clone().plain("stopping the instances"),
    }
}

fn in_words(pause: Duration) -> String {
    if pause.is_zero() { "at once".to_owned() } else { format!("in {} ms", pause.as_millis()) }
}

/// The colour of a state.
pub(super) fn state_colour(state: InstanceState) -> u8 {
    match state {
        InstanceState::Healthy => 32,
        InstanceState::Starting | InstanceState::Draining | InstanceState::Stopping => 33,
        InstanceState::Unhealthy | InstanceState::Restarting => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_in_events_are_escaped() {
        let hostile = "\u{1b}[32mok\u{1b}[0m\r\n\u{9b}2J\u{7}\u{202e}";
        let spelt = "\\u{1b}[32mok\\u{1b}[0m\\r\\n\\u{9b}2J\\u{7}\\u{202e}";
        let event = FleetEvent::Unhealthy { name: hostile.to_owned(), why: hostile.to_owned() };
        let shown = line(&Line::default().painted(true, 1, hostile), &event, true).to_string();
        assert_eq!(shown, format!("\u{1b}[1m{spelt}\u{1b}[0m{spelt} \u{1b}[31munhealthy\u{1b}[0m: {spelt}"));
        let shown = line(&Line::from("a | "), &FleetEvent::Draining, false).to_string();
        assert_eq!(shown, "a | draining: waiting for requests in flight");
    }
}
