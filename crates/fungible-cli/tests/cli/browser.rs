//! The pages of the apps in a real browser, which notices nothing of the instances that are killed under it, and no barrier
//! for anybody in any of them.

use std::fs;

use private_browser::{Browser, Look};

use super::client::Client;
use super::packages::install;
use super::world::{Fleet, Place, is_whole};

const PASSWORD: &str = "correct horse battery";

/// Somebody in front of a browser.
struct Person<'a> {
    fleet: &'a Fleet<'a>,
    browser: Browser,
    axe: String,
}

impl<'a> Person<'a> {
    fn new(fleet: &'a Fleet<'a>) -> Person<'a> {
        let axe = install("axe").join("node_modules/axe-core/axe.min.js");
        Person { fleet, browser: Browser::new(), axe: fs::read_to_string(axe).unwrap() }
    }

    fn open(&self, path: &str) {
        self.browser.open(&format!("http://{}{path}", self.fleet.address));
    }

    /// Waits for the page with this heading, which has no barrier, however it is shown.
    #[track_caller]
    fn sees(&self, heading: &str) {
        self.browser.role("heading", heading);
        for look in Look::ALL {
            self.browser.look(look);
            self.keep_picture(heading, look);
            let found = self.browser.violations(&self.axe);
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
        let file = std::path::Path::new(&folder).join(format!("{number:03}-{name}-{}.png", look.name));
        fs::write(file, self.browser.picture()).unwrap();
    }

    /// Kills the instance that answered last, which the page names.
    #[track_caller]
    fn kill_who_answered(&self) {
        let name = self.browser.css("#served-by").text();
        let killed = self.fleet.ask(&["kill", &name]);
        assert!(killed.status.success(), "{killed:?}");
    }

    fn log_in(&self, button: &str, name: &str) {
        self.browser.field("Name").write(name);
        self.browser.field("Password").write(PASSWORD);
        self.browser.role("button", button).click();
    }

    /// Titles and ticks, as the page shows them.
    fn tasks(&self) -> Vec<(String, bool)> {
        let rows = "return [...document.querySelectorAll('#tasks .task')].map((row) => \
                    [row.querySelector('.title').textContent, row.classList.contains('done')])";
        serde_json::from_value(self.browser.script(rows, &[])).unwrap()
    }

    /// What the page shows is what the store holds.
    #[track_caller]
    fn has(&self, expected: &[(&str, bool)]) {
        let expected: Vec<(String, bool)> = expected.iter().map(|(title, done)| ((*title).to_owned(), *done)).collect();
        assert_eq!(self.tasks(), expected);
        self.browser.reload();
        assert_eq!(self.tasks(), expected, "after a reload");
    }
}

#[test]
fn somebody_with_a_browser_notices_no_kill() {
    if !is_whole() {
        return;
    }
    let place = Place::new();
    let fleet = place.fleet(&["demo", "--listen", "127.0.0.1:0", "--data", "data"]);
    fleet.healthy(3);
    let ada = Person::new(&fleet);
    let browser = &ada.browser;

    ada.open("/");
    ada.sees("Log in");
    browser.role("link", "Register").click();
    ada.sees("Register");
    ada.log_in("Register", "ada");
    ada.sees("Tasks of ada");
    browser.says("#status", "Welcome.");

    ada.kill_who_answered();
    for title in ["Buy milk", "Call Bob", "Water the plants"] {
        browser.field("New task").write(title);
        browser.role("button", "Add").click();
        browser.says("#status", &format!("Added “{title}”."));
        ada.kill_who_answered();
    }
    ada.has(&[("Buy milk", false), ("Call Bob", false), ("Water the plants", false)]);

    ada.kill_who_answered();
    browser.role("button", "Done: Buy milk").click();
    browser.says("#status", "Ticked.");

    ada.kill_who_answered();
    browser.all("#tasks summary")[1].click();
    browser.css("details[open] input[name=title]").rewrite("Call Grace");
    browser.css("details[open] .rename button").click();
    browser.says("#status", "Renamed to “Call Grace”.");

    ada.kill_who_answered();
    browser.role("button", "Delete: Water the plants").click();
    browser.says("#status", "Deleted.");
    ada.has(&[("Buy milk", true), ("Call Grace", false)]);
    browser.all("#tasks summary")[1].click();
    ada.sees("Tasks of ada");

    ada.kill_who_answered();
    share(&ada);

    browser.role("link", "Tasks").click();
    browser.role("heading", "Tasks of ada");
    browser.role("link", "Account").click();
    ada.sees("Account");
    browser.role("link", "Tasks").click();
    browser.role("button", "Log out").click();
    browser.says("[role=status]", "You are logged out.");
    ada.kill_who_answered();
    browser.field("Name").write("ada");
    browser.field("Password").write("not her password");
    browser.role("button", "Log in").click();
    browser.says("[role=alert]", "Name or password is wrong.");
    ada.sees("Log in");
    browser.field("Password").write(PASSWORD);
    browser.role("button", "Log in").click();
    browser.role("heading", "Tasks of ada");
    ada.has(&[("Buy milk", true), ("Call Grace", false)]);

    ada.open("/nowhere");
    ada.sees("That did not work");
    // A barrier would have been seen.
    browser.script("document.documentElement.removeAttribute('lang')", &[]);
    let found = browser.violations(&ada.axe);
    assert!(found.len() == 1 && found[0].id == "html-has-lang", "{found:?}");
}

/// Makes a link, which works until she ends it.
fn share(ada: &Person) {
    let browser = &ada.browser;
    browser.role("link", "Share").click();
    ada.sees("Share your list");
    browser.role("button", "Make a link").click();
    browser.says("[role=status]", "The link is made.");
    ada.sees("Your links");
    let url = browser.css(".links .url").text();
    let path = url.strip_prefix(&format!("http://{}", ada.fleet.address)).unwrap();
    let mut guest = Client::new(ada.fleet.address);
    let list = guest.get(path).unwrap();
    assert!(list.status == 200 && list.body.contains("Call Grace"), "{list:?}");
    ada.kill_who_answered();
    browser.role("button", "End this link").click();
    browser.says("[role=status]", "The link has ended.");
    let list = guest.get(path).unwrap();
    assert_eq!(list.status, 404, "{list:?}");
}
