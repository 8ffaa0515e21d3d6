//! What every answer bears, and that all instances give the same files.

use crate::start;
use test_basics::Browser;

#[test]
fn every_answer_names_its_instance_and_sets_the_rules() {
    let mut fleet = start(2);
    for path in ["/", "/login", "/nowhere", "/api/me", "/api/nowhere", "/static/0/todo.css"] {
        let (one, two) = (Browser::default().get(fleet.next(), path), Browser::default().get(fleet.next(), path));
        assert_ne!(one.header("x-served-by"), two.header("x-served-by"), "{path}");
        for answer in [one, two] {
            let policy = answer.header("content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
            assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{path}");
            let cache = answer.header("cache-control").unwrap();
            assert_eq!(cache, if path.starts_with("/static") { "no-cache" } else { "no-store" }, "{path}");
        }
    }
}

#[test]
fn files_have_the_same_address_and_content_on_all_instances() {
    let fleet = start(2);
    let mut browser = Browser::default();
    browser.post(fleet.at(0), "/register", &[("name", "ada"), ("password", "correct horse battery")]);
    let addresses = |page: String| -> Vec<String> {
        let found = page.split('"').filter(|part| part.starts_with("/static/"));
        found.map(str::to_owned).collect()
    };
    let (one, two) = (browser.get(fleet.at(0), "/").body, browser.get(fleet.at(1), "/").body);
    assert!(!one.contains("http:") && !one.contains("https:") && !one.contains(" style="), "nothing from elsewhere");
    let files = addresses(one);
    assert_eq!((files.len(), &files), (4, &addresses(two)));
    for file in files {
        let (one, two) = (browser.get(fleet.at(0), &file), browser.get(fleet.at(1), &file));
        assert_eq!((one.status, one.header("cache-control")), (200, Some("public, max-age=31536000, immutable")));
        assert_eq!(one.body, two.body);
    }
    assert_eq!(browser.get(fleet.at(0), "/static/0/nothing.css").status, 404);
}

#[test]
fn an_instance_says_that_it_is_alive_and_ready() {
    let fleet = start(1);
    for path in ["/livez", "/readyz"] {
        assert_eq!(Browser::default().get(fleet.at(0), path).status, 200, "{path}");
    }
}

#[test]
fn sigterm_ends_an_instance_in_peace_and_the_other_goes_on() {
    let mut fleet = start(2);
    let mut ada = Browser::default();
    ada.post(fleet.at(0), "/register", &[("name", "ada"), ("password", "correct horse battery")]);
    assert_eq!(fleet.terminate(0), Some(0));
    assert_eq!(ada.get(fleet.at(0), "/").status, 200);
}
