//! The view as a Markdown document for GitHub and GitLab: the same content as on the screen, with all details and with
//! diagrams in Mermaid.

use super::diagram::stories;
use super::view::{DifferenceView, FindingView, UnstableView, VerdictView, VerdictWord};
use super::{screen, words};

/// The document.
pub(super) fn markdown(view: &VerdictView) -> String {
    let mut blocks = vec![format!("# {}", words::verdict(view.verdict))];
    blocks.extend(view.limits().iter().map(|limit| format!("Not covered: {}", words_of(limit))));
    blocks.push(facts(view));
    for finding in &view.findings {
        blocks.extend(finding_blocks(finding));
    }
    if view.verdict == VerdictWord::NotShown {
        blocks.push("## Why no verdict is possible".to_owned());
        for reason in &view.reasons {
            blocks.push(list([words_of(&reason.text)].into_iter()));
            blocks.extend(view.unstable_of(reason).into_iter().flat_map(unstable));
        }
        blocks.extend(log(words::LINES_OF_APP, &view.app_lines));
        blocks.extend(log(words::LINES_OF_DRIVER, &view.driver_lines));
        blocks.push(capitalised(&words_of(&words::no_verdict(view))) + ".");
    }
    let others = view.other_unstable();
    if !others.is_empty() {
        blocks.push("## Unstable, not judged".to_owned());
        for one in others {
            blocks.push(format!("{}: {}", code(&words::request(&one.step)), words_of(&one.why)));
            blocks.extend(unstable(one));
        }
    }
    blocks.push("## Covered".to_owned());
    let covered = &view.covered;
    let attacks = words::attacks(&covered.attacks);
    let tried_twice = words::resends(&covered.resends);
    let losses = words::losses(&covered.losses);
    let tried = attacks.iter().chain(&tried_twice).chain(&losses).chain(&covered.notes).map(|text| words_of(text));
    let ignored = view.ignored.iter().map(|one| {
        let times = words::count(one.times, "difference");
        format!("ignored {} ({times}): {}", code(&one.place), words_of(&one.reason))
    });
    blocks.push(list(tried.chain(ignored)));
    if !view.not_covered().is_empty() {
        blocks.push("## Not covered".to_owned());
        blocks.push(list(view.not_covered().iter().map(|text| words_of(text))));
    }
    details(view, &mut blocks);
    blocks.retain(|block| !block.is_empty());
    blocks.join("\n\n") + "\n"
}

fn facts(view: &VerdictView) -> String {
    let mut facts = vec![
        words::count(view.requests, "request") + ", " + &words::count(view.writes, "write"),
        words::count(view.runs, "run") + ", " + &words::count(view.starts, "start") + " of the app",
        words::duration(view.milliseconds),
    ];
    if !view.findings.is_empty() {
        facts.insert(0, words::count(view.findings.len(), "finding"));
    }
    let mut items = vec![facts.join(" · ")];
    items.push(format!("the app: {}", code(&view.command)));
    items.push(format!("its traffic: {}", code(&view.drive)));
    list(items.into_iter())
}

fn finding_blocks(finding: &FindingView) -> Vec<String> {
    let mut blocks = vec![format!("## {}", words_of(&finding.summary))];
    let mut items = vec![format!("harm: {}", words::harm(finding.harm)), screen::trials(finding)];
    items.extend(finding.sticky.as_ref().map(words::sticky));
    items.extend(words::controls(&finding.controls));
    items.push(format!("attack: {}", finding.attack));
    items.push(format!("what helps: {}", finding.remedy));
    items.retain(|item| !item.is_empty());
    let mut items: Vec<String> = items.iter().map(|item| words_of(item)).collect();
    let codes = |texts: &[String]| texts.iter().map(|text| code(text)).collect::<Vec<String>>().join(", ");
    if !finding.also.is_empty() {
        let also: Vec<String> = finding.also.iter().map(words::request).collect();
        items.push(format!("also affected: {}", codes(&also)));
    }
    if !finding.files.is_empty() {
        items.push(format!("its instance wrote: {}", codes(&finding.files)));
    }
    blocks.push(list(items.into_iter()));
    blocks.extend(differences(&finding.differences));
    for (title, diagram) in screen::stories_of(finding).into_iter().zip(stories(finding)) {
        let Some(diagram) = diagram else { continue };
        blocks.push(format!("{}:", capitalised(title)));
        blocks.push(fenced("mermaid", &diagram.mermaid()));
    }
    blocks.extend(finding.ended.as_deref().map(died));
    blocks.extend(log(&screen::last_lines_of(finding), &finding.last_lines));
    blocks
}

