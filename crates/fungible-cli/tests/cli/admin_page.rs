//! The page with the instances at work, in a real browser: it shows what happens, its buttons do what they say, and nothing
//! in it is in anybody's way.

use std::fs;
use std::path::Path;

use serde_json::Value;
use test_basics::{eventually, eventually_ok};
use test_chromium::{Browser, Look, violations};

use super::admin::AdminAddress;
use super::packages::install;
use super::world::{Fleet, Place, is_whole};

/// Somebody in front of the page.
struct Operator<'a> {
    fleet: &'a Fleet<'a>,
    browser: Browser,
}

impl<'a> Operator<'a> {
    fn new(fleet: &'a Fleet<'a>) -> Operator<'a> {
        let browser = Browser::new();
        browser.open(&AdminAddress::of(fleet).page());
        Operator { fleet, browser }
    }

    /// The text of what a selector finds first; empty while there is nothing.
    fn text(&self, css: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.textContent ?? ''";
        self.browser.script(script, &[css.into()]).as_str().unwrap().to_owned()
    }

    fn number(&self, css: &str) -> u64 {
        self.text(css).parse().unwrap_or_default()
    }

    /// The states of the instances on the page, by name.
    fn states(&self) -> Vec<(String, String)> {
        let script = "return [...document.querySelectorAll('.instance')].map((one) => \
                      [one.dataset.name, one.querySelector('.state').textContent])";
        serde_json::from_value(self.browser.script(script, &[])).unwrap()
    }

    #[track_caller]
    fn sees_healthy(&self, count: usize) {
        eventually_ok(|| {
            let states = self.states();
            let healthy = states.iter().filter(|(_, state)| state == "healthy").count();
            let all = healthy == count && states.len() == count;
            all.then_some(()).ok_or_else(|| format!("{count} healthy instances, there are {states:?}"))
        });
    }

    #[track_caller]
    fn counts(&self, css: &str, least: u64) -> u64 {
        eventually(&format!("{css} of at least {least}"), || Some(self.number(css)).filter(|count| *count >= least))
    }

    /// However it is shown, nothing is in anybody's way, and nothing must be moved sideways.
    #[track_caller]
    fn has_no_barrier(&self) {
        let axe = fs::read_to_string(install("axe").join("node_modules/axe-core/axe.min.js")).unwrap();
        for look in Look::ALL {
            self.browser.look(look);
            let found: Vec<String> = violations(&self.browser, &axe).iter().map(ToString::to_string).collect();
            assert!(found.is_empty(), "{}: {}", look.name, found.join("\n"));
            let wider = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
            assert_eq!(self.browser.script(wider, &[]), 0, "{}: it must be moved sideways", look.name);
            self.keep_picture(look.name);
        }
        self.browser.look(Look::LIGHT);
    }

    /// Pictures for whoever wants to look at them: in the folder that `FUNGIBLE_PICTURES` names.
    fn keep_picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("FUNGIBLE_PICTURES") else { return };
        let number = fs::read_dir(&folder).unwrap().count();
        fs::write(Path::new(&folder).join(format!("{number:03}-page-{name}.png")), self.browser.picture()).unwrap();
    }
}

fn demo<'a>(place: &'a Place, more: &[&str]) -> Fleet<'a> {
    place.fleet(&[&["demo", "--listen", "127.0.0.1:0", "--data", "data"], more].concat())
}

#[test]
fn the_page_shows_the_instances_and_its_buttons_work() {
    if !is_whole() {
        return;
    }
    let place = Place::new();
    let fleet = demo(&place, &[]);
    fleet.healthy(3);
    let me = Operator::new(&fleet);
    me.sees_healthy(3);
    assert!(!me.browser.url().contains("token"), "{}", me.browser.url());

    me.browser.role("button", "Send 20 customers").click();
    me.counts("#crowd-requests", 100);
    // Each instance has served several customers: they land anywhere.
    let colours = "return [...document.querySelectorAll('.instance')].map((one) => \
                   new Set([...one.querySelectorAll('.trail span')].map((dot) => dot.style.background)).size)";
    eventually("three colours on each instance", || {
        let colours: Vec<u64> = serde_json::from_value(me.browser.script(colours, &[])).unwrap();
        colours.iter().all(|count| *count > 3).then_some(())
    });
    me.browser.role("button", "Kill todo-2").click();
    me.browser.says("#say", "killed todo-2");
    me.browser.says("#events", "todo-2 ended (SIGKILL); restarting at once");
    let restarts = "return [...document.querySelectorAll('.instance')][1].querySelector('.numbers').textContent";
    eventually("the restart", || me.browser.script(restarts, &[]).as_str()?.contains("restarts1").then_some(()));
    me.sees_healthy(3);
    let before = me.number("#crowd-requests");
    me.counts("#crowd-requests", before + 100);
    assert_eq!((me.number("#crowd-thrown"), me.number("#crowd-lost")), (0, 0));
    make_the_picture_of_the_readme(&me);
    me.has_no_barrier();
    me.browser.role("button", "Call 20 customers back").click();

    me.browser.role("button", "One instance more").click();
    me.sees_healthy(4);
    me.browser.role("button", "Drain todo-1").click();
    me.browser.says("#say", "another instance starts in its place");
    eventually("todo-5 in place of todo-1", || {
        let states = me.states();
        let names: Vec<&str> = states.iter().map(|(name, _)| name.as_str()).collect();
        (names == ["todo-2", "todo-3", "todo-4", "todo-5"]).then_some(())
    });
    me.sees_healthy(4);
    me.browser.role("button", "One instance fewer").click();
    me.sees_healthy(3);
    assert_eq!(me.fleet.healthy(3).len(), 3);
}

