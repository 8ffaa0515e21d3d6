//! The JSON API: every write is sent twice, the second time to another instance, and is done once.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::start;
use test_basics::Browser;
use test_cluster::Fleet;

const PASSWORD: &str = "correct horse battery";

fn register(fleet: &mut Fleet, name: &str) -> Browser {
    let mut browser = Browser::default();
    let answer = browser.api(fleet.next(), "POST", "/api/register", json!({ "name": name, "password": PASSWORD }));
    assert_eq!(answer.status, 201, "{answer:?}");
    browser
}

/// The tasks, after making sure that all instances give the same.
fn tasks(fleet: &Fleet, browser: &mut Browser) -> Value {
    let answers: Vec<Value> = fleet.all().iter().map(|to| browser.get(*to, "/api/tasks").json()).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    answers[0]["tasks"].clone()
}

#[test]
fn every_write_sent_again_to_another_instance_is_done_once() {
    let mut fleet = start(3);
    let mut ada = register(&mut fleet, "ada");
    let (milk, bob) = (Uuid::new_v4(), Uuid::new_v4());
    for (id, title) in [(milk, "Buy milk"), (bob, "Call Bob")] {
        for status in [201, 200, 200] {
            let answer = ada.api(fleet.next(), "PUT", &format!("/api/tasks/{id}"), json!({ "title": title }));
            assert_eq!(answer.status, status, "{answer:?}");
            assert_eq!(answer.json(), json!({ "id": id.to_string(), "title": title, "done": false }));
        }
    }

    for _ in 0..2 {
        let answer = ada.api(fleet.next(), "PATCH", &format!("/api/tasks/{milk}"), json!({ "done": true }));
        assert_eq!((answer.status, answer.json()["done"].clone()), (200, json!(true)), "{answer:?}");
        let answer = ada.api(fleet.next(), "PATCH", &format!("/api/tasks/{bob}"), json!({ "title": "Call Grace" }));
        assert_eq!(answer.json(), json!({ "id": bob.to_string(), "title": "Call Grace", "done": false }));
    }
    // The add comes once more, late: the rename stands.
    let answer = ada.api(fleet.next(), "PUT", &format!("/api/tasks/{bob}"), json!({ "title": "Call Bob" }));
    assert_eq!((answer.status, answer.json()["title"].clone()), (200, json!("Call Grace")));
    // Another task under the same id is no resend.
    let answer = ada.api(fleet.next(), "PUT", &format!("/api/tasks/{bob}"), json!({ "title": "Call Carol" }));
    assert_eq!(answer.status, 409, "{answer:?}");
    assert_eq!(
        tasks(&fleet, &mut ada),
        json!([
            { "id": milk.to_string(), "title": "Buy milk", "done": true },
            { "id": bob.to_string(), "title": "Call Grace", "done": false },
        ])
    );

    for _ in 0..2 {
        let answer = ada.api(fleet.next(), "DELETE", &format!("/api/tasks/{milk}"), json!({}));
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    // And once more the add: the task does not come back.
    let answer = ada.api(fleet.next(), "PUT", &format!("/api/tasks/{milk}"), json!({ "title": "Buy milk" }));
    assert_eq!(answer.status, 410, "{answer:?}");
    let answer = ada.api(fleet.next(), "PATCH", &format!("/api/tasks/{milk}"), json!({ "done": false }));
    assert_eq!(answer.status, 404, "{answer:?}");
    assert_eq!(tasks(&fleet, &mut ada).as_array().unwrap().len(), 1);
}

#[test]
fn registering_logging_in_and_out_may_be_sent_again() {
    let mut fleet = start(3);
    let credentials = json!({ "name": "ada", "password": PASSWORD });
    let mut ada = Browser::default();
    for _ in 0..2 {
        let answer = ada.api(fleet.next(), "POST", "/api/register", credentials.clone());
        assert_eq!((answer.status, answer.json()["name"].clone()), (201, json!("ada")), "{answer:?}");
    }
    assert_eq!(ada.get(fleet.next(), "/api/me").json()["name"], "ada");
    for _ in 0..2 {
        let answer = ada.api(fleet.next(), "POST", "/api/login", credentials.clone());
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for _ in 0..2 {
        assert_eq!(ada.api(fleet.next(), "POST", "/api/logout", json!({})).status, 204);
    }
    assert_eq!(ada.get(fleet.next(), "/api/me").status, 401);
}

#[test]
fn a_password_change_sent_again_counts_as_done() {
    let mut fleet = start(2);
    let ada = register(&mut fleet, "ada");
    let change = json!({ "name": "ada", "old": PASSWORD, "new": "another long password" });
    // The answer to the first is lost, and with it the new cookie: the second comes with the old one.
    let first = ada.clone().api(fleet.next(), "POST", "/api/password", change.clone());
    assert_eq!(first.status, 204, "{first:?}");
    let mut again = ada.clone();
    assert_eq!(again.api(fleet.next(), "POST", "/api/password", change.clone()).status, 204);
    assert_eq!(again.get(fleet.next(), "/api/me").status, 200);
    // With the new session it is another change, whose old password is wrong.
    assert_eq!(again.api(fleet.next(), "POST", "/api/password", change).status, 403);
    assert_eq!(again.get(fleet.next(), "/api/me").status, 200);
}

#[test]
fn users_do_not_share_ids() {
    let mut fleet = start(2);
    let mut ada = register(&mut fleet, "ada");
    let mut bob = register(&mut fleet, "bob");
    let task = format!("/api/tasks/{}", Uuid::new_v4());
    assert_eq!(ada.api(fleet.next(), "PUT", &task, json!({ "title": "Ada's" })).status, 201);
    assert_eq!(bob.api(fleet.next(), "PATCH", &task, json!({ "done": true })).status, 404);
    assert_eq!(bob.api(fleet.next(), "DELETE", &task, json!({})).status, 404);
    assert_eq!(bob.api(fleet.next(), "PUT", &task, json!({ "title": "Bob's" })).status, 201);
    assert_eq!(tasks(&fleet, &mut ada)[0]["title"], "Ada's");
    assert_eq!(tasks(&fleet, &mut bob)[0]["title"], "Bob's");
}

#[test]
fn a_thousand_tasks_fit_and_the_limit_holds_over_all_instances() {
    let mut fleet = start(2);
    let mut ada = register(&mut fleet, "ada");
    let ids: Vec<Uuid> = (0..1000).map(|_| Uuid::new_v4()).collect();
    for (number, id) in ids.iter().enumerate() {
        let answer = ada.api(fleet.next(), "PUT", &format!("/api/tasks/{id}"), json!({ "title": number.to_string() }));
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    let one_more = format!("/api/tasks/{}", Uuid::new_v4());
    for to in fleet.all() {
        let answer = ada.api(to, "PUT", &one_more, json!({ "title": "one more" }));
        assert_eq!(answer.status, 409, "{answer:?}");
        assert!(answer.error().contains("1000 tasks"), "{answer:?}");
    }
    // A resend of one that is there is still a success, and a deleted one makes room.
    let again = ada.api(fleet.next(), "PUT", &format!("/api/tasks/{}", ids[999]), json!({ "title": "999" }));
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(ada.api(fleet.next(), "DELETE", &format!("/api/tasks/{}", ids[0]), json!({})).status, 204);
    assert_eq!(ada.api(fleet.next(), "PUT", &one_more, json!({ "title": "one more" })).status, 201);
    let all = tasks(&fleet, &mut ada);
    let order: Vec<&str> = all.as_array().unwrap().iter().map(|task| task["title"].as_str().unwrap()).collect();
    assert_eq!((order.len(), order[0], order[998], order[999]), (1000, "1", "999", "one more"));
}
