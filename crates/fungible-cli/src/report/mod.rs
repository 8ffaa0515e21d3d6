//! A verdict as text for the screen, as JSON, and as Markdown. Pure functions of the verdict: they know no terminal and
//! no file.
//!
//! [`build`] makes the verdict safe to display, once for all formats: it hides secrets (`redact`) and escapes control
//! characters (`plain`). The formats get only this view, so none of them can forget it.

mod advice;
mod build;
mod clues;
mod diagram;
mod json;
mod markdown;
mod plain;
mod redact;
mod screen;
#[cfg(test)]
mod tests;
mod view;
mod visit;
mod words;

pub(crate) use plain::line as plain_line;
pub(crate) use redact::is_secret;
pub(crate) use screen::Style;

use crate::prove::Verdict;

/// The longest sentence, in columns.
const SENTENCE: usize = 600;

/// Makes an error message of a proof safe to display, in one line and without secrets: it may quote output of the app.
pub(crate) fn sentence(text: &str) -> String {
    let hidden = redact::Redactor::default().text(&plain::without_colours(text));
    plain::shortened(&plain::line(&hidden), SENTENCE)
}

/// The verdict for the screen.
pub(crate) fn text(verdict: &Verdict, style: Style) -> String {
    screen::text(&build::view_of(verdict), style)
}

/// The verdict as JSON, as described in `docs/verdict.schema.json`.
pub(crate) fn json(verdict: &Verdict) -> String {
    json::json(&build::view_of(verdict))
}

/// The verdict as a Markdown document with diagrams in Mermaid.
pub(crate) fn markdown(verdict: &Verdict) -> String {
    markdown::markdown(&build::view_of(verdict))
}
