//! A log that cannot be written takes nothing from those who use the list.

use serde_json::json;
use test_basics::Browser;
use test_cluster::unwritable;

use crate::{program, start};

#[test]
fn a_log_that_cannot_be_written_changes_no_answer() {
    for (number, (case, log)) in unwritable().into_iter().enumerate() {
        let mut fleet = start(2);
        fleet.replace_unheard(1, log);
        let who = json!({ "name": "ada", "password": "correct horse battery" });
        let mut browser = Browser::default();
        let answer = browser.api(fleet.at(1), "POST", "/api/register", who);
        assert_eq!(answer.status, 201, "{case}: {answer:?}");
        let path = format!("/api/tasks/00000000-0000-4000-8000-{number:012}");
        let answer = browser.api(fleet.at(1), "PUT", &path, json!({ "title": "milk" }));
        assert_eq!(answer.status, 201, "{case}: {answer:?}");
        for to in fleet.all() {
            let list = browser.get(to, "/api/tasks");
            assert!(list.status == 200 && list.body.contains("milk"), "{case}: {list:?}");
        }
        assert_eq!(fleet.terminate(1), Some(0), "{case}");
    }
}

#[test]
fn a_refusal_that_cannot_be_written_leaves_its_exit_code() {
    for (case, log) in unwritable() {
        let status = program().command().stderr(log).status().unwrap();
        assert_eq!(status.code(), Some(2), "{case}");
    }
}
