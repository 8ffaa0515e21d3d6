//! The pages as a browser without script uses them: forms, redirects, reloads.

use crate::start;
use test_basics::{Answer, Browser};
use test_cluster::Fleet;

const PASSWORD: &str = "correct horse battery";

/// A browser whose every request goes to another instance than the one before.
struct Walker {
    fleet: Fleet,
    browser: Browser,
    /// Whether the instance that answered is killed (SIGKILL) before the next request.
    kill: bool,
}

impl Walker {
    fn new(kill: bool) -> Self {
        Self { fleet: start(2), browser: Browser::default(), kill }
    }

    fn get(&mut self, path: &str) -> Answer {
        let to = self.fleet.next();
        let answer = self.browser.get(to, path);
        self.after(answer)
    }

    fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let to = self.fleet.next();
        let answer = self.browser.post(to, path, fields);
        self.after(answer)
    }

    fn after(&mut self, answer: Answer) -> Answer {
        assert!(answer.header("x-served-by").unwrap().starts_with("instance-"), "{answer:?}");
        if self.kill {
            self.fleet.kill_last();
        }
        answer
    }

    /// Posts the form twice, each time to another instance, and follows the redirect.
    fn post_twice(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let first = self.post(path, fields).location().to_owned();
        assert_eq!(self.post(path, fields).location(), first, "the same form a second time");
        self.get(&first)
    }

    fn register(&mut self, name: &str) {
        assert_eq!(self.post("/register", &[("name", name), ("password", PASSWORD)]).location(), "/?notice=registered");
    }
}

/// The value of the first field of this name on a page.
fn field<'a>(page: &'a Answer, name: &str) -> &'a str {
    let (_, rest) = page.body.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{page:?}"));
    rest.split('"').next().unwrap()
}

/// Id, title and tick of each task on a page.
fn tasks(page: &Answer) -> Vec<(String, String, bool)> {
    assert_eq!(page.status, 200, "{page:?}");
    let (list, _) = page.body.split_once("<template").unwrap();
    let between =
        |text: &str, from: &str, to: &str| text.split_once(from).unwrap().1.split_once(to).unwrap().0.to_owned();
    list.split("<li class=\"task")
        .skip(1)
        .map(|row| {
            let title = between(row, "<span class=\"title\">", "</span>");
            (between(row, "data-id=\"", "\""), title, row.starts_with(" done"))
        })
        .collect()
}

fn titles(page: &Answer) -> Vec<String> {
    tasks(page).into_iter().map(|(_, title, _)| title).collect()
}

fn walk(kill: bool) {
    let mut walker = Walker::new(kill);
    assert_eq!(walker.get("/").location(), "/login");
    assert!(walker.get("/login").body.contains("<h1>Log in</h1>"));
    assert!(walker.get("/register").body.contains("<h1>Register</h1>"));

    let page = walker.post_twice("/register", &[("name", "ada"), ("password", PASSWORD)]);
    assert!(page.body.contains("Welcome. You are registered and logged in."), "{page:?}");
    assert!(page.body.contains("answered by <b id=\"served-by\">instance-"), "{page:?}");
    assert!(tasks(&page).is_empty());

    // Add.
    for title in ["Buy milk", "Call Bob", "Water <plants> & \"herbs\""] {
        let page = walker.get("/");
        let id = field(&page, "id").to_owned();
        walker.post_twice("/tasks", &[("id", &id), ("title", title)]);
    }
    let page = walker.get("/?notice=added");
    assert!(page.body.contains("The task is added."));
    assert_eq!(titles(&page), ["Buy milk", "Call Bob", "Water &#60;plants&#62; &#38; &#34;herbs&#34;"]);
    let ids: Vec<String> = tasks(&page).into_iter().map(|(id, ..)| id).collect();

    // Tick, untick.
    let page = walker.post_twice(&format!("/tasks/{}/done", ids[0]), &[("done", "true")]);
    assert!(page.body.contains("The task is ticked."));
    assert_eq!(tasks(&page).iter().map(|(.., done)| *done).collect::<Vec<_>>(), [true, false, false]);
    let page = walker.post_twice(&format!("/tasks/{}/done", ids[0]), &[("done", "false")]);
    assert!(tasks(&page).iter().all(|(.., done)| !done));

    // Rename: the order stays.
    let page = walker.post_twice(&format!("/tasks/{}/title", ids[1]), &[("title", " Call Grace ")]);
    assert_eq!(titles(&page)[..2], ["Buy milk", "Call Grace"]);

    // Delete.
    let page = walker.post_twice(&format!("/tasks/{}/delete", ids[0]), &[]);
    assert_eq!(titles(&page).len(), 2);

    // A late resend of the add brings nothing back and loses nothing that was typed.
    let late = walker.post("/tasks", &[("id", &ids[0]), ("title", "Buy milk")]);
    assert_eq!(late.status, 410);
    assert!(late.body.contains("This task was deleted.") && late.body.contains("value=\"Buy milk\""), "{late:?}");
    assert_ne!(field(&late, "id"), ids[0], "the form has a fresh id");
    assert_eq!(titles(&walker.get("/")).len(), 2);

    // Share, and end it.
    let page = walker.get("/links");
    assert!(page.body.contains("Whoever has a link can read and change the whole list"), "{page:?}");
    let id = field(&page, "id").to_owned();
    let page = walker.post_twice("/links", &[("id", &id)]);
    assert_eq!(page.body.matches("/todos\"").count(), 1, "one link: {page:?}");
    let page = walker.post_twice(&format!("/links/{id}/end"), &[]);
    assert!(page.body.contains("The link has ended.") && !page.body.contains("/todos\""), "{page:?}");
    // A late resend does not bring it back.
    let late = walker.post("/links", &[("id", &id)]);
    assert_eq!((late.status, late.body.contains("This link was ended.")), (410, true), "{late:?}");

    // Change the password, log in with the new one, log out.
    assert!(walker.get("/account").body.contains("Change password"));
    let change = [("name", "ada"), ("old", PASSWORD), ("new", "another long password")];
    // The first answer is lost, and with it the new cookie: the second comes with the old one.
    let before = walker.browser.clone();
    let changed = walker.post("/password", &change).location().to_owned();
    walker.browser = before;
    assert_eq!(walker.post("/password", &change).location(), changed, "the same form a second time");
    let page = walker.get(&changed);
    assert!(page.body.contains("The password is changed."), "{page:?}");
    assert_eq!(walker.get("/").status, 200);
    assert_eq!(walker.post("/logout", &[]).location(), "/login?notice=out");
    assert_eq!(walker.get("/").location(), "/login");
    let refused = walker.post("/login", &[("name", "ada"), ("password", PASSWORD)]);
    assert_eq!(refused.status, 401);
    assert!(refused.body.contains("value=\"ada\"") && !refused.body.contains(PASSWORD), "{refused:?}");
    assert_eq!(walker.post("/login", &[("name", "ada"), ("password", "another long password")]).location(), "/");
    assert_eq!(titles(&walker.get("/")).len(), 2);
    assert_eq!(walker.post("/logout-everywhere", &[]).location(), "/login?notice=everywhere");
    assert_eq!(walker.get("/").location(), "/login");
}

