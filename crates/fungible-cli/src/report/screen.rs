//! The view as text for a terminal: the verdict first, then each finding with its evidence, then the coverage.

use super::diagram::stories;
use super::plain::{shortened, shortened_pair, width, wrapped};
use super::view::{DifferenceView, FindingView, KindView, StepView, UnstableView, VerdictView, VerdictWord};
use super::{advice, words};

/// The format of the text for the screen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) colour: bool,
    /// The width in columns; limited to 60 to 120.
    pub(crate) width: usize,
    /// Whether to add the renaming, the masks, the labels, and the diagrams of all findings.
    pub(crate) all: bool,
}

const RED: u8 = 31;
const GREEN: u8 = 32;
const YELLOW: u8 = 33;
const BOLD: u8 = 1;
const DIM: u8 = 2;

/// How many differences and files of a finding are shown; the rest is counted.
const MANY: usize = 8;
/// How many lines of a log are shown.
const OF_INSTANCE: usize = 5;
const OF_DRIVER: usize = 10;

/// The text.
pub(super) fn text(view: &VerdictView, style: Style) -> String {
    let mut page =
        Page { text: String::new(), colour: style.colour, width: style.width.clamp(60, 120), all: style.all };
    page.head(view);
    for (place, finding) in view.findings.iter().enumerate() {
        page.blank();
        page.finding(finding, style.all || place == 0);
    }
    page.not_shown(view);
    page.covered(view);
    if style.all {
        page.details(view);
    }
    page.text
}

struct Page {
    text: String,
    colour: bool,
    width: usize,
    all: bool,
}

impl Page {
    fn head(&mut self, view: &VerdictView) {
        let colour = match view.verdict {
            VerdictWord::Fungible => GREEN,
            VerdictWord::NotFungible => RED,
            VerdictWord::NotShown => YELLOW,
        };
        let verdict = words::verdict(view.verdict);
        let findings = match view.findings.len() {
            0 => String::new(),
            count => format!("{} · ", words::count(count, "finding")),
        };
        let facts = format!(
            "{findings}{}, {} · {}",
            words::count(view.requests, "request"),
            words::count(view.writes, "write"),
            words::duration(view.milliseconds)
        );
        let lines = wrapped(&facts, self.width - verdict.len() - 3);
        for (place, line) in lines.iter().enumerate() {
            if place == 0 {
                let word = self.painted(BOLD, &self.painted(colour, verdict));
                self.raw(&format!("{word}   {line}"));
            } else {
                self.raw(&format!("{}{line}", " ".repeat(verdict.len() + 3)));
            }
        }
        for limit in view.limits() {
            for line in wrapped(&format!("not covered: {limit}"), self.width) {
                self.raw(&self.painted(YELLOW, &line));
            }
        }
    }

    fn finding(&mut self, finding: &FindingView, with_diagrams: bool) {
        for line in wrapped(&finding.summary, self.width) {
            self.raw(&self.painted(BOLD, &line));
        }
        self.lines("  ", &format!("harm: {}", words::harm(finding.harm)));
        self.lines("  ", &trials(finding));
        if let Some(sticky) = &finding.sticky {
            self.lines("  ", &words::sticky(sticky));
        }
        // Those that changed nothing are of interest to few.
        let tells = self.all || finding.controls.iter().any(|one| one.as_baseline == one.runs);
        if let Some(controls) = words::controls(&finding.controls).filter(|_| tells) {
            self.lines("  ", &controls);
        }
        if self.all {
            self.lines("  ", &format!("attack: {}", finding.attack));
        }
        self.differences("  ", &finding.differences);
        self.lines("  ", &format!("what helps: {}", finding.remedy));
        if !finding.also.is_empty() {
            let shown: Vec<String> = finding.also.iter().take(MANY).map(words::request).collect();
            let more = more(finding.also.len(), MANY);
            self.lines("  ", &format!("also affected: {}{more}", shown.join(", ")));
        }
        let files = if self.all { &finding.files } else { advice::telling(&finding.files) };
        if self.all || files.first().is_some_and(|file| !finding.remedy.contains(file)) {
            self.files(files);
        }
        if let Some(how) = &finding.ended {
            self.lines("  ", &words::died(how));
        }
        self.log("  ", &last_lines_of(finding), &finding.last_lines, OF_INSTANCE);
        if with_diagrams {
            self.diagrams(finding);
        }
    }

    fn files(&mut self, files: &[String]) {
        if !files.is_empty() {
            let shown = &files[..files.len().min(MANY)];
            self.lines("  ", &format!("its instance wrote: {}{}", shown.join(", "), more(files.len(), MANY)));
        }
    }

