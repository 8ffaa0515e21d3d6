//! Shows the progress of a proof on one line at the bottom of a terminal; hidden if there is no terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::prove::Event;

/// The maximum number of runs for a difference: it is confirmed twice, each time beside a slower baseline.
const CONFIRMING: usize = 4;
/// The number of runs of one experiment for a cause.
const TRIAL: usize = 3;

/// The progress line of a proof.
pub(super) struct Progress {
    bar: ProgressBar,
    estimate: Estimate,
    run: CurrentRun,
}

/// The current run.
struct CurrentRun {
    experiment: &'static str,
    requests: Option<usize>,
    /// What the run is for, if it is part of a search.
    why: Option<String>,
}

impl Progress {
    pub(super) fn new() -> Progress {
        let bar = ProgressBar::new_spinner();
        bar.set_style(
            ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.enable_steady_tick(Duration::from_millis(120));
        bar.set_message("starting the first instance");
        let run = CurrentRun { experiment: "", requests: None, why: None };
        Progress { bar, estimate: Estimate::new(), run }
    }

    /// The line itself, for removing it at the end.
    pub(super) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// Updates the line after an event.
    pub(super) fn show(&mut self, event: &Event) {
        match event {
            Event::Run { experiment, requests } => {
                self.estimate.begins();
                self.run.experiment = experiment;
                self.run.requests = *requests;
                self.at_request(0);
            }
            Event::Request { number } => self.at_request(*number),
            Event::PortTaken { port, by } => {
                let text =
                    format!("{by} listens on port {port}, which was chosen for an instance: it gets another one");
                self.bar.suspend(|| super::screen::warning(&text));
            }
            Event::Ran { took } => self.estimate.ended(*took),
            Event::Differs { exchange } => {
                self.run.why = Some(format!("is it there again at {}?", place(*exchange)));
                self.estimate.more(CONFIRMING);
            }
            Event::Planned { runs } => {
                self.run.why = None;
                self.estimate.more(*runs);
            }
            Event::Trying { reader } => {
                self.run.why = Some(format!("what does {} miss?", place(Some(*reader))));
                self.estimate.more(TRIAL);
            }
        }
    }

    fn at_request(&self, number: usize) {
        let CurrentRun { experiment, requests, why } = &self.run;
        let of = requests.map_or_else(String::new, |requests| format!(" of {requests}"));
        let at = if number == 0 { String::new() } else { format!(": request {number}{of}") };
        let why = why.as_ref().map_or_else(String::new, |why| format!(" · {why}"));
        let left = self.estimate.left().map_or_else(String::new, |left| format!(" · about {} left", in_words(left)));
        self.bar.set_message(format!("{experiment}{at}{why}{left}"));
    }
}

/// A request of the baseline; what has no number is the end of the driver.
fn place(exchange: Option<usize>) -> String {
    exchange.map_or_else(|| "the end of the driver".to_owned(), |exchange| format!("#{exchange}"))
}

/// Estimates the remaining time from the runs so far. It is a guess, because findings decide how many runs are needed.
struct Estimate {
    /// The expected number of runs; `None` before that is planned.
    expected: Option<usize>,
    ended: usize,
    took: Duration,
    began: Instant,
}

impl Estimate {
    fn new() -> Estimate {
        Estimate { expected: None, ended: 0, took: Duration::ZERO, began: Instant::now() }
    }

    fn begins(&mut self) {
        self.began = Instant::now();
    }

    fn ended(&mut self, took: Duration) {
        self.ended += 1;
        self.took += took;
    }

    /// Adds this many runs to the expected ones.
    fn more(&mut self, runs: usize) {
        self.expected = Some(self.expected.unwrap_or_default().max(self.ended) + runs);
    }

    fn left(&self) -> Option<Duration> {
        let one = self.took.checked_div(u32::try_from(self.ended).ok()?)?;
        let runs = self.expected?.max(self.ended + 1) - self.ended;
        Some((one * u32::try_from(runs).ok()?).saturating_sub(self.began.elapsed()))
    }
}

fn in_words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..=99 => format!("{} s", seconds.max(1)),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_estimated_from_the_runs_so_far() {
        let mut estimate = Estimate::new();
        estimate.begins();
        assert_eq!(estimate.left(), None, "nothing is known yet");
        estimate.ended(Duration::from_secs(100));
        estimate.more(6);
        estimate.begins();
        let left = estimate.left().unwrap();
        assert!((590..=600).contains(&left.as_secs()), "{left:?}");
        estimate.more(4);
        assert!((990..=1000).contains(&estimate.left().unwrap().as_secs()));
        for _ in 0..20 {
            estimate.ended(Duration::from_secs(100));
        }
        assert!((90..=100).contains(&estimate.left().unwrap().as_secs()), "there is always one more");
    }

    #[test]
    fn times_are_in_words() {
        let words = [0, 1, 99, 100, 601].map(|seconds| in_words(Duration::from_secs(seconds)));
        assert_eq!(words, ["1 s", "1 s", "99 s", "2 min", "11 min"]);
    }
}
