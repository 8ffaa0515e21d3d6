//! A browser: where it is, what it looks like, what is on its page.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use test_basics::{eventually, eventually_ok};

use crate::driver::Driver;
use crate::element::Element;

/// A Chromium with one page.
#[derive(Debug)]
pub struct Browser {
    driver: Driver,
}

/// How a page is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Its name, for whoever reads a failure.
    pub name: &'static str,
    /// Dark on a light ground, or the other way round.
    pub dark: bool,
    /// Width and height of the screen in CSS pixels.
    pub size: (u32, u32),
}

impl Look {
    /// On a desk, light.
    pub const LIGHT: Look = Look { name: "light", dark: false, size: (1280, 800) };
    /// On a desk, dark.
    pub const DARK: Look = Look { name: "dark", dark: true, size: (1280, 800) };
    /// On a small phone.
    pub const PHONE: Look = Look { name: "phone", dark: false, size: (360, 640) };
    /// On a small phone, dark.
    pub const DARK_PHONE: Look = Look { name: "dark-phone", dark: true, size: (360, 640) };
    /// All of these.
    pub const ALL: [Look; 4] = [Look::LIGHT, Look::DARK, Look::PHONE, Look::DARK_PHONE];
}

impl Browser {
    /// Starts a browser with an empty profile.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it starts processes")]
    pub fn new() -> Browser {
        let browser = Browser { driver: Driver::start() };
        browser.look(Look::LIGHT);
        browser
    }

    /// The folder of its own that all its processes live in.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.driver.home()
    }

    /// Opens an address and waits until the page is loaded.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.driver.command("POST", "/url", &json!({ "url": url }));
    }

    /// Loads the page again.
    #[track_caller]
    pub fn reload(&self) {
        self.driver.command("POST", "/refresh", &json!({}));
    }

    /// The address of the page.
    #[track_caller]
    pub fn url(&self) -> String {
        self.driver.command("GET", "/url", &Value::Null).as_str().unwrap().to_owned()
    }

    /// All that a CSS selector finds now.
    #[track_caller]
    pub fn all(&self, css: &str) -> Vec<Element<'_>> {
        let found = self.driver.command("POST", "/elements", &json!({ "using": "css selector", "value": css }));
        found.as_array().unwrap().iter().map(|one| Element::new(&self.driver, one)).collect()
    }

    /// The first that a CSS selector finds, once it is there.
    #[track_caller]
    pub fn css(&self, css: &str) -> Element<'_> {
        eventually(&format!("{css} on {}", self.url()), || self.all(css).into_iter().next())
    }

    /// What has this role and this name, as a screen reader would say them, once it is there: `("button", "Add")`.
    #[track_caller]
    pub fn role(&self, role: &str, name: &str) -> Element<'_> {
        let candidates = match role {
            "button" => "button",
            "link" => "a[href]",
            "textbox" => "input, textarea",
            "heading" => "h1, h2, h3",
            _ => "*",
        };
        eventually(&format!("the {role} {name:?} on {}", self.url()), || {
            self.all(candidates).into_iter().find(|one| one.is(role, name))
        })
    }

    /// The field with this label, once it is there.
    #[track_caller]
    pub fn field(&self, label: &str) -> Element<'_> {
        self.role("textbox", label)
    }

    /// Waits until the text of what a CSS selector finds contains these words.
    #[track_caller]
    pub fn says(&self, css: &str, words: &str) {
        eventually_ok(|| {
            let text = self.all(css).iter().filter_map(Element::try_text).collect::<Vec<_>>().join(" | ");
            let missing = || format!("{words:?} in {css} on {}, which says {text:?}", self.url());
            text.contains(words).then_some(()).ok_or_else(missing)
        });
    }

    /// What a script returns: the body of a function, whose `arguments` are these.
    #[track_caller]
    pub fn script(&self, script: &str, arguments: &[Value]) -> Value {
        self.driver.command("POST", "/execute/sync", &json!({ "script": script, "args": arguments }))
    }

    /// What a script hands to the function that is the last of its `arguments`.
    #[track_caller]
    pub fn script_that_waits(&self, script: &str, arguments: &[Value]) -> Value {
        self.driver.command("POST", "/execute/async", &json!({ "script": script, "args": arguments }))
    }

    /// Shows pages in this way from now on.
    #[track_caller]
    pub fn look(&self, look: Look) {
        let (width, height) = look.size;
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", &screen);
        let scheme = if look.dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// A picture of the whole page, as PNG.
    #[track_caller]
    pub fn picture(&self) -> Vec<u8> {
        let picture = self.devtools("Page.captureScreenshot", &json!({ "captureBeyondViewport": true }));
        STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    /// A command of Chromium's own protocol.
    #[track_caller]
    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.driver.command("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }
}