    /// The last of these lines, without empty ones.
    fn log(&mut self, indent: &str, title: &str, lines: &[String], many: usize) {
        let told = words::told(lines);
        let shown = if self.all { 0 } else { told.len().saturating_sub(many) };
        if !told.is_empty() {
            self.lines(indent, title);
        }
        for line in &told[shown..] {
            let line = shortened(line, self.width - indent.len() - 4);
            self.raw(&format!("{indent}  {} {line}", self.painted(DIM, "|")));
        }
    }

    fn diagrams(&mut self, finding: &FindingView) {
        for (title, diagram) in stories_of(finding).into_iter().zip(stories(finding)) {
            let Some(diagram) = diagram else { continue };
            self.blank();
            self.raw(&format!("  {title}:"));
            for (line, wrong) in diagram.drawn(self.width - 2) {
                let line = if wrong { self.painted(RED, &line) } else { line };
                self.raw(&format!("  {line}"));
            }
        }
    }

    fn differences(&mut self, indent: &str, differences: &[DifferenceView]) {
        for one in differences.iter().take(MANY) {
            let whole = format!("{indent}{}: {} -> {}", one.place, one.baseline, one.attack);
            if width(&whole) <= self.width {
                self.raw(&whole);
                continue;
            }
            let room = self.width - indent.len();
            let (baseline, attack) = shortened_pair(&one.baseline, &one.attack, room - 5);
            self.raw(&format!("{indent}{}:", shortened(&one.place, room - 1)));
            self.raw(&format!("{indent}     {baseline}"));
            self.raw(&format!("{indent}  -> {attack}"));
        }
        if differences.len() > MANY {
            self.raw(&format!("{indent}and {} more", differences.len() - MANY));
        }
    }

    fn not_shown(&mut self, view: &VerdictView) {
        if view.verdict == VerdictWord::NotShown {
            self.blank();
            for reason in &view.reasons {
                self.item("- ", &reason.text);
                if let Some(one) = view.unstable_of(reason) {
                    self.unstable("    ", one);
                }
            }
            self.log("", words::LINES_OF_APP, &view.app_lines, OF_DRIVER);
            self.log("", words::LINES_OF_DRIVER, &view.driver_lines, OF_DRIVER);
            self.lines("", &words::no_verdict(view));
        }
        let others: Vec<&UnstableView> = view.other_unstable();
        if !others.is_empty() {
            self.blank();
            self.lines("", "unstable, not judged:");
            for one in others {
                self.lines("  ", &format!("{}: {}", words::request(&one.step), one.why));
                self.unstable("    ", one);
            }
        }
    }

    fn unstable(&mut self, indent: &str, one: &UnstableView) {
        self.differences(indent, &one.differences);
        if let Some(how) = &one.ended {
            self.lines(indent, &words::died(how));
        }
        self.log(indent, "last lines of its instance:", &one.last_lines, OF_INSTANCE);
    }

    fn covered(&mut self, view: &VerdictView) {
        self.blank();
        let covered = &view.covered;
        let runs = format!("{}, {} of the app", words::count(view.runs, "run"), words::count(view.starts, "start"));
        self.lines("", &format!("covered ({runs}):"));
        for text in words::attacks(&covered.attacks)
            .iter()
            .cloned()
            .chain(words::resends(&covered.resends))
            .chain(words::losses(&covered.losses))
        {
            self.item("  ", &text);
        }
        for one in &view.ignored {
            let times = words::count(one.times, "difference");
            self.item("  ", &format!("ignored {} ({times}): {}", one.place, one.reason));
        }
        for note in &covered.notes {
            self.item("  ", note);
        }
        let not_covered = view.not_covered();
        if !not_covered.is_empty() {
            self.lines("", "not covered:");
            for text in not_covered {
                self.item("  ", text);
            }
        }
    }

    fn details(&mut self, view: &VerdictView) {
        let labels = view.labels.iter().map(|one| format!("{}: {}", one.place, one.values.join(", ")));
        self.list("instance labels, not judged:", &labels.collect::<Vec<String>>());
        let masks = view.masks.iter().map(|one| format!("{}: {}", one.place, one.compared));
        self.list("places that may differ:", &masks.collect::<Vec<String>>());
        let renaming = view.renaming.iter().map(|one| format!("{} = {}", one.baseline, one.attack));
        self.list("renaming, baseline = attack:", &renaming.collect::<Vec<String>>());
    }

    fn list(&mut self, title: &str, items: &[String]) {
        if !items.is_empty() {
            self.blank();
            self.lines("", title);
            for item in items {
                self.item("  ", item);
            }
        }
    }

