//! The pages of the to-do list in a real browser, which notices nothing of the instances that are killed under it, and no barrier
//! for anybody in any of them.

use test_chromium::{Browser, violations};

use super::client::Client;
use super::person::{PASSWORD, Person};
use super::world::{Place, is_whole};

/// Titles and ticks, as the page shows them.
fn tasks(browser: &Browser) -> Vec<(String, bool)> {
    let rows = "return [...document.querySelectorAll('#tasks .task')].map((row) => \
                [row.querySelector('.title').textContent, row.classList.contains('done')])";
    serde_json::from_value(browser.script(rows, &[])).unwrap()
}

/// What the page shows is what the store holds.
#[track_caller]
fn has(browser: &Browser, expected: &[(&str, bool)]) {
    let expected: Vec<(String, bool)> = expected.iter().map(|(title, done)| ((*title).to_owned(), *done)).collect();
    assert_eq!(tasks(browser), expected);
    browser.reload();
    assert_eq!(tasks(browser), expected, "after a reload");
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
    has(browser, &[("Buy milk", false), ("Call Bob", false), ("Water the plants", false)]);

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
    has(browser, &[("Buy milk", true), ("Call Grace", false)]);
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
    has(browser, &[("Buy milk", true), ("Call Grace", false)]);

    ada.open("/nowhere");
    ada.sees("That did not work");
    // A barrier would have been seen.
    browser.script("document.documentElement.removeAttribute('lang')", &[]);
    let found = violations(browser, &ada.axe);
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
    // A page of another site may use it, too: the browser asks first, and lets it read the answers.
    // Under this name the service is another site; a page without rules of its own stands for any.
    browser.open(&format!("http://localhost:{}/livez", ada.fleet.address.port()));
    let elsewhere = "const [url, done] = arguments; const as = { headers: { 'content-type': 'application/json' } }; \
         const send = (to, method, body) => fetch(to, { ...as, method, body: JSON.stringify(body) }); \
         send(url, 'POST', { title: 'From elsewhere' }).then((made) => made.json()) \
             .then((todo) => send(todo.url, 'PATCH', { completed: true })) \
             .then(async (changed) => done([changed.headers.get('ratelimit'), await changed.json()]), (error) => done(`${error}`))";
    let changed = browser.script_that_waits(elsewhere, &[url.clone().into()]);
    assert!(changed[0].as_str().is_some_and(|left| left.contains("r=")), "{changed}");
    assert_eq!((changed[1]["title"].as_str(), changed[1]["completed"].as_bool()), (Some("From elsewhere"), Some(true)));
    let todo = changed[1]["url"].as_str().unwrap().split_once("/share").unwrap().1.to_owned();
    assert_eq!(guest.send("DELETE", &format!("/share{todo}"), None).unwrap().status, 204);

    ada.open("/links");
    browser.role("button", "End this link").click();
    browser.says("[role=status]", "The link has ended.");
    let list = guest.get(path).unwrap();
    assert_eq!(list.status, 404, "{list:?}");
}
