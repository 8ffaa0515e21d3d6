//! Stories told by real frameworks.

use super::world::{Log, against, clean, compare, found, run, token};
use crate::prove::deviation::DeviationKind;

#[test]
fn express_sessions_and_their_twin() {
    // connect.sid is set anew where the store does not know it.
    let story = |nth: u64, knows: bool| {
        let cookie =
            |name: &str| format!("connect.sid=s%3A{}.{}", token(nth, name), &token(nth, &format!("sig {name}"))[..27]);
        let log = run(nth)
            .post_json("/login", r#"{"user":"ann"}"#)
            .json(r#"{"ok":true}"#)
            .field("set-cookie", &format!("{}; Path=/; HttpOnly", cookie("a")))
            .on("i2")
            .get("/me")
            .with("cookie", &cookie("a"));
        if knows {
            log.json(r#"{"user":"ann","views":1}"#)
        } else {
            log.json(r#"{"error":"not logged in"}"#)
                .status(401)
                .field("set-cookie", &format!("{}; Path=/; HttpOnly", cookie("b")))
        }
    };
    clean(&compare(|nth| story(nth, true)));
    found(&against(|nth| story(nth, true), story(3, false)), 2, "status");
}

#[test]
fn mcp_over_streamable_http() {
    let story = |nth: u64, known: bool| {
        let session = token(nth, "session");
        let log = run(nth)
            .post_json("/mcp", r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#)
            .answer(200, "text/event-stream", format!("event: message\nid: {}\ndata: {{\"result\":{{\"serverInfo\":{{\"name\":\"x\"}}}},\"jsonrpc\":\"2.0\",\"id\":1}}\n\n", token(nth, "event")))
            .field("mcp-session-id", &session)
            .on("i2")
            .post_json("/mcp", r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#)
            .with("mcp-session-id", &session);
        if known {
            log.answer(
                200,
                "text/event-stream",
                "event: message\ndata: {\"result\":{\"tools\":[]},\"jsonrpc\":\"2.0\",\"id\":2}\n\n",
            )
        } else {
            log.answer(
                404,
                "application/json",
                r#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}"#,
            )
        }
    };
    clean(&compare(|nth| story(nth, true)));
    found(&against(|nth| story(nth, true), story(3, false)), 2, "status");
}

#[test]
fn a_flash_message_is_lost() {
    let story = |nth: u64, flash: bool| {
        let flash = if flash { "<div class=\"flash\">Saved.</div>" } else { "" };
        run(nth)
            .post("/save", "a=1")
            .status(303)
            .field("location", "/")
            .get("/")
            .html(&format!("{flash}<h1>Home</h1><p>x</p>"))
    };
    clean(&compare(|nth| story(nth, true)));
    let differences = against(|nth| story(nth, true), story(3, false)).deviations;
    assert_eq!(differences.len(), 1, "{differences:#?}");
    assert_eq!(differences[0].baseline, "<div>Saved.</div>");
}

#[test]
fn httpbin_echoes_what_it_was_sent() {
    let story = |nth: u64| {
        let log = run(nth).on(if nth == 3 { "i7" } else { "i1" });
        log.get("/get?x=1")
            .with("x-token", &token(nth, "mine"))
            .json(&format!(
                r#"{{"args":{{"x":"1"}},"headers":{{"Host":"127.0.0.1:40001","X-Token":"{}"}},"origin":"127.0.0.1","url":"http://127.0.0.1:40001/get?x=1"}}"#,
                token(nth, "mine")
            ))
            .get("/uuid")
            .json(&format!(r#"{{"uuid":"{}"}}"#, token(nth, "uuid")))
            .get("/bytes/16")
            .answer(200, "application/octet-stream", [vec![0, 255], token(nth, "bytes").into_bytes()].concat())
    };
    let comparison = compare(story);
    clean(&comparison);
    assert_eq!(comparison.not_compared.len(), 1);
}

#[test]
fn a_job_that_is_forgotten() {
    let story = |nth: u64, polls: &[&str], status: u16| {
        let id = token(nth, "job");
        let log = run(nth).post_json("/jobs", "{}").answer(
            202,
            "application/json",
            format!(r#"{{"job":"{id}","state":"queued"}}"#),
        );
        polls.iter().fold(log, |log, state| {
            let log = log
                .get(&format!("/jobs/{id}"))
                .json(&format!(r#"{{"job":"{id}","state":"{state}","progress":{}}}"#, state.len()));
            if *state == "gone" { log.status(status) } else { log }
        })
    };
    let baselines =
        |nth: u64| story(nth, if nth == 1 { &["running", "done"] } else { &["running", "running", "done"] }, 0);
    clean(&against(baselines, story(3, &["done"], 0)));
    found(&against(baselines, story(3, &["running", "gone"], 404)), 3, "status");
}

#[test]
fn upload_parts_are_missing() {
    let story = |nth: u64, got: &str| {
        let id = token(nth, "upload");
        run(nth)
            .post_json("/uploads", "{}")
            .json(&format!(r#"{{"upload":"{id}"}}"#))
            .send("PUT", &format!("/uploads/{id}/0"), "application/octet-stream", "abc")
            .status(204)
            .send("PUT", &format!("/uploads/{id}/1"), "application/octet-stream", "def")
            .status(204)
            .get(&format!("/uploads/{id}"))
            .json(&format!(r#"{{"parts":{got}}}"#))
    };
    clean(&compare(|nth| story(nth, "[0,1]")));
    found(&against(|nth| story(nth, "[0,1]"), story(3, "[1]")), 4, "body $.parts[0]");
}

#[test]
fn a_list_of_random_names_in_random_order_with_ids_from_blocks() {
    let story = |nth: u64, ids: [u32; 2], turned: bool| -> Log {
        let names = [format!("user{}", &token(nth, "n1")[..6]), format!("user{}", &token(nth, "n2")[..6])];
        let mut log = run(nth);
        for (name, id) in names.iter().zip(ids) {
            log = log.post("/users", &format!("name={name}")).answer(
                201,
                "application/json",
                format!(r#"{{"id":{id},"name":"{name}"}}"#),
            );
        }
        let mut rows: Vec<String> =
            names.iter().zip(ids).map(|(name, id)| format!(r#"{{"id":{id},"name":"{name}"}}"#)).collect();
        if turned {
            rows.reverse();
        }
        let log = log.get("/users").json(&format!("[{}]", rows.join(",")));
        ids.iter().zip(&names).fold(log, |log, (id, name)| {
            log.get(&format!("/users/{id}")).html(&format!("<h1>{name}</h1><a href=\"/users/{id}/edit\">edit</a>"))
        })
    };
    let baselines = |nth: u64| story(nth, [1, 2], nth == 2);
    clean(&against(baselines, story(3, [1, 2], false)));
    clean(&against(baselines, story(3, [1, 2], true)));
    clean(&against(baselines, story(3, [1, 33], true)));
    clean(&against(baselines, story(3, [34, 1], false)));
    let twice = against(baselines, story(3, [1, 1], false));
    assert_eq!(twice.deviations[0].kind, DeviationKind::Collision, "{twice:#?}");
    assert_eq!(twice.deviations[0].exchange, Some(2));
}

#[test]
fn permutations_of_ids_by_two_writers_at_once() {
    // Who comes first gets the lower id: which is as good.
    let story = |nth: u64, ids: [u32; 2]| {
        let mut log = run(nth);
        for (title, id) in ["milk", "bread"].iter().zip(ids) {
            log = log
                .post_json("/items", &format!(r#"{{"title":"{title}"}}"#))
                .json(&format!(r#"{{"id":{id},"title":"{title}"}}"#));
        }
        log.meanwhile()
    };
    clean(&against(|nth| story(nth, [1, 2]), story(3, [2, 1])));
}

#[test]
fn a_counter_of_the_process_in_a_label_is_still_found() {
    // "instance 8f.., requests served: n" names the instance and counts what it alone has seen.
    let story = |nth: u64, served: [u32; 2]| {
        served.iter().enumerate().fold(run(nth), |log, (at, served)| {
            let name = if nth < 3 { "i1".to_owned() } else { format!("i{at}") };
            let boot = token(nth, &name);
            log.on(&name).get(&format!("/{at}")).text(&format!("instance {boot}, requests served: {served}"))
        })
    };
    clean(&against(|nth| story(nth, [1, 2]), story(3, [1, 2])));
    let difference = found(&against(|nth| story(nth, [1, 2]), story(3, [1, 1])), 2, "body line 1");
    assert_eq!((difference.baseline.as_str(), difference.attack.as_str()), ("2", "1"));
}

#[test]
fn a_stream_that_ends_when_it_is_told_is_compared_as_far_as_it_goes() {
    let story = |nth: u64, frames: &[u64]| {
        let log = frames.iter().fold(run(nth).get("/films/1"), |log, n| log.frame(false, &format!("frame {n}")));
        log.frame(false, "stopped")
    };
    let baseline = |nth: u64| story(nth, if nth == 1 { &[1, 2, 3, 4] } else { &[1, 2, 3, 4, 5, 6] });
    let sooner = against(baseline, story(3, &[1, 2, 3, 4, 5]));
    clean(&sooner);
    assert_eq!(sooner.not_compared, []);
    let with_a_gap = against(baseline, story(3, &[1, 3, 4, 5, 6]));
    assert!(!with_a_gap.deviations.is_empty() || !with_a_gap.not_compared.is_empty(), "{with_a_gap:#?}");
}
