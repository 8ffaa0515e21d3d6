//! Bodies of each kind and encoding: equal in other bytes is clean, one other leaf is found.

use std::io::Write as _;

use super::world::{Log, against, clean, compare, found, run, token};
use crate::exchange::{Body, Outcome};

fn gzip(text: &str, level: u32, time: u32) -> Vec<u8> {
    let mut out = flate2::GzBuilder::new().mtime(time).write(Vec::new(), flate2::Compression::new(level));
    out.write_all(text.as_bytes()).unwrap();
    out.finish().unwrap()
}

fn packed(nth: u64, encoding: &str, bytes: Vec<u8>) -> Log {
    run(nth).get("/").answer(200, "application/json", bytes).field("content-encoding", encoding)
}

#[test]
fn packed_bodies_are_unpacked() {
    let level = |nth: u64| u32::try_from(nth).unwrap() * 3;
    let body = |nth: u64, n: u32| format!(r#"{{"token":"{}","n":{n}}}"#, token(nth, "a"));
    let story = |nth, n| packed(nth, "gzip", gzip(&body(nth, n), level(nth), level(nth)));
    clean(&compare(|nth| story(nth, 1)));
    found(&against(|nth| story(nth, 1), story(3, 2)), 1, "body $.n");
    let story = |nth, n| {
        let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(level(nth)));
        out.write_all(body(nth, n).as_bytes()).unwrap();
        packed(nth, "deflate", out.finish().unwrap())
    };
    clean(&compare(|nth| story(nth, 1)));
    found(&against(|nth| story(nth, 1), story(3, 2)), 1, "body $.n");
    let story = |nth, n| {
        let bytes =
            ruzstd::encoding::compress_to_vec(body(nth, n).as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
        packed(nth, "zstd", bytes)
    };
    clean(&compare(|nth| story(nth, 1)));
    found(&against(|nth| story(nth, 1), story(3, 2)), 1, "body $.n");
}

/// Made by the reference encoder: `{"n":1}` and `{"n":2}`, stored and compressed.
#[test]
fn brotli() {
    let stored = |text: &str| {
        // A metablock without compression, then the empty last one.
        let length = u32::try_from(text.len() - 1).unwrap();
        // Window 16 (one zero bit), not last, four nibbles, length, uncompressed.
        let head: u32 = length << 4 | 1 << 20;
        let mut bytes = head.to_le_bytes()[..3].to_vec();
        bytes.extend(text.bytes());
        bytes.push(3);
        bytes
    };
    let story = |nth, n: u32| packed(nth, "br", stored(&format!(r#"{{"token":"{}","n":{n}}}"#, token(nth, "a"))));
    clean(&compare(|nth| story(nth, 1)));
    found(&against(|nth| story(nth, 1), story(3, 2)), 1, "body $.n");
}

#[test]
fn unknown_encodings_that_vary_are_not_compared() {
    let story = |nth, byte: u8| packed(nth, "pack200", vec![byte, 255, 254]);
    clean(&compare(|nth| story(nth, 1)));
    assert_eq!(compare(|nth| story(nth, 1)).not_compared, []);
    found(&against(|nth| story(nth, 1), story(3, 2)), 1, "body");
    let comparison = compare(|nth| story(nth, u8::try_from(nth).unwrap()));
    clean(&comparison);
    assert_eq!(comparison.not_compared.len(), 1);
    assert!(comparison.not_compared[0].reason.contains("pack200"), "{:?}", comparison.not_compared);
}

#[test]
fn binary_by_its_hash() {
    let story = |nth, byte: u8| run(nth).get("/a.png").answer(200, "image/png", vec![137, 80, 0, 255, byte]);
    clean(&compare(|nth| story(nth, 1)));
    found(&against(|nth| story(nth, 1), story(3, 2)), 1, "body");
    let comparison = compare(|nth| story(nth, u8::try_from(nth).unwrap()));
    clean(&comparison);
    assert_eq!(comparison.not_compared.len(), 1);
    let large = |nth, byte: u8| {
        run(nth).get("/film").outcome(Outcome::Answered {
            status: 200,
            headers: Vec::new(),
            body: Body::Hashed { sha256: [byte; 32], length: 1 << 30 },
            complete: true,
        })
    };
    clean(&compare(|nth| large(nth, 1)));
    found(&against(|nth| large(nth, 1), large(3, 2)), 1, "body");
}

#[test]
fn each_kind_of_body() {
    let kinds: &[(&str, &str, &str)] = &[
        ("application/json", r#"{"a":{"b":[1,"LEAF",null]}}"#, "body $.a.b[1]"),
        ("application/problem+json", r#"[{"a":1,"b":"LEAF"}]"#, "body $[0].b"),
        ("text/html", "<p>one</p><p class=x>LEAF</p>", "body p[1] > text[0]"),
        ("text/html", "<a title='LEAF'>x</a>", "body a[0] @title"),
        ("text/xml", "<d:href xmlns:d='DAV:'><d:x>LEAF</d:x></d:href>", "body d:href[0] > d:x[0] > text[0]"),
        ("application/x-www-form-urlencoded", "a=1&b=LEAF", "body $.b"),
        ("text/plain", "one\ntwo LEAF three\n", "body line 2"),
        ("text/css", "a { color: LEAF }", "body line 1"),
        ("application/x-ndjson", "{\"a\":1}\n{\"a\":\"LEAF\"}\n", "body $[1].a"),
        ("text/event-stream", "id: 1\ndata: x\n\n: beat\n\nevent: y\ndata: {\"a\":\"LEAF\"}\n\n", "body $[1].data.a"),
        ("application/json", r#"{"content":[{"text":"{\"deep\":\"LEAF\"}"}]}"#, "body $.content[0].text.deep"),
        ("", "{\"a\":\"LEAF\"}", "body $.a"),
    ];
    for (kind, body, place) in kinds {
        let story = |nth, leaf: &str| run(nth).get("/").answer(200, kind, body.replace("LEAF", leaf));
        clean(&compare(|nth| story(nth, "on")));
        clean(&compare(|nth| story(nth, &token(nth, "leaf"))));
        found(&against(|nth| story(nth, "on"), story(3, "off")), 1, place);
        found(&against(|nth| story(nth, "on"), story(3, "")), 1, place);
    }
}

#[test]
fn fields_that_are_sets() {
    let story =
        |nth, cache: &str, vary: &str| run(nth).get("/").text("x").field("cache-control", cache).field("vary", vary);
    let base = |nth| story(nth, "private, max-age=0", "Accept, Cookie");
    clean(&against(base, story(3, "max-age=0,private", "cookie, accept")));
    found(&against(base, story(3, "private, max-age=9", "Accept, Cookie")), 1, "header cache-control.max-age");
    found(&against(base, story(3, "private, max-age=0", "Accept")), 1, "header vary.cookie");
}

#[test]
fn cookies_by_name_with_attributes_apart() {
    let story = |nth: u64, cookie: &str| run(nth).get("/").text("x").field("set-cookie", cookie);
    let base = |nth| story(nth, &format!("sid={}; Path=/; HttpOnly", token(nth, "sid")));
    clean(&against(base, story(3, &format!("sid={}; HttpOnly; path=/", token(3, "sid")))));
    found(&against(base, story(3, &format!("sid={}; Path=/", token(3, "sid")))), 1, "header set-cookie sid.httponly");
    found(
        &against(base, story(3, &format!("other={}; Path=/; HttpOnly", token(3, "sid")))),
        1,
        "header set-cookie sid",
    );
}

#[test]
fn nonsense_stops_nobody() {
    let deep = "<div>".repeat(5000);
    let deep_json = "[".repeat(5000);
    for (kind, body) in [
        ("text/html", deep.as_str()),
        ("application/json", &deep_json),
        ("application/json", "{"),
        ("text/html", "<a <b =>"),
    ] {
        let story = |nth: u64, more: &str| run(nth).get("/").answer(200, kind, format!("{body}{more}"));
        clean(&compare(|nth| story(nth, "x")));
        assert!(!against(|nth| story(nth, "x"), story(3, "y")).deviations.is_empty(), "{kind}");
    }
    clean(&compare(|nth| packed(nth, "gzip", b"not gzip at all".to_vec())));
}

#[test]
fn messages_that_vary_and_cannot_be_read_are_not_compared() {
    let story = |nth, byte: u8| {
        let message = |data: &[u8]| Body::Kept(data.to_vec().into());
        run(nth).get("/chat").status(101).frame(false, "hello").message(false, message(&[0, 255, byte]))
    };
    clean(&compare(|nth| story(nth, 1)));
    assert_eq!(compare(|nth| story(nth, 1)).not_compared, []);
    found(&against(|nth| story(nth, 1), story(3, 2)), 1, "frames $[1]");
    let comparison = compare(|nth| story(nth, u8::try_from(nth).unwrap()));
    clean(&comparison);
    assert_eq!(comparison.not_compared.len(), 1);
}

#[test]
fn a_body_may_be_kept_in_one_run_and_hashed_in_another() {
    let kept = Body::Kept("the same text".into());
    let other = Body::Kept("other text".into());
    let page = |nth, body: &Body| {
        let answer = Outcome::Answered { status: 200, headers: Vec::new(), body: body.clone(), complete: true };
        run(nth).get("/").outcome(answer)
    };
    let chat = |nth, body: &Body| run(nth).get("/chat").status(101).message(false, body.clone());
    clean(&against(|nth| page(nth, &kept), page(3, &kept.by_hash())));
    clean(&against(|nth| page(nth, &kept.by_hash()), page(3, &kept)));
    found(&against(|nth| page(nth, &kept), page(3, &other.by_hash())), 1, "body");
    clean(&against(|nth| chat(nth, &kept), chat(3, &kept.by_hash())));
    found(&against(|nth| chat(nth, &kept.by_hash()), chat(3, &other)), 1, "frames $[0]");
}

#[test]
fn an_event_stream_by_its_events() {
    let story = |nth, said: &str| {
        run(nth)
            .get("/news")
            .answer(200, "text/event-stream", "")
            .frame(false, &format!("id: {}\ndata: {{\"n\": 1}}\n", token(nth, "event")))
            .frame(false, &format!("event: said\ndata: {{\"say\": \"{said}\"}}\n"))
    };
    clean(&compare(|nth| story(nth, "hi")));
    found(&against(|nth| story(nth, "hi"), story(3, "nothing")), 1, "frames $[1].data.say");
    let silent = || run(3).get("/news").answer(200, "text/event-stream", "");
    found(&against(|nth| story(nth, "hi"), silent()), 1, "frames $[0]");
    // That the client hung up says nothing of the events before.
    clean(&against(|nth| story(nth, "hi").cut_short(), story(3, "hi").cut_short()));
    assert_eq!(compare(|nth| story(nth, "hi").cut_short()).not_compared, []);
}
