//! Sequence diagrams of a finding: client, balancer, instances, and the requests that matter between them, in box
//! characters or in Mermaid.

use super::plain::{shortened, width};
use super::view::{AnsweredBy, CarriedView, FindingView, StepView};
use super::{advice, words};

/// A sequence of requests, reduced to those that matter.
#[derive(Debug)]
pub(super) struct Diagram<'a> {
    /// The number of instances in it.
    instances: usize,
    rows: Vec<Row<'a>>,
}

#[derive(Debug)]
enum Row<'a> {
    Exchange {
        step: &'a StepView,
        instance: Option<usize>,
        wrong: bool,
        /// What the request carries, and what the response gives, the most important first.
        carries: Vec<&'a CarriedView>,
        sets: Vec<&'a CarriedView>,
    },
    /// Requests that do not matter, and writers for which there is no room.
    Others { count: usize, writers: Vec<StepView> },
}

/// The sequence in which the reader did not see the state, and the one in which it did; `None` if it is unknown.
pub(super) fn stories(finding: &FindingView) -> [Option<Diagram<'_>>; 2] {
    [Diagram::of(finding, &finding.failing, true), Diagram::of(finding, &finding.sound, false)]
}

impl<'a> Diagram<'a> {
    fn of(finding: &FindingView, story: &'a [StepView], failing: bool) -> Option<Diagram<'a>> {
        let is_writer = |step: &StepView| finding.writers.iter().any(|writer| writer.is_same(step));
        let reader = story.iter().find(|step| step.is_same(&finding.reader))?;
        let writers: Vec<StepView> = story.iter().filter(|step| is_writer(step)).cloned().collect();
        let tied = advice::tied(&writers, reader);
        let sorted = |carried: &'a [CarriedView]| {
            let mut sorted: Vec<&CarriedView> = carried.iter().filter(|one| !is_request_id(story, &one.name)).collect();
            sorted.sort_by_key(|one| (!tied.iter().any(|tied| tied.name == one.name), advice::is_of_forms(&one.name)));
            sorted
        };
        let shown_by = finding.shown_by();
        let ends = [writers.first(), writers.last(), Some(reader), Some(shown_by)];
        let mut names: Vec<&str> = Vec::new();
        let mut rows = Vec::new();
        for step in story {
            if ends.iter().flatten().any(|end| end.is_same(step)) {
                let instance = step.instance.as_deref().map(|name| {
                    names.iter().position(|known| *known == name).unwrap_or_else(|| {
                        names.push(name);
                        names.len() - 1
                    })
                });
                let (carries, sets) = (sorted(&step.carries), sorted(&step.sets));
                let wrong = failing && step.is_same(shown_by);
                rows.push(Row::Exchange { step, instance, wrong, carries, sets });
                continue;
            }
            if !matches!(rows.last(), Some(Row::Others { .. })) {
                rows.push(Row::Others { count: 0, writers: Vec::new() });
            }
            if let Some(Row::Others { count, writers }) = rows.last_mut() {
                if is_writer(step) {
                    writers.push(step.clone());
                } else {
                    *count += 1;
                }
            }
        }
        Some(Diagram { instances: names.len(), rows })
    }

    /// The diagram in box characters, in lines of at most `room` columns. `true` marks the line that shows the failure.
    pub(super) fn drawn(&self, room: usize) -> Vec<(String, bool)> {
        let columns = Columns::new(self.instances, room);
        let mut lines = vec![(columns.heads(), false)];
        for row in &self.rows {
            match row {
                Row::Others { count, writers } => {
                    let label = shortened(&others(*count, writers), columns.label_room());
                    lines.push((columns.row(None, &label, ' ', [' ', ' ']), false));
                }
                Row::Exchange { step, instance, wrong, carries, sets } => {
                    let to = Some(instance.map_or(0, |instance| instance + 1));
                    let label = sent(step, carries, columns.label_room());
                    lines.push((columns.row(to, &label, '─', ['─', '▶']), false));
                    if step.answer.from == AnsweredBy::Nobody {
                        let label = shortened("✗ the client went away", columns.label_room());
                        lines.push((columns.row(None, &label, ' ', [' ', ' ']), *wrong));
                        continue;
                    }
                    let to = if step.answer.from == AnsweredBy::Balancer { Some(0) } else { to };
                    let label = got(step, sets, *wrong, columns.label_room());
                    lines.push((columns.row(to, &label, '─', ['◀', '─']), *wrong));
                }
            }
        }
        lines
    }

    /// The diagram as the text of a Mermaid block.
    pub(super) fn mermaid(&self) -> String {
        let mut lines = vec!["sequenceDiagram".to_owned()];
        lines.push("    participant C as client".to_owned());
        lines.push("    participant B as balancer".to_owned());
        for instance in 1..=self.instances {
            lines.push(format!("    participant I{instance} as instance {instance}"));
        }
        let last = if self.instances == 0 { "B".to_owned() } else { format!("I{}", self.instances) };
        for row in &self.rows {
            match row {
                Row::Others { count, writers } => {
                    lines.push(format!("    Note over C,{last}: {}", mermaid_text(&others(*count, writers))));
                }
                Row::Exchange { step, instance, wrong, carries, sets } => {
                    let request = mermaid_text(&sent(step, carries, 72));
                    let answer = mermaid_text(&got(step, sets, *wrong, 72));
                    lines.push(format!("    C->>B: {request}"));
                    if let Some(instance) = instance.map(|instance| instance + 1) {
                        lines.push(format!("    B->>I{instance}: {request}"));
                        if step.answer.from == AnsweredBy::Instance {
                            lines.push(format!("    I{instance}-->>B: {answer}"));
                        }
                    }
                    match step.answer.from {
                        AnsweredBy::Nobody => lines.push("    Note over C: the client went away".to_owned()),
                        AnsweredBy::Instance | AnsweredBy::Balancer => lines.push(format!("    B-->>C: {answer}")),
                    }
                }
            }
        }
        lines.join("\n")
    }
}

