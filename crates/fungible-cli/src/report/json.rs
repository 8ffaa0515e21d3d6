//! The view as JSON.

use super::view::VerdictView;

/// Pretty-printed, with a line end.
pub(super) fn json(view: &VerdictView) -> String {
    let mut text = serde_json::to_string_pretty(view).unwrap_or_else(|error| {
        // The view contains only texts and numbers, so this cannot fail; if that changes, the reader still gets JSON.
        serde_json::json!({ "schema_version": view.schema_version, "verdict": view.verdict, "error": error.to_string() })
            .to_string()
    });
    text.push('\n');
    text
}
