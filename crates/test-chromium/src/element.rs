//! Something on a page.

use serde_json::{Value, json};

use crate::driver::Driver;

/// The key under which WebDriver names an element.
const KEY: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Something on the page of a browser.
#[derive(Debug, Clone)]
pub struct Element<'a> {
    driver: &'a Driver,
    id: String,
}

impl<'a> Element<'a> {
    pub(crate) fn new(driver: &'a Driver, named: &Value) -> Element<'a> {
        Element { driver, id: named[KEY].as_str().unwrap().to_owned() }
    }

    fn path(&self, what: &str) -> String {
        format!("/element/{}{what}", self.id)
    }

    /// `None` when it is gone by now.
    fn try_get(&self, what: &str) -> Option<String> {
        let answer = self.driver.try_command("GET", &self.path(what), &Value::Null);
        answer.ok()?.as_str().map(str::to_owned)
    }

    /// Whether it has this role and this name.
    pub(crate) fn is(&self, role: &str, name: &str) -> bool {
        // Some versions of Chromium leave the space between a label's text and its field in the name.
        self.try_get("/computedlabel").is_some_and(|label| label.trim() == name)
            && self.try_get("/computedrole").as_deref() == Some(role)
    }

    /// Clicks it, as a mouse does: it must be seen and nothing may cover it.
    #[track_caller]
    pub fn click(&self) {
        self.driver.command("POST", &self.path("/click"), &json!({}));
    }

    /// Types into it.
    #[track_caller]
    pub fn write(&self, text: &str) {
        self.driver.command("POST", &self.path("/value"), &json!({ "text": text }));
    }

    /// Empties it and types into it.
    #[track_caller]
    pub fn rewrite(&self, text: &str) {
        self.driver.command("POST", &self.path("/clear"), &json!({}));
        self.write(text);
    }

    /// What of its text can be seen.
    #[track_caller]
    pub fn text(&self) -> String {
        self.try_text().unwrap_or_else(|| panic!("it is gone"))
    }

    pub(crate) fn try_text(&self) -> Option<String> {
        self.try_get("/text")
    }

    /// An attribute, as it stands in the page.
    #[track_caller]
    pub fn attribute(&self, name: &str) -> Option<String> {
        self.try_get(&format!("/attribute/{name}"))
    }
}
