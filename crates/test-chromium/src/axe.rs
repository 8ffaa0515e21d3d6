//! Barriers in a page, as axe-core finds them.

use std::fmt;

use serde::Deserialize;

use crate::browser::Browser;

/// A rule that the page breaks.
#[derive(Debug, Deserialize)]
pub struct Violation {
    /// The rule's name.
    pub id: String,
    /// What it wants.
    pub help: String,
    /// Where it is broken.
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    html: String,
    failure_summary: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.help)?;
        self.nodes.iter().try_for_each(|node| write!(f, "\n  {}\n    {}", node.html, node.failure_summary))
    }
}

/// What is wrong with the page as it is shown now. `axe` is the text of `axe.min.js` of the npm package axe-core.
#[track_caller]
pub fn violations(browser: &Browser, axe: &str) -> Vec<Violation> {
    // WebDriver's scripts come from outside of the page, so its content policy does not stop them.
    browser.script(axe, &[]);
    let found = browser.script_that_waits(
        "const done = arguments[0]; axe.run(document).then((found) => done(found.violations), (error) => done(`${error}`))",
        &[],
    );
    serde_json::from_value(found.clone()).unwrap_or_else(|_| panic!("axe says {found}"))
}