/// The evidence for a difference that is not judged.
fn unstable(one: &UnstableView) -> Vec<String> {
    let log = log("last lines of its instance:", &one.last_lines);
    differences(&one.differences).into_iter().chain(one.ended.as_deref().map(died)).chain(log).collect()
}

fn died(how: &str) -> String {
    capitalised(&words_of(&words::died(how))) + "."
}

fn log(title: &str, lines: &[String]) -> Vec<String> {
    let told: Vec<&str> = words::told(lines).into_iter().map(String::as_str).collect();
    if told.is_empty() { Vec::new() } else { vec![capitalised(&words_of(title)), fenced("text", &told.join("\n"))] }
}

fn differences(differences: &[DifferenceView]) -> Option<String> {
    let rows = differences.iter().map(|one| vec![code(&one.place), code(&one.baseline), code(&one.attack)]);
    table(&["place", "baseline", "attack"], rows.collect())
}

fn details(view: &VerdictView, blocks: &mut Vec<String>) {
    let labels = view.labels.iter().map(|one| {
        let values: Vec<String> = one.values.iter().map(|value| code(value)).collect();
        vec![code(&one.place), values.join(", ")]
    });
    let masks = view.masks.iter().map(|one| vec![code(&one.place), words_of(&one.compared)]);
    let renaming = view.renaming.iter().map(|one| vec![code(&one.baseline), code(&one.attack)]);
    for (title, table) in [
        ("## Instance labels, not judged", table(&["place", "values"], labels.collect())),
        ("## Places that may differ", table(&["place", "compared"], masks.collect())),
        ("## Renaming", table(&["baseline", "attack"], renaming.collect())),
    ] {
        if let Some(table) = table {
            blocks.extend([title.to_owned(), table]);
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// A Markdown table; `None` without rows.
fn table(heads: &[&str], rows: Vec<Vec<String>>) -> Option<String> {
    let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let head = line(heads.iter().map(|head| (*head).to_owned()).collect());
    let rule = line(heads.iter().map(|_| "---".to_owned()).collect());
    // A bar ends a cell, even in code.
    let cell = |text: String| text.replace('|', "\\|");
    let lines: Vec<String> = rows.into_iter().map(|cells| line(cells.into_iter().map(cell).collect())).collect();
    (!lines.is_empty()).then(|| [head, rule].into_iter().chain(lines).collect::<Vec<String>>().join("\n"))
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.map(|item| format!("- {item}")).collect::<Vec<String>>().join("\n")
}

/// Escapes a text so that Markdown displays it literally.
fn words_of(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for (at, letter) in text.char_indices() {
        let (before, after) = (&text[..at], &text[at + letter.len_utf8()..]);
        // `- `, `+ ` and `1. ` start a list, `=` underlines a heading, and addresses become links.
        let opens = before.bytes().all(|byte| byte.is_ascii_digit());
        match letter {
            '<' | '>' | '&' | '@' => safe.extend(["&#", &u32::from(letter).to_string(), ";"]),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '!' | '|' | '~' | '$' | '^' => {
                safe.extend(['\\', letter]);
            }
            '-' | '+' | '=' | '.' | ')' if opens => safe.extend(['\\', letter]),
            '.' if before.to_ascii_lowercase().ends_with("www") => safe.extend(['\\', letter]),
            ':' if after.starts_with('/') => safe.extend(['\\', letter]),
            _ => safe.push(letter),
        }
    }
    safe
}

/// Inline code, whatever it contains.
fn code(text: &str) -> String {
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let fence = "`".repeat(longest_run(text) + 1);
    let space = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

fn fenced(language: &str, text: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    format!("{fence}{language}\n{text}\n{fence}")
}

/// The longest run of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0)
}