/// Whether the client generates a new value for each request, which no response ever gave.
fn is_request_id(story: &[StepView], name: &str) -> bool {
    let mut values: Vec<&str> =
        story.iter().flat_map(|step| &step.carries).filter(|one| one.name == name).map(|one| &*one.value).collect();
    let sent = values.len();
    values.sort_unstable();
    values.dedup();
    let given = story.iter().flat_map(|step| &step.sets).any(|one| one.name == name);
    sent > 1 && values.len() == sent && !given && !name.eq_ignore_ascii_case("authorization")
}

/// Summarises requests: `… #2 to #4 POST /login, 3 requests …`
fn others(count: usize, writers: &[StepView]) -> String {
    let mut parts = vec![words::requests(writers), words::count(count, "request")];
    parts.retain(|part| !part.is_empty() && part != "0 requests");
    format!("… {} …", parts.join(", "))
}

/// The text on the arrow to the right: the request, and what it carries if there is room.
fn sent(step: &StepView, carries: &[&CarriedView], room: usize) -> String {
    let again = if step.again { " again:" } else { "" };
    let head = format!("#{}{again} {} ", step.number, step.method);
    let mut request = shortened(&head, room / 2);
    // All calls of one address have its target: what they ask for tells more.
    let operation = step.operation.as_ref().map(|name| format!(" {}", shortened(name, room * 2 / 3)));
    let operation = operation.unwrap_or_default();
    request += &shortened(&step.target, room.saturating_sub(width(&request) + width(&operation)));
    request += &operation;
    with_carried(request, carries, room)
}

/// The text on the arrow to the left: the status, and what it gives the client if there is room.
fn got(step: &StepView, sets: &[&CarriedView], wrong: bool, room: usize) -> String {
    let mark = if wrong { " ✗" } else { "" };
    let answer = shortened(&words::answer(&step.answer), room.saturating_sub(width(mark)));
    with_carried(format!("{answer}{mark}"), sets, room)
}

/// Appends cookies while there is room; `…` stands for the rest.
fn with_carried(mut text: String, carried: &[&CarriedView], room: usize) -> String {
    for (place, one) in carried.iter().enumerate() {
        let longer = format!("{text}, {}={}", one.name, one.value);
        let more = if place + 1 < carried.len() { ", …" } else { "" };
        if width(&longer) + width(more) > room {
            let cut = format!("{text}, …");
            return if width(&cut) <= room { cut } else { text };
        }
        text = longer;
    }
    text
}

/// The columns of the lifelines.
struct Columns {
    /// The columns of the client, the balancer, and each instance.
    at: Vec<usize>,
}

impl Columns {
    fn new(instances: usize, room: usize) -> Columns {
        // Two writers and the reader may each have an instance; the texts on the arrows need room first.
        let wide = instances < 3 && room >= 72;
        let between = if wide { (room / 6).clamp(12, 18) } else { (room / 9).clamp(8, 12) };
        let client = 3;
        // Half of the last heading is to the right of its line.
        let balancer = (room - 6 - instances * between).min(client + 56);
        Columns { at: [client].into_iter().chain((0..=instances).map(|place| balancer + place * between)).collect() }
    }

    /// The room for the text on an arrow between client and balancer, in columns.
    fn label_room(&self) -> usize {
        self.at[1] - self.at[0] - 7
    }

    fn heads(&self) -> String {
        let mut line = String::new();
        for (place, at) in self.at.iter().enumerate() {
            let head = match place {
                0 => "client".to_owned(),
                1 => "balancer".to_owned(),
                _ if self.at[place] - self.at[place - 1] < 12 => format!("inst. {}", place - 1),
                _ => format!("instance {}", place - 1),
            };
            let start = at - head.len() / 2;
            line.push_str(&" ".repeat(start.saturating_sub(width(&line))));
            line.push_str(&head);
        }
        line
    }

    /// One line: `label` between client and balancer, and an arrow from or to lifeline `to` (0 is the balancer, `None`
    /// no arrow). `ends` are the left and the right end of the arrow.
    fn row(&self, to: Option<usize>, label: &str, stroke: char, ends: [char; 2]) -> String {
        let gap = |place: usize| self.at[place + 1] - self.at[place] - 1;
        let mut line = " ".repeat(self.at[0]);
        let words = format!(" {label} ");
        let rest = gap(0) - 2 - width(&words);
        line.extend(['│', ends[0]]);
        line.extend(std::iter::repeat_n(stroke, rest.min(1)));
        line.push_str(&words);
        line.extend(std::iter::repeat_n(stroke, rest.saturating_sub(1)));
        line.extend([ends[1], '│']);
        let to = to.unwrap_or(0);
        for place in 1..self.at.len() - 1 {
            let (gap, first, last) = (gap(place), place == 1, place == to);
            if place > to {
                line.push_str(&" ".repeat(gap));
                line.push('│');
                continue;
            }
            line.push(if first { ends[0] } else { stroke });
            line.extend(std::iter::repeat_n(stroke, gap - 2));
            line.push(if last { ends[1] } else { stroke });
            line.push(if last { '│' } else { '┼' });
        }
        line
    }
}

/// Escapes a text so that Mermaid displays it literally.
fn mermaid_text(text: &str) -> String {
    text.chars().fold(String::new(), |mut safe, letter| {
        if letter.is_alphanumeric() || " /.,=-…⟨⟩✗".contains(letter) {
            safe.push(letter);
        } else {
            safe.extend(["#", &u32::from(letter).to_string(), ";"]);
        }
        safe
    })
}
