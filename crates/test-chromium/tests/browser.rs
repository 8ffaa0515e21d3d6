//! The browser itself: it finds things by what they are, and nothing of it is left.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use test_basics::eventually;
use test_chromium::{Browser, Look};

const PAGE: &str = "data:text/html,<title>x</title><h1>Hello</h1><label>Name <input></label>\
    <button onclick='this.textContent=document.querySelector(%22input%22).value'>Greet</button>";

/// The processes that have such words in their command line or environment.
fn processes(words: &str) -> Vec<String> {
    let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let said = all.filter_map(|path| {
        let bytes = [fs::read(path.join("cmdline")).ok()?, fs::read(path.join("environ")).ok()?].concat();
        Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
    });
    said.filter(|text| text.contains(words)).collect()
}

#[test]
fn a_browser_finds_clicks_and_types_and_leaves_nothing_behind() {
    if std::env::var_os("FUNGIBLE_QUICK").is_some() {
        return; // scripts/check --quick leaves it out
    }
    let mut home = String::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let browser = Browser::new();
        browser.open(PAGE);
        assert_eq!(browser.role("heading", "Hello").text(), "Hello");
        browser.field("Name").write("Ada");
        browser.role("button", "Greet").click();
        browser.says("button", "Ada");
        browser.look(Look::DARK_PHONE);
        let width = browser.script("return [innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]", &[]);
        // A page that does not say that it fits phones is laid out for desks.
        assert_eq!(width[1], true, "{width}");
        assert_eq!(browser.picture()[1..4], *b"PNG");
        browser.home().to_str().unwrap().clone_into(&mut home);
        assert!(processes(&home).len() > 2);
        panic!("the test fails");
    }));
    assert!(panicked.unwrap_err().is::<&str>() && !home.is_empty(), "it panicked where it should");
    // What was killed is gone a moment later.
    eventually("the end of all processes", || processes(&home).is_empty().then_some(()));
    assert!(!fs::exists(&home).unwrap());
}
