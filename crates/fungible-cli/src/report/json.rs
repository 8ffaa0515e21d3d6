//! The view as JSON.

use super::view::VerdictView;

/// Over several lines, with a line end.
pub(super) fn json(view: &VerdictView) -> String {
    let mut text = serde_json::to_string_pretty(view).unwrap_or_else(|error| {
        // The view holds texts and numbers alone; should that change, the reader gets JSON all the same.
        serde_json::json!({ "schema_version": view.schema_version, "verdict": view.verdict, "error": error.to_string() })
            .to_string()
    });
    text.push('\n');
    text
}
