//! Somebody in front of a real browser, who notices what would be in anybody's way.

use std::fs;
use std::path::Path;

use test_chromium::{Browser, Look, violations};

use super::packages::install;
use super::world::Fleet;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// Somebody in front of a browser.
pub(crate) struct Person<'a> {
    pub(crate) fleet: &'a Fleet<'a>,
    pub(crate) browser: Browser,
    pub(crate) axe: String,
}

impl<'a> Person<'a> {
    pub(crate) fn new(fleet: &'a Fleet<'a>) -> Person<'a> {
        let axe = install("axe").join("node_modules/axe-core/axe.min.js");
        Person { fleet, browser: Browser::new(), axe: fs::read_to_string(axe).unwrap() }
    }

    pub(crate) fn open(&self, path: &str) {
        self.browser.open(&format!("http://{}{path}", self.fleet.address));
    }

    /// Waits for the page with this heading, which has no barrier, however it is shown.
    #[track_caller]
    pub(crate) fn sees(&self, heading: &str) {
        self.browser.role("heading", heading);
        for look in Look::ALL {
            self.browser.look(look);
            self.keep_picture(heading, look);
            let found = violations(&self.browser, &self.axe);
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert!(found.is_empty(), "{heading}, {}: {}", look.name, found.join("\n"));
            let wider = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
            assert_eq!(self.browser.script(wider, &[]), 0, "{heading}, {}: it must be moved sideways", look.name);
        }
        self.browser.look(Look::LIGHT);
    }

    /// Pictures of all pages, for whoever wants to look at them: in the folder that `FUNGIBLE_PICTURES` names.
    fn keep_picture(&self, heading: &str, look: Look) {
        let Some(folder) = std::env::var_os("FUNGIBLE_PICTURES") else { return };
        let name: String = heading.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect();
        let number = fs::read_dir(&folder).unwrap().count();
        let file = Path::new(&folder).join(format!("{number:03}-{name}-{}.png", look.name));
        fs::write(file, self.browser.picture()).unwrap();
    }

    /// Kills the instance that answered last, which the page names.
    #[track_caller]
    pub(crate) fn kill_who_answered(&self) {
        let name = self.browser.css("#served-by").text();
        let killed = self.fleet.ask(&["kill", &name]);
        assert!(killed.status.success(), "{killed:?}");
    }

    pub(crate) fn log_in(&self, button: &str, name: &str) {
        self.browser.field("Name").write(name);
        self.browser.field("Password").write(PASSWORD);
        self.browser.role("button", button).click();
    }
}
