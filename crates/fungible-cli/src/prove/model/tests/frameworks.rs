//! What real frameworks, libraries and servers write: what of it is noise, and what is not.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::world::{Log, against, run, token};

/// One answer to `GET /`, or with a field.
fn says(nth: u64, text: &str) -> Log {
    run(nth).get("/").text(text)
}

fn json(nth: u64, text: &str) -> Log {
    run(nth).get("/").json(text)
}

fn field(nth: u64, name: &str, value: &str) -> Log {
    says(nth, "x").field(name, value)
}

/// Tries everything before it complains.
#[derive(Default)]
struct Tried(Vec<String>);

impl Tried {
    fn clean(&mut self, what: &str, story: impl Fn(u64) -> Log) {
        for attack in 3..6 {
            let differences = against(&story, story(attack)).deviations;
            if let Some(first) = differences.first() {
                self.0.push(format!("a false alarm: {what}: {}: {} -> {}", first.place, first.baseline, first.attack));
                return;
            }
        }
    }

    fn found(&mut self, what: &str, baseline: impl Fn(u64) -> Log, attack: Log) {
        if against(baseline, attack).deviations.is_empty() {
            self.0.push(format!("a miss: {what}"));
        }
    }
}

impl Drop for Tried {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_empty(), "\n{}", self.0.join("\n"));
        }
    }
}