    /// A text that is wrapped, with each line indented.
    fn lines(&mut self, indent: &str, text: &str) {
        for line in wrapped(text, self.width - indent.len()) {
            self.raw(&format!("{indent}{line}"));
        }
    }

    /// As [`Page::lines`], with a hanging indent.
    fn item(&mut self, head: &str, text: &str) {
        let hang = if head.trim().is_empty() { head.len() + 2 } else { head.len() };
        for (place, line) in wrapped(text, self.width - hang).iter().enumerate() {
            let indent = if place == 0 { head.to_owned() } else { " ".repeat(hang) };
            self.raw(&format!("{indent}{line}"));
        }
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }

    fn raw(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn painted(&self, code: u8, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The heading of the last lines of an instance.
pub(super) fn last_lines_of(finding: &FindingView) -> String {
    if matches!(finding.kind, KindView::OneAtATime | KindView::StartRace) {
        return "last lines of the instance that did not start:".to_owned();
    }
    if finding.kind == KindView::Crowd {
        return words::LINES_OF_DRIVER.to_owned();
    }
    format!("last lines of the instance that served #{}:", finding.reader.number)
}

/// What the runs in which it went wrong, and those in which it went right, are called.
pub(super) fn stories_of(finding: &FindingView) -> [&'static str; 2] {
    match finding.kind {
        KindView::Race => ["at once", "one after another"],
        KindView::ColdStart => ["started at once", "started one after another"],
        KindView::NotReady => ["just ready", "ready for longer"],
        _ => ["apart", "together"],
    }
}

/// `together 200 (3/3) · apart 401 (3/3) · nothing else changed`; experiments that were not run are left out.
pub(super) fn trials(finding: &FindingView) -> String {
    if finding.kind == KindView::OneAtATime {
        let (alone, beside) = (&finding.together, &finding.apart);
        let failed = beside.runs.saturating_sub(beside.as_baseline);
        return format!(
            "alone it starts ({}/{}) · with another it does not ({failed}/{})",
            alone.as_baseline, alone.runs, beside.runs
        );
    }
    if finding.kind == KindView::StartRace {
        let (in_turn, at_once) = (&finding.together, &finding.apart);
        let failed = at_once.runs.saturating_sub(at_once.as_baseline);
        return format!(
            "one after another they start ({}/{}) · at once they do not ({failed}/{})",
            in_turn.as_baseline, in_turn.runs, at_once.runs
        );
    }
    if let (KindView::LimitPerInstance | KindView::Crowd | KindView::Skew | KindView::DoneTwice, [one]) =
        (finding.kind, &finding.differences[..])
    {
        let (alone, several) = (&finding.together, &finding.apart);
        let [one_word, several_word] = match finding.kind {
            KindView::Skew => ["with the new version alone", "with both"],
            KindView::DoneTwice => ["undisturbed", "killed and sent again"],
            _ => ["on one instance", "on several"],
        };
        return format!(
            "{one_word} {} ({}/{}) · {several_word} {} ({}/{})",
            one.baseline, alone.as_baseline, alone.runs, one.attack, several.runs, several.runs
        );
    }
    let reader = |story: &[StepView]| {
        story.iter().find(|step| step.is_same(finding.shown_by())).map(|step| words::status(&step.answer))
    };
    let status = finding.differences.iter().find(|one| one.place == "status");
    let sound = reader(&finding.sound).or_else(|| status.map(|one| one.baseline.clone()));
    let sound = sound.unwrap_or_else(|| "as in the baseline".to_owned());
    let failing = words::status(&finding.shown_by().answer);
    let only_the_driver = finding.differences.iter().all(|one| one.place == "driver exit code");
    let failing = match &finding.differences[..] {
        [end] if only_the_driver => format!("{failing}, and the driver ends with {}", end.attack),
        _ if failing == sound => format!("{failing}, another answer"),
        _ => failing,
    };
    let (together, apart) = (&finding.together, &finding.apart);
    let [without, with] = stories_of(finding);
    let mut parts = Vec::new();
    if together.runs > 0 {
        parts.push(format!("{with} {sound} ({}/{})", together.as_baseline, together.runs));
    }
    if apart.runs > 0 {
        parts.push(format!("{without} {failing} ({}/{})", apart.runs.saturating_sub(apart.as_baseline), apart.runs));
    }
    if together.runs > 0 && apart.runs > 0 {
        parts.push("nothing else changed".to_owned());
    }
    parts.join(" · ")
}

/// ` and 3 more`, if there are more than are shown.
fn more(count: usize, shown: usize) -> String {
    if count > shown { format!(" and {} more", count - shown) } else { String::new() }
}