#[test]
fn a_walk_through_all_pages_over_alternating_instances() {
    walk(false);
}

#[test]
fn the_same_walk_with_the_instance_killed_between_any_two_requests() {
    walk(true);
}

#[test]
fn a_refused_form_keeps_what_was_typed() {
    let mut walker = Walker::new(false);
    walker.register("ada");
    let long = "x".repeat(501);
    let page = walker.get("/");
    let answer = walker.post("/tasks", &[("id", field(&page, "id")), ("title", &long)]);
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("too long") && answer.body.contains(&format!("value=\"{long}\"")), "{answer:?}");

    let id = field(&answer, "id").to_owned();
    walker.post_twice("/tasks", &[("id", &id), ("title", &long[..500])]);
    let answer = walker.post(&format!("/tasks/{id}/title"), &[("title", &long)]);
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("<details open>") && answer.body.contains(&long), "{answer:?}");

    let answer = walker.post("/register", &[("name", "a\nb"), ("password", PASSWORD)]);
    assert_eq!(answer.status, 422, "{answer:?}");
    let answer = walker.post("/register", &[("name", "grace"), ("password", "short")]);
    assert_eq!(answer.status, 422, "{answer:?}");
    assert!(answer.body.contains("value=\"grace\"") && !answer.body.contains("short\""), "{answer:?}");
    let answer = walker.post("/register", &[("name", "ada"), ("password", "some other password")]);
    assert_eq!(answer.status, 409, "{answer:?}");
    let answer = walker.post("/password", &[("name", "ada"), ("old", "wrong password"), ("new", "a good password")]);
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(answer.body.contains("<h1>Account</h1>"), "{answer:?}");
}

#[test]
fn a_task_typed_while_the_session_ended_is_added_after_the_login() {
    let mut walker = Walker::new(false);
    walker.register("ada");
    let page = walker.get("/");
    let id = field(&page, "id").to_owned();
    let elsewhere = walker.fleet.next();
    walker.browser.clone().post(elsewhere, "/logout-everywhere", &[]);

    let login = walker.post("/tasks", &[("id", &id), ("title", "Buy milk")]);
    assert_eq!(login.status, 401);
    assert_eq!((field(&login, "draft_id"), field(&login, "draft_title")), (id.as_str(), "Buy milk"));
    let mut fields =
        vec![("name", "ada"), ("draft_id", &id), ("draft_title", "Buy milk"), ("password", "wrong password")];
    let again = walker.post("/login", &fields);
    assert_eq!((again.status, field(&again, "draft_title")), (401, "Buy milk"));
    fields[3].1 = PASSWORD;
    let page = walker.post_twice("/login", &fields);
    assert_eq!(titles(&page), ["Buy milk"]);
}

#[test]
fn a_form_whose_fate_is_not_known_comes_back_under_its_id() {
    let mut walker = Walker::new(false);
    walker.register("ada");
    let id = field(&walker.get("/"), "id").to_owned();
    let ticket = walker.fleet.hold_up_writers();
    let busy = walker.post("/tasks", &[("id", &id), ("title", "Buy milk")]);
    assert_eq!((busy.status, field(&busy, "id"), field(&busy, "title")), (503, id.as_str(), "Buy milk"));
    drop(ticket);
    let page = walker.post_twice("/tasks", &[("id", &id), ("title", "Buy milk")]);
    assert_eq!(titles(&page), ["Buy milk"]);
}

#[test]
fn addresses_that_only_take_forms_lead_home() {
    let mut walker = Walker::new(false);
    for path in ["/tasks", "/logout", "/password", "/tasks/x/done", "/links/x/end"] {
        assert_eq!(walker.get(path).location(), "/", "{path}");
    }
    let missing = walker.get("/nowhere");
    assert_eq!(missing.status, 404);
    assert!(missing.body.contains("There is nothing at this address."), "{missing:?}");
    let to = walker.fleet.next();
    let wrong = walker.browser.send(to, "PUT", "/login", "", "").unwrap();
    assert_eq!(wrong.status, 405);
    assert!(wrong.header("allow").unwrap().contains("POST"), "{wrong:?}");
}