#[test]
fn limits_and_times_in_headers() {
    let mut tried = Tried::default();
    let now = |nth: u64| run(nth).now();
    tried.clean("reset as epoch", |n| field(n, "x-ratelimit-reset", &(now(n) + 60).to_string()));
    tried.clean("reset in seconds", |n| field(n, "ratelimit-reset", &(60 - n).to_string()));
    tried.clean("draft 7", |n| field(n, "ratelimit", &format!("limit=10, remaining=8, reset={}", 60 - n / 2)));
    tried.clean("draft 8", |n| field(n, "ratelimit", &format!("\"default\";r=8;t={}", 60 - n)));
    for (what, at) in [("reset", 4_u64), ("seconds", 9)] {
        let steady = |_: u64, left: u64| format!("limit=10, remaining={left}, reset=6{}", at % 2);
        tried.found(what, |n| field(n, "ratelimit", &steady(n, 8)), field(3, "ratelimit", &steady(3, 9)));
    }
    tried.found(
        "draft 8",
        |n| field(n, "ratelimit", "\"default\";r=8;t=60"),
        field(3, "ratelimit", "\"default\";r=9;t=60"),
    );
    tried.clean("draft 7, agreed", |n| {
        field(n, "ratelimit", &format!("limit=10, remaining=8, reset={}", if n < 3 { 60 } else { 57 }))
    });
    tried.clean("draft 8, agreed", |n| {
        field(n, "ratelimit", &format!("\"default\";r=8;t={}", if n < 3 { 60 } else { 57 }))
    });
    tried.clean("retry-after", |n| field(n, "retry-after", &(if n < 3 { 60 } else { 58 }).to_string()));
    tried.clean("server-timing", |n| {
        field(n, "server-timing", &format!("db;dur={}.2, app;dur=4{n}.1, cache;desc=\"x\"", n * 7))
    });
    tried.clean("server-timing, agreed", |n| {
        field(n, "server-timing", if n < 3 { "total;dur=1" } else { "total;dur=2" })
    });
    tried.clean("x-runtime", |n| field(n, "x-runtime", &format!("0.00{}", 3210 + n)));
    tried.clean("x-process-time", |n| {
        field(n, "x-process-time", if n < 3 { "0.000123" } else { "9.5367431640625e-05" })
    });
    tried.clean("x-response-time", |n| field(n, "x-response-time", if n < 3 { "1ms" } else { "2.317ms" }));
    tried.clean("x-response-time, whole", |n| field(n, "x-response-time", if n < 3 { "1" } else { "2" }));
    tried.clean("cache hits", |n| field(n, "x-cache-hits", if n < 3 { "1" } else { "0" }));
    tried.clean("cloudfront", |n| {
        field(n, "x-cache", if n < 3 { "Hit from cloudfront" } else { "Miss from cloudfront" })
    });
    tried.clean("nonce in a preload", |n| {
        field(n, "link", &format!("</a.css>; rel=preload; nonce=\"{}\"", token(n, "nonce")))
    });
    tried.clean("boundary", |n| field(n, "content-type", &format!("multipart/mixed; boundary=----{}", token(n, "b"))));
    for clock in [|t: &str| t.replace(':', "-"), |t: &str| t.replace(':', "")] {
        tried.clean("download", |n| {
            let name = format!("attachment; filename=\"export-2026-11-23T{}.csv\"", clock(&time(40 * n)));
            field(n, "content-disposition", &name)
        });
        tried.clean("download", |n| {
            let name =
                format!("attachment; filename=\"export_20261123_{}.csv\"", clock(&time(40 * n)).replace('-', ""));
            field(n, "content-disposition", &name)
        });
    }
    let order = |n: u64, second: u64| {
        let made =
            |log: Log, nth: u64| log.post("/orders", "item=x").json(&format!(r#"{{"order":"20261123-{nth:06}"}}"#));
        made(made(run(n), 1), second)
    };
    tried.found("the same order twice", |n| order(n, 2), order(3, 1));
    tried.clean("max-age that runs down", |n| {
        field(n, "cache-control", &format!("public, max-age={}", if n < 3 { 3600 } else { 3571 }))
    });
    tried.found("max-age", |n| field(n, "cache-control", "max-age=3600"), field(3, "cache-control", "no-store"));
    tried.found("location", |n| field(n, "location", "/welcome"), field(3, "location", "/login"));
    tried.found("vary", |n| field(n, "vary", "accept"), field(3, "vary", "accept, cookie"));
    tried.found("www-authenticate", |n| field(n, "x-user", "ann"), field(3, "x-user", "guest"));
    tried.clean("last-modified", |n| field(n, "last-modified", &format!("Mon, 23 Nov 2026 {} GMT", time(40 * n))));
}

/// So many seconds after the beginning of the first run.
fn time(seconds: u64) -> String {
    let clock = 19 * 3600 + 15 * 60 + 33 + seconds;
    format!("{:02}:{:02}:{:02}", clock / 3600, clock / 60 % 60, clock % 60)
}

#[test]
fn sessions_of_frameworks() {
    let mut tried = Tried::default();
    let cookie = |n: u64, value: &str| {
        let value = value.replace("TOKEN", &token(n, "session"));
        run(n)
            .post("/login", "u=ann")
            .status(302)
            .field("set-cookie", &format!("s={value}; Path=/; HttpOnly"))
            .get("/me")
            .with("cookie", &format!("s={value}"))
            .text("ann")
    };
    tried.clean("laravel", |n| {
        let json = format!(
            r#"{{"iv":"{}","value":"{}","mac":"{}{}","tag":""}}"#,
            STANDARD.encode(token(n, "iv")),
            STANDARD.encode(token(n, "v").repeat(3)),
            token(n, "m"),
            token(n, "n")
        );
        cookie(n, &STANDARD.encode(json).replace('=', "%3D"))
    });
    tried.clean("django messages", |n| {
        cookie(
            n,
            &format!(
                "W1siX19qc29uX21lc3NhZ2UiLDAsMjUsImhpIiwiIl1d:{}:{}",
                base62(run(n).now()),
                URL_SAFE_NO_PAD.encode(token(n, "sig"))
            ),
        )
    });
    // It says when it expires: in another second it is another one.
    let mojolicious = |n: u64, name: &str, seconds: u64, says_again: bool| {
        let cookie = |at: u64| {
            let json = format!(r#"{{"csrf_token":"{}","expires":{at},"name":"{name}"}}"#, token(n, "csrf"));
            let signature = format!("{}{}", token(at, "sig"), token(n, "sig"));
            format!("mojolicious={}--{signature}", STANDARD.encode(json).replace('=', "-"))
        };
        let (first, then) = (run(n).now() + 3600, run(n).now() + 3600 + seconds);
        let log = run(n)
            .post("/login", "u=ann")
            .status(302)
            .field("set-cookie", &cookie(first))
            .later(seconds)
            .get("/me")
            .with("cookie", &cookie(first));
        if says_again { log.field("set-cookie", &cookie(then)).text("ann") } else { log.text("ann") }
    };
    tried.clean("mojolicious", |n| mojolicious(n, "ann", u64::from(n >= 3), true));
    tried.found("another name", |n| mojolicious(n, "ann", 0, true), mojolicious(3, "guest", 0, true));
    tried.found("no cookie", |n| mojolicious(n, "ann", 0, true), mojolicious(3, "ann", 0, false));
    tried.clean("django csrf", |n| cookie(n, &format!("{}{}", token(n, "a"), token(n, "b"))));
    tried.clean("spring", |n| {
        let id = token(n, "j").to_uppercase();
        run(n)
            .get("/")
            .status(302)
            .field("location", &format!("/login;jsessionid={id}"))
            .field("set-cookie", &format!("JSESSIONID={id}; Path=/; HttpOnly"))
            .get(&format!("/login;jsessionid={id}"))
            .with("cookie", &format!("JSESSIONID={id}"))
            .text("log in")
    });
    tried.clean("php", |n| cookie(n, &format!("q4{}", &token(n, "php")[..24])));
    tried.clean("asp.net", |n| {
        let field = format!("CfDJ8{}", URL_SAFE_NO_PAD.encode(token(n, "f").repeat(3)));
        run(n)
            .get("/form")
            .html(&format!(
                "<form><input name=\"__RequestVerificationToken\" type=\"hidden\" value=\"{field}\"></form>"
            ))
            .field(
                "set-cookie",
                &format!(
                    ".AspNetCore.Antiforgery.w5W7x28NAIs=CfDJ8{}; path=/; samesite=strict; httponly",
                    URL_SAFE_NO_PAD.encode(token(n, "c").repeat(3))
                ),
            )
    });
    tried.clean("remember me of flask-login", |n| {
        cookie(n, &format!("7|{}{}{}{}", token(n, "1"), token(n, "2"), token(n, "3"), token(n, "4")))
    });
    tried.found("another user", |n| cookie(n, "TOKEN").text("you are ann"), cookie(3, "TOKEN").text("you are guest"));
    tried.found(
        "role in a cookie",
        |n| run(n).get("/").text("x").field("set-cookie", "role=admin"),
        run(3).get("/").text("x").field("set-cookie", "role=guest"),
    );
    tried.found(
        "cookie taken away",
        |n| run(n).get("/").text("x"),
        run(3).get("/").text("x").field("set-cookie", "s=; Max-Age=0"),
    );
}

#[test]
fn apis() {
    let mut tried = Tried::default();
    tried.clean("global ids", |n| {
        let id = STANDARD.encode(format!("User:{}", token(n, "user")));
        run(n)
            .post_json("/graphql", r#"{"query":"mutation{add{id}}"}"#)
            .json(&format!(r#"{{"data":{{"add":{{"id":"{id}"}}}}}}"#))
            .post_json(
                "/graphql",
                &format!(r#"{{"query":"query($id:ID!){{node(id:$id){{id}}}}","variables":{{"id":"{id}"}}}}"#),
            )
            .json(&format!(r#"{{"data":{{"node":{{"id":"{id}"}}}}}}"#))
    });
    tried.found(
        "graphql error",
        |n| json(n, r#"{"data":{"node":{"id":"x"}}}"#),
        json(3, r#"{"data":{"node":null},"errors":[{"message":"not found"}]}"#),
    );
    tried.clean("cursors", |n| {
        let cursor = STANDARD.encode(format!(r#"{{"t":"{}","id":5}}"#, run(n).now() * 1000));
        run(n)
            .get("/items")
            .json(&format!(r#"{{"items":[1],"next":"/items?after={cursor}"}}"#))
            .field("link", &format!("</items?after={cursor}>; rel=\"next\""))
            .get(&format!("/items?after={cursor}"))
            .json(r#"{"items":[2]}"#)
    });
    tried.clean("hal", |n| {
        let id = token(n, "order");
        run(n)
            .post_json("/orders", r#"{"item":"x"}"#)
            .status(201)
            .field("location", &format!("http://127.0.0.1:40001/orders/{id}"))
            .json(&format!(r#"{{"_links":{{"self":{{"href":"http://127.0.0.1:40001/orders/{id}"}}}},"status":"new"}}"#))
            .get(&format!("/orders/{id}"))
            .json(&format!(r#"{{"_links":{{"self":{{"href":"http://127.0.0.1:40001/orders/{id}"}}}},"status":"new"}}"#))
    });
    tried.clean("ndjson", |n| {
        run(n).get("/export").answer(
            200,
            "application/x-ndjson",
            format!("{{\"id\":\"{}\",\"n\":1}}\n{{\"id\":\"{}\",\"n\":2}}\n", token(n, "a"), token(n, "b")),
        )
    });
    tried.found(
        "ndjson",
        |n| run(n).get("/export").answer(200, "application/x-ndjson", "{\"n\":1}\n{\"n\":2}\n"),
        run(3).get("/export").answer(200, "application/x-ndjson", "{\"n\":1}\n{\"n\":3}\n"),
    );
}

#[test]
fn numbers_of_a_process_and_numbers_of_things() {
    let mut tried = Tried::default();
    tried.clean("request id in an error", |n| {
        json(n, &format!(r#"{{"error":"not found","requestId":"req-{}"}}"#, if n < 3 { "5" } else { "1" })).status(404)
    });
    tried.clean("trace id", |n| {
        json(
            n,
            &format!(
                r#"{{"type":"about:blank","status":404,"traceId":"00-{}-{}-00"}}"#,
                token(n, "t"),
                &token(n, "s")[..16]
            ),
        )
    });
    tried.clean("health", |n| {
        json(
            n,
            &format!(
                r#"{{"status":"ok","uptime":{}.5,"uptime_seconds":{},"memory":{{"rss":{},"heapUsed":{},"external":{}}}}}"#,
                n,
                u8::from(n < 3),
                if n < 3 { 5_000_000 } else { 5_000_700 },
                if n < 3 { 900_000 } else { 900_001 },
                if n < 3 { 2_362_569 } else { 2_198_223 }
            ),
        )
    });
    let game = |used: usize| format!(r#"{{"memory":{{"used":{used}}}}}"#);
    tried.found("cards of a game", |n| json(n, &game(3)), json(3, &game(1)));
    let software = |n: u64| says(n, "hi").field("server", if n < 3 { "webdav/2.6" } else { "webdav/undefined" });
    tried.clean("which software", software);
    tried.clean("uptime in words", |n| says(n, &format!("up {}", if n < 3 { "3 seconds" } else { "0 seconds" })));
    tried.clean("whether cached", |n| {
        json(n, if n < 3 { r#"{"data":1,"cached":true}"# } else { r#"{"data":1,"cached":false}"# })
    });
    tried.clean("where from", |n| {
        json(n, if n < 3 { r#"{"data":1,"source":"cache"}"# } else { r#"{"data":1,"source":"database"}"# })
    });
    tried.clean("only where cached", |n| json(n, if n < 3 { r#"{"data":1,"cached":true}"# } else { r#"{"data":1}"# }));
    tried.clean("as Go's httpcache says it", |n| {
        let log = says(n, "hi");
        if n < 3 { log.field("x-from-cache", "1") } else { log }
    });
    let switch = |on: bool| format!(r#"{{"page_cache":{on}}}"#);
    tried.found("a cache switched off", |n| json(n, &switch(false)), json(3, &switch(true)));
    let timing = |n: u64| if n < 3 { "db;dur=1.2" } else { "compile;dur=2.1, db;dur=1.2" };
    tried.clean("compiled at first", |n| field(n, "server-timing", timing(n)));
    tried.clean("cold start", |n| field(n, "x-cold-start", if n < 3 { "false" } else { "true" }));
    let one = |key: &str, number: u64| format!(r#"{{"{key}":{number}}}"#);
    for (key, baseline, attack) in [("uptime_percent", 50, 100), ("total_ms", 121_080, 0), ("preset", 4, 1)] {
        tried.found(key, |n| json(n, &one(key, baseline)), json(3, &one(key, attack)));
    }
    tried.found("what is cached", |n| json(n, r#"{"data":1,"cached":true}"#), json(3, r#"{"data":2,"cached":false}"#));
    tried.found(
        "duration of a talk",
        |n| {
            run(n)
                .send("PUT", "/talk", "application/json", r#"{"duration":45}"#)
                .status(204)
                .get("/talk")
                .json(r#"{"duration":45}"#)
        },
        run(3)
            .send("PUT", "/talk", "application/json", r#"{"duration":45}"#)
            .status(204)
            .get("/talk")
            .json(r#"{"duration":30}"#),
    );
    tried.found("age of a person", |n| json(n, r#"{"name":"ann","age":31}"#), json(3, r#"{"name":"ann","age":30}"#));
    tried.found(
        "a setting in seconds",
        |n| run(n).post("/settings", "timeout=60").status(204).get("/settings").html("<p>Timeout: 60 seconds</p>"),
        run(3).post("/settings", "timeout=60").status(204).get("/settings").html("<p>Timeout: 30 seconds</p>"),
    );
    tried.found(
        "ttl of a record",
        |n| run(n).post_json("/dns", r#"{"ttl":300}"#).status(204).get("/dns").json(r#"{"ttl":300}"#),
        run(3).post_json("/dns", r#"{"ttl":300}"#).status(204).get("/dns").json(r#"{"ttl":250}"#),
    );
    tried.found("us", |n| json(n, r#"{"us":5,"de":3}"#), json(3, r#"{"us":4,"de":3}"#));
    tried.found("online", |n| says(n, "2 users online"), says(3, "1 users online"));
    tried.found("boolean", |n| json(n, r#"{"done":true}"#), json(3, r#"{"done":false}"#));
    tried.found("float", |n| json(n, r#"{"balance":10.5}"#), json(3, r#"{"balance":0.5}"#));
    tried.found("null", |n| json(n, r#"{"user":"ann"}"#), json(3, r#"{"user":null}"#));
    tried.found("empty list", |n| json(n, r#"[{"id":1}]"#), json(3, "[]"));
    tried.found("order", |n| json(n, r#"["a","b"]"#), json(3, r#"["b","a"]"#));
}

#[test]
fn servers_and_formats() {
    let mut tried = Tried::default();
    tried.clean("webdav", |n| run(n).send("PROPFIND", "/", "application/xml", "").answer(207, "application/xml", format!("<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>/a.txt</D:href><D:propstat><D:prop><D:getetag>\"1a-{}\"</D:getetag><D:getcontentlength>5</D:getcontentlength></D:prop></D:propstat></D:response></D:multistatus>", &token(if n < 3 { 1 } else { n }, "etag")[..13])));
    tried.clean("lock token", |n| {
        run(n)
            .send("LOCK", "/a", "application/xml", "<lockinfo/>")
            .answer(
                200,
                "application/xml",
                format!(
                    "<?xml version=\"1.0\"?><prop><locktoken><href>opaquelocktoken:{}</href></locktoken></prop>",
                    uuid(n)
                ),
            )
            .field("lock-token", &format!("<opaquelocktoken:{}>", uuid(n)))
            .send("UNLOCK", "/a", "", "")
            .with("lock-token", &format!("<opaquelocktoken:{}>", uuid(n)))
            .status(204)
    });
    tried.clean("presigned", |n| {
        field(
            n,
            "location",
            &format!(
                "https://s3/b/k?X-Amz-Date=20261123T{}Z&X-Amz-Expires=900&X-Amz-Signature={}{}",
                time(40 * n).replace(':', ""),
                token(n, "x"),
                token(n, "y")
            ),
        )
    });
    tried.clean("expires and sig", |n| {
        field(
            n,
            "location",
            &format!("/dl/5?expires={}&sig={}", run(n).now() + 600, URL_SAFE_NO_PAD.encode(token(n, "sig"))),
        )
    });
    tried.clean("asset made at start", |n| {
        run(n).get("/").html(&format!(
            "<script src=\"/app.js?v={}\"></script><link href=\"/a.css?{}\">",
            run(n).now(),
            &token(n, "v")[..6]
        ))
    });
    tried.clean("socket.io", |n| {
        run(n).get("/socket.io/?EIO=4&transport=polling&t=Pabc").text(&format!(
            "0{{\"sid\":\"{}AAAA\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000}}",
            &token(n, "sid")[..16]
        ))
    });
    tried
        .clean("stack trace", |n| says(n, &format!("<app.Store object at 0x7f{}>", &token(n, "at")[..10])).status(500));
    tried.clean("generated in", |n| {
        run(n).get("/").html(&format!("<p>x</p><!-- generated in {} -->", if n < 3 { "1 ms" } else { "0.84 ms" }))
    });
    tried.clean("csv", |n| {
        run(n).get("/x").answer(
            200,
            "text/csv",
            format!("id,name,at\n{},ann,2026-11-23 {}\n", token(n, "id"), time(40 * n)),
        )
    });
    tried.found(
        "csv",
        |n| run(n).get("/x").answer(200, "text/csv", "id,name\n1,ann\n2,bob\n"),
        run(3).get("/x").answer(200, "text/csv", "id,name\n1,ann\n"),
    );
    tried.found(
        "directory",
        |n| run(n).get("/files/").html("<a href=\"a.txt\">a.txt</a> 23-Nov-2026 19:15 12"),
        run(3).get("/files/").html(""),
    );
    tried.found(
        "visitor",
        |n| run(n).get("/").html("<p>You are visitor 5</p>"),
        run(3).get("/").html("<p>You are visitor 1</p>"),
    );
    tried.found(
        "sse id",
        |n| run(n).get("/e").frame(false, "id: 5\ndata: hi"),
        run(3).get("/e").frame(false, "id: 1\ndata: hi"),
    );
    tried.found(
        "json-rpc error",
        |n| run(n).get("/ws").frame(false, r#"{"jsonrpc":"2.0","id":2,"result":{}}"#),
        run(3).get("/ws").frame(false, r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32600}}"#),
    );
}

fn base62(mut number: u64) -> String {
    let letters = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = String::new();
    while number > 0 {
        text.insert(0, char::from(letters[usize::try_from(number % 62).unwrap()]));
        number /= 62;
    }
    text
}

fn uuid(n: u64) -> String {
    let token = token(n, "uuid");
    format!("{}-{}-{}-{}-{}", &token[..8], &token[8..12], &token[12..16], &token[16..20], &token[20..])
}