#[test]
fn its_buttons_freeze_thaw_and_deploy_again() {
    if !is_whole() {
        return;
    }
    let place = Place::new();
    let fleet = demo(&place, &[]);
    let before: Vec<Value> = fleet.healthy(3).iter().map(|one| one["pid"].clone()).collect();
    let me = Operator::new(&fleet);
    me.sees_healthy(3);
    me.browser.role("button", "Freeze todo-2").click();
    me.browser.says("#say", "froze todo-2");
    let is = |state: &str| {
        let states = me.states();
        states.iter().any(|(name, now)| name == "todo-2" && now == state).then_some(())
    };
    eventually("todo-2 is unhealthy", || is("unhealthy"));
    me.browser.role("button", "Thaw todo-2").click();
    me.browser.says("#say", "thawed todo-2");
    me.sees_healthy(3);
    assert!(fleet.healthy(3).iter().all(|one| one["restarts"] == 0), "it went on as it was");

    me.browser.role("button", "Deploy again").click();
    me.browser.says("#deploying", "of 3 instances");
    eventually("only new processes", || {
        let now = fleet.in_state("healthy");
        (now.len() == 3 && now.iter().all(|one| !before.contains(&one["pid"]))).then_some(())
    });
    eventually("the end of the deploy", || me.text("#deploying").is_empty().then_some(()));
    // The next one is rolled back by the button that is there meanwhile.
    me.sees_healthy(3);
    me.browser.role("button", "Deploy again").click();
    me.browser.role("button", "Roll back").click();
    eventually("the roll-back", || (fleet.status()["deploy"]["state"] == "failed").then_some(()));
    me.sees_healthy(3);
}

#[test]
fn customers_of_the_broken_list_are_thrown_out() {
    if !is_whole() {
        return;
    }
    let place = Place::new();
    let fleet = demo(&place, &["--broken"]);
    fleet.healthy(3);
    let me = Operator::new(&fleet);
    me.browser.role("button", "Send 20 customers").click();
    me.counts("#crowd-thrown", 5);
    me.counts("#crowd-lost", 1);
    me.keep_picture("broken");
}

#[test]
fn sticky_sessions_hide_the_trap_from_customers_until_an_instance_ends() {
    if !is_whole() {
        return;
    }
    let place = Place::new();
    let fleet = demo(&place, &["--broken", "--sticky"]);
    fleet.healthy(3);
    let me = Operator::new(&fleet);
    me.browser.role("button", "Send 20 customers").click();
    me.counts("#crowd-requests", 150);
    assert_eq!((me.number("#crowd-thrown"), me.number("#crowd-lost")), (0, 0));
    me.browser.role("button", "Kill todo-1").click();
    me.counts("#crowd-thrown", 1);
}

#[test]
fn customers_of_the_shop_lose_nothing() {
    if !is_whole() {
        return;
    }
    let place = Place::new();
    let fleet = demo(&place, &["--app", "shop"]);
    fleet.healthy(3);
    let me = Operator::new(&fleet);
    me.browser.role("button", "Send 20 customers").click();
    me.counts("#crowd-requests", 60);
    me.browser.role("button", "Kill shop-1").click();
    let before = me.number("#crowd-requests");
    me.counts("#crowd-requests", before + 60);
    assert_eq!((me.number("#crowd-thrown"), me.number("#crowd-lost")), (0, 0));
}

#[test]
fn without_the_token_the_page_only_shows() {
    if !is_whole() {
        return;
    }
    let place = Place::new();
    let fleet = demo(&place, &[]);
    fleet.healthy(3);
    let admin = AdminAddress::of(&fleet);
    let browser = Browser::new();
    browser.open(&format!("http://{}/", admin.address));
    browser.says("#no-token", "open the address that was printed at the start");
    let enabled = "return [...document.querySelectorAll('.instance button')].filter((one) => !one.disabled).length";
    browser.says("#instances", "todo-3");
    assert_eq!(browser.script(enabled, &[]), 0);
    // Neither the page itself without the token nor another site gets a command through.
    let post = "const [url, done] = arguments; \
         const headers = { 'content-type': 'application/json', 'authorization': 'Bearer nothing' }; \
         fetch(url, { method: 'POST', headers, body: '{\"kill\":\"todo-1\"}' }) \
             .then((answer) => done(answer.status), () => done('refused'))";
    assert_eq!(browser.script_that_waits(post, &[Value::from("/command")]), 403);
    browser.open(&format!("http://{}/readyz", fleet.address));
    let elsewhere = format!("http://{}/command", admin.address);
    assert_eq!(browser.script_that_waits(post, &[Value::from(elsewhere)]), "refused");
    assert!(fleet.healthy(3).iter().all(|one| one["restarts"] == 0));
}

/// The picture of the README, made anew where `FUNGIBLE_README_PICTURE` is set.
fn make_the_picture_of_the_readme(me: &Operator<'_>) {
    if std::env::var_os("FUNGIBLE_README_PICTURE").is_none() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    me.browser.look(Look { name: "readme", dark: false, size: (1120, 960) });
    eventually("dots on their way", || (me.browser.script("return dots.length", &[]).as_u64()? > 12).then_some(()));
    fs::write(root.join("docs/page.png"), me.browser.picture()).unwrap();
    me.browser.look(Look::LIGHT);
}
