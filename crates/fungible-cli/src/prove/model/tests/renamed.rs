//! Values that each run mints or makes up anew.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use sha2::{Digest, Sha256};

use super::world::Compare as _;
use super::world::{Log, against, clean, compare, found, run, token};
use crate::prove::deviation::DeviationKind;

fn base64(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

#[test]
fn names_that_the_driver_makes_up() {
    let names = ["Ann-x7", "Bob.q81", "Cyd_zz2"];
    let people = ["Prof. Jane van Doe", "Bob Miller", "Dr. X. Y. O'Neil Smith III"];
    let story = |nth: u64, hello: &str| {
        let name = names[usize::try_from(nth).unwrap() - 1];
        let person = people[usize::try_from(nth).unwrap() - 1];
        let slug: String = person
            .to_lowercase()
            .split(|c: char| !c.is_alphanumeric())
            .filter(|w| !w.is_empty())
            .collect::<Vec<_>>()
            .join("-");
        run(nth)
            .post_json("/users", &format!(r#"{{"name":"{name}","full":"{person}"}}"#))
            .json(&format!(r#"{{"name":"{name}","slug":"{}"}}"#, name.to_lowercase()))
            .get(&format!("/users/{}", name.to_lowercase()))
            .html(&format!(
                "<h1>Hello {person}!</h1><p>{hello} {}</p><a href=\"/p/{slug}?q={}\">you</a><i>{}</i>",
                name.to_uppercase(),
                person.replace(' ', "%20"),
                person.replace('\'', "&#39;"),
            ))
    };
    clean(&compare(|nth| story(nth, "You are")));
    let wrong = against(|nth| story(nth, "You are"), story(3, "You were"));
    assert_eq!(wrong.deviations.len(), 1, "{:#?}", wrong.deviations);
    // Somebody else's name is a difference, also where the names of the baselines vary.
    let mixed_up = |nth: u64, shown: &str| {
        run(nth)
            .post_json("/users", &format!(r#"{{"name":"{}","friend":"{}"}}"#, token(nth, "me"), token(nth, "friend")))
            .json("{}")
            .get("/me")
            .json(&format!(r#"{{"name":"{}"}}"#, token(nth, shown)))
    };
    clean(&compare(|nth| mixed_up(nth, "me")));
    found(&against(|nth| mixed_up(nth, "me"), mixed_up(3, "friend")), 2, "body $.name");
}

#[test]
fn tokens_map_one_to_one_over_the_run() {
    let story = |nth: u64, last: &str| {
        run(nth)
            .post("/things", "a=1")
            .json(&format!(r#"{{"id":"{}"}}"#, token(nth, "a")))
            .post("/things", "a=2")
            .json(&format!(r#"{{"id":"{}"}}"#, token(nth, "b")))
            .get("/last")
            .json(&format!(r#"{{"id":"{}"}}"#, token(nth, last)))
    };
    clean(&compare(|nth| story(nth, "b")));
    found(&against(|nth| story(nth, "b"), story(3, "a")), 3, "body $.id");
}

#[test]
fn tokens_of_every_make() {
    for make in [
        |nth: u64, n: &str| token(nth, n),
        |nth: u64, n: &str| {
            let t = token(nth, n);
            format!("{}-{}-4{}-a{}-{}", &t[..8], &t[8..12], &t[13..16], &t[17..20], &t[20..32])
        },
        |nth: u64, n: &str| STANDARD.encode(token(nth, n)),
        |nth: u64, n: &str| base64(&token(nth, n)),
        |nth: u64, n: &str| format!("cus_{}", &base64(&token(nth, n))[..20]),
        |nth: u64, n: &str| format!("s%3A{}.{}", token(nth, n), base64(&token(nth, n))),
        |nth: u64, n: &str| token(nth, n)[..24].to_owned(),
    ] {
        let story = |nth: u64, last: &str| {
            run(nth)
                .get("/a")
                .json(&format!(r#"{{"v":"{}"}}"#, make(nth, "a")))
                .get("/b")
                .text(&format!("it is {} now", make(nth, last)))
        };
        clean(&compare(|nth| story(nth, "a")));
        clean(&compare(|nth| story(nth, "b")));
        assert!(!against(|nth| story(nth, "a"), story(3, "b")).deviations.is_empty(), "{}", make(1, "a"));
        // With one baseline alone, what looks random may still be renamed.
        let alone = super::world::learned(&[story(1, "a").journal()], &[]);
        clean(&alone.compare(&story(3, "a").journal()));
    }
}

fn jwt(nth: u64, sub: &str, now: u64) -> String {
    let header = base64(r#"{"alg":"HS256","typ":"JWT"}"#);
    let claims =
        base64(&format!(r#"{{"sub":"{sub}","iat":{now},"exp":{},"jti":"{}"}}"#, now + 3600, token(nth, "jti")));
    format!("{header}.{claims}.{}", base64(&token(nth, &format!("signature{now}"))))
}

#[test]
fn json_web_tokens_by_their_claims() {
    let story = |nth: u64, sub: &str| {
        let jwt = jwt(nth, sub, run(nth).now());
        run(nth)
            .post_json("/token", "{}")
            .json(&format!(r#"{{"token":"{jwt}"}}"#))
            .get("/me")
            .with("authorization", &format!("Bearer {jwt}"))
            .text("ok")
    };
    clean(&compare(|nth| story(nth, "ann")));
    let difference = found(&against(|nth| story(nth, "ann"), story(3, "bob")), 1, "body $.token.signed[1].sub");
    assert_eq!((difference.baseline.as_str(), difference.attack.as_str()), ("ann", "bob"));
}

/// As Flask signs its sessions: the same payload, another time, another signature.
fn flask(nth: u64, user: &str, now: u64) -> String {
    let payload = base64(&format!(r#"{{"user":"{user}"}}"#));
    let time = URL_SAFE_NO_PAD.encode(u32::try_from(now).unwrap().to_be_bytes());
    format!("{payload}.{time}.{}", &base64(&token(nth, &format!("{now}")))[..27])
}

#[test]
fn cookies_signed_with_a_time() {
    let story = |nth: u64, seconds: u64, user: &str| {
        let log = run(nth);
        let now = log.now();
        log.get("/a")
            .text("a")
            .field("set-cookie", &format!("session={}; HttpOnly; Path=/", flask(nth, "ann", now)))
            .get("/b")
            .text("b")
            .field("set-cookie", &format!("session={}; HttpOnly; Path=/", flask(nth, user, now + seconds)))
    };
    // In the baselines both fall into one second, in the attack they do not.
    clean(&against(|nth| story(nth, 0, "ann"), story(3, 1, "ann")));
    clean(&against(|nth| story(nth, nth - 1, "ann"), story(3, 1, "ann")));
    let difference = found(
        &against(|nth| story(nth, 0, "ann"), story(3, 1, "bob")),
        2,
        "header set-cookie session.value.signed.user",
    );
    assert_eq!(difference.attack, "bob");
}

#[test]
fn cookies_whose_time_is_a_fraction_however_its_letters_fall() {
    let seal = |seconds: f64| {
        let text = format!("{}.{}", base64(r#"{"at":1}"#), URL_SAFE_NO_PAD.encode(seconds.to_be_bytes()));
        format!("{text}.{}", token(0, &text))
    };
    for window in 0..500 {
        let story = |nth: u64| {
            let log = run(nth);
            let began = f64::from(u32::try_from(log.now()).unwrap()) + f64::from(window) * 17.3;
            (0..6).fold(log, |log, step| {
                let cookie = format!("quiz={}; HttpOnly", seal(began + f64::from(step) * 0.0131));
                log.get(&format!("/{step}")).text("a").field("set-cookie", &cookie)
            })
        };
        clean(&compare(story));
    }
}

/// So many bytes that look random.
fn random_bytes(run: u64, name: &str, count: usize) -> Vec<u8> {
    (0..).flat_map(|part| Sha256::digest(format!("{run}/{name}/{part}"))).take(count).collect()
}

#[test]
fn sealed_cookies_however_their_letters_fall() {
    // As cookie-signature, iron, Rails and Django write them.
    let makes: [fn(u64, &str) -> String; 4] = [
        |run, name| {
            let sign = STANDARD.encode(random_bytes(run, &format!("{name} sign"), 32));
            let text =
                format!("s:{}.{}", URL_SAFE_NO_PAD.encode(random_bytes(run, name, 24)), sign.trim_end_matches('='));
            text.replace('+', "%2B").replace('/', "%2F").replace(':', "%3A")
        },
        |run, name| {
            let part = |part: &str, count| URL_SAFE_NO_PAD.encode(random_bytes(run, &format!("{name} {part}"), count));
            let hex = |part: &str| token(run, &format!("{name} {part}"));
            format!(
                "Fe26.2**{}*{}*{}**{}*{}",
                hex("salt"),
                part("iv", 16),
                part("sealed", 80),
                hex("more"),
                part("mac", 32)
            )
        },
        |run, name| {
            let part = |part: &str, count| STANDARD.encode(random_bytes(run, &format!("{name} {part}"), count));
            format!("{}--{}--{}", part("data", 100), part("iv", 12), part("tag", 16))
                .replace('+', "%2B")
                .replace('=', "%3D")
        },
        |run, name| {
            let letters = b"abcdefghijklmnopqrstuvwxyz0123456789";
            random_bytes(run, name, 32).iter().map(|byte| char::from(letters[usize::from(*byte) % 36])).collect()
        },
    ];
    for (at, make) in makes.iter().enumerate() {
        for case in 0..40 {
            let story = |nth: u64, wrong: &str| {
                let cookie = |name: &str| format!("session={}", make(nth, &format!("{case} {name}")));
                let log =
                    run(nth).post("/login", "user=ann").field("set-cookie", &format!("{}; Path=/", cookie("first")));
                let log = log.get("/a").with("cookie", &cookie("first")).text("a");
                let log = log.get("/b").with("cookie", &cookie("first")).text("b");
                if wrong.is_empty() { log } else { log.field("set-cookie", &cookie(wrong)) }
            };
            let comparison = compare(|nth| story(nth, ""));
            assert!(comparison.deviations.is_empty(), "make {at}, case {case}: {:#?}", comparison.deviations);
            // A session that is made anew has another name.
            let same = |nth: u64| story(nth, "first");
            clean(&compare(same));
            found(&against(same, story(3, "second")), 3, "header set-cookie session.value");
        }
    }
}

#[test]
fn words_in_cookies_are_words() {
    let story = |nth: u64, theme: &str| {
        run(nth).get("/").text("x").field("set-cookie", &format!("prefs=theme-{theme}.{}; Path=/", token(nth, "a")))
    };
    found(&against(|nth| story(nth, "dark"), story(3, "light")), 1, "header set-cookie prefs.value");
}

#[test]
fn tokens_that_change_each_second() {
    // The baselines see one token twice or two, by luck.
    let story = |nth: u64, second: &str| {
        run(nth)
            .get("/a")
            .json(&format!(r#"{{"otp":"{}"}}"#, token(nth, "a")))
            .get("/b")
            .json(&format!(r#"{{"otp":"{}"}}"#, token(nth, second)))
    };
    let baselines = |nth: u64| story(nth, if nth == 1 { "a" } else { "b" });
    clean(&against(baselines, story(3, "a")));
    clean(&against(baselines, story(3, "b")));
}

#[test]
fn tokens_of_a_second_are_fickle_wherever_they_stand() {
    // The second baseline shows that one token may become two; the attack does so elsewhere.
    let story = |nth: u64, names: [&str; 3]| {
        ["/a", "/a", "/b"].iter().zip(names).fold(run(nth), |log, (path, name)| {
            log.post(path, "x=1").json(&format!(r#"{{"otp":"{}"}}"#, token(nth, name)))
        })
    };
    let baselines = |nth: u64| story(nth, if nth == 1 { ["a", "a", "a"] } else { ["a", "a", "b"] });
    clean(&against(baselines, story(3, ["a", "b", "b"])));
    found(&against(|nth| story(nth, ["a", "a", "a"]), story(3, ["a", "b", "b"])), 2, "body $.otp");
}

#[test]
fn forms_with_a_token_of_the_second() {
    // One person votes three times, each time with the token of a fresh page, and at last without any.
    let story = |nth: u64, seconds: [u64; 4]| {
        let page = |log: Log, second: u64, votes: usize| {
            let input =
                format!("<input type=hidden name=token value=\"tp9{second}-{}\">", token(100 * nth + second, "form"));
            log.get("/").html(&format!("<p>Shall we? <b>{votes}</b> votes</p><form method=post>{input}</form>"))
        };
        let vote = |log: Log, second: u64, vote: &str| {
            let sent = format!("token=tp9{second}-{}&vote={vote}", token(100 * nth + second, "form"));
            log.post("/", &sent).status(303)
        };
        let voted = ["yes", "no", "yes"].iter().zip(seconds).enumerate();
        let log = voted.fold(run(nth), |log, (votes, (word, second))| vote(page(log, second, votes), second, word));
        page(log.post("/", "vote=no").status(403), seconds[3], 3)
    };
    // In most of these baselines the driver sends each token back, so nothing in them deviates.
    for second_baseline in [[1, 2, 2, 2], [1, 1, 2, 2], [1, 1, 1, 2], [1, 2, 3, 4]] {
        let of = |nth: u64| story(nth, if nth == 2 { second_baseline } else { [1, 1, 1, 1] });
        for attack in [[1, 1, 1, 1], [1, 1, 1, 2], [1, 1, 2, 2], [1, 2, 2, 2], [1, 2, 2, 3], [1, 2, 3, 4]] {
            clean(&against(of, story(3, attack)));
        }
    }
    // Pieces of tokens look like words or numbers in some runs: here the second one's first token has another structure.
    let real = |nth: u64, tokens: [&str; 3]| {
        let page =
            |log: Log, token: &str| log.get("/").html(&format!("<input type=hidden name=token value=\"{token}\">"));
        let vote = |log: Log, token: &str| log.post("/", &format!("token={token}&vote=yes")).status(303);
        page(tokens[..2].iter().fold(run(nth), |log, token| vote(page(log, token), token)), tokens[2])
    };
    let of = |nth: u64| {
        let [one, two] = match nth {
            1 => ["tp925y-3404a3392e199afa9844d17978c5f89e"; 2],
            _ => ["tp9265-1ee61836394167dccd34297195bc2a34", "tp9266-553bd3d8cc1191dda990012944ebdae4"],
        };
        real(nth, [one, two, two])
    };
    let [one, two] = ["tp9260-c6744f36d704a80ccde8b3a253bef8ba", "tp9261-4dc60f04103b538bc5c1d8b14826800e"];
    clean(&against(of, real(3, [one, one, two])));
}

#[test]
fn masked_csrf_tokens() {
    let story = |nth: u64| {
        let form = |n: &str| format!("<form><input type=hidden name=csrf value=\"{}\"></form>", token(nth, n));
        run(nth)
            .get("/form")
            .html(&form("a"))
            .field("set-cookie", &format!("sid={}", token(nth, "sid")))
            .get("/form?again=1")
            .with("cookie", &format!("sid={}", token(nth, "sid")))
            .html(&form("b"))
            .post("/form", &format!("csrf={}", token(nth, "b")))
            .with("cookie", &format!("sid={}", token(nth, "sid")))
            .status(303)
            .field("location", "/done")
    };
    clean(&compare(story));
}

#[test]
fn nonces_in_field_and_page() {
    let story = |nth: u64, script: &str| {
        ["/", "/b"].iter().fold(run(nth), |log, path| {
            let nonce = STANDARD.encode(&token(nth, path)[..16]);
            log.get(path)
                .html(&format!("<script nonce=\"{nonce}\">start({script})</script>"))
                .field("content-security-policy", &format!("script-src 'nonce-{nonce}' 'strict-dynamic'"))
        })
    };
    clean(&compare(|nth| story(nth, "1")));
    assert_eq!(against(|nth| story(nth, "1"), story(3, "2")).deviations.len(), 2);
}

#[test]
fn objects_keyed_by_ids() {
    let story = |nth: u64, state: &str| {
        run(nth).get("/").json(&format!(
            r#"{{"{}":{{"n":1}},"{}":{{"n":"{state}"}}}}"#,
            token(nth, "a"),
            token(nth, "b")
        ))
    };
    // The keys come in any order: they are random. So two must not be confused.
    let one =
        |nth: u64, state: &str| run(nth).get("/").json(&format!(r#"{{"{}":{{"n":"{state}"}}}}"#, token(nth, "a")));
    clean(&compare(|nth| one(nth, "on")));
    assert_eq!(against(|nth| one(nth, "on"), one(3, "off")).deviations.len(), 1);
    clean(&compare(|nth| story(nth, "on")));
}

#[test]
fn words_that_a_request_carries_are_renamed() {
    // Short codes, not random enough to be tokens: both baselines got the same one.
    let story = |nth: u64, code: &str| -> Log {
        run(nth)
            .post("/links", "to=x")
            .json(&format!(r#"{{"code":"{code}"}}"#))
            .get(&format!("/s/{code}"))
            .status(302)
            .field("location", "https://example.org/")
    };
    clean(&against(|nth| story(nth, "abcq"), story(3, "xyzt")));
}

#[test]
fn the_word_of_the_run() {
    clean(&compare(|nth| run(nth).get("/").json(&format!(r#"{{"database":"app_run{nth}x"}}"#))));
}

#[test]
fn random_tokens_that_look_like_words_in_one_run() {
    // Twelve letters of base 62: now and then without a digit; of base 64: now and then in two pieces.
    let tokens = ["dX4kP0qLz8Ra", "Qm7vT2xWcB5n", "hgkDwePlmrto"];
    let story = |nth: u64, token: &str| {
        run(nth).post("/links", "a=1").json(&format!(r#"{{"id":"{token}"}}"#)).get(&format!("/l/{token}")).text(token)
    };
    clean(&compare(|nth| story(nth, tokens[usize::try_from(nth).unwrap() - 1])));
    clean(&against(|_| story(1, tokens[0]), story(3, tokens[2])));
    let tokens = ["V1StGXR8_Z5jdHi6B-myT", "Uakgb_J5m9g-0JDMbcJqL", "mylongestnoveleve-rabc"];
    clean(&compare(|nth| story(nth, tokens[usize::try_from(nth).unwrap() - 1])));
    clean(&against(|_| story(1, tokens[0]), story(3, tokens[2])));
}

/// Sixteen random bytes in base64, whose pieces between `+` and `/` now and then look like words.
#[test]
fn nonces_in_a_header_whatever_their_letters_look_like() {
    let nonce = |nth: u64, at: u64| STANDARD.encode(&Sha256::digest(format!("{nth}/{at}"))[..16]);
    for round in 0..300 {
        let story = |nth: u64| {
            let nonce = nonce(nth, round);
            let policy = format!("default-src 'self'; script-src 'nonce-{nonce}'");
            let page = format!("<script nonce=\"{nonce}\">go()</script><p>Hello</p>");
            run(nth).get("/").html(&page).field("content-security-policy", &policy)
        };
        clean(&compare(story));
    }
}

#[test]
fn an_identifier_is_its_whole_text() {
    // A process part and a counter: unique together.
    let story = |nth: u64, ids: [&str; 2]| {
        let [first, second] = ids;
        let made = |log: Log, id: &str| {
            log.post_json("/orders", "{}")
                .json(&format!(r#"{{"id":"{id}"}}"#))
                .field("location", &format!("/orders/{id}"))
                .get(&format!("/orders/{id}"))
                .json(&format!(r#"{{"id":"{id}"}}"#))
        };
        made(made(run(nth), first), second)
    };
    let ids = |nth: u64| match nth {
        1 => ["ORD-7F3A-0001", "ORD-7F3A-0002"],
        2 => ["ORD-11C2-0001", "ORD-11C2-0002"],
        _ => ["ORD-9B11-0001", "ORD-2C44-0001"],
    };
    clean(&compare(|nth| story(nth, ids(nth))));
    clean(&against(|nth| story(nth, ["1-1", "1-2"]), story(3, ["1-1", "2-1"])));
    let same = against(|nth| story(nth, ids(nth)), story(3, ["ORD-9B11-0001", "ORD-9B11-0001"]));
    assert!(!same.deviations.is_empty(), "two orders of one name {same:#?}");
}

#[test]
fn one_sequence_gives_no_number_twice_whoever_asks() {
    let story = |nth: u64, numbers: [u32; 3]| {
        let kinds = ["/orders", "/refunds", "/payouts"];
        kinds
            .into_iter()
            .zip(numbers)
            .fold(run(nth), |log, (path, number)| log.post_json(path, "{}").json(&format!(r#"{{"seq":{number}}}"#)))
    };
    clean(&against(|nth| story(nth, [1, 2, 3]), story(3, [1, 51, 101])));
    let twice = against(|nth| story(nth, [1, 2, 3]), story(3, [1, 1, 1]));
    assert_eq!(twice.deviations.first().map(|one| one.kind), Some(DeviationKind::Collision), "{twice:#?}");
}

#[test]
fn a_number_under_a_name_of_addresses_is_no_name() {
    let story = |nth: u64, votes: u32| {
        run(nth)
            .post_json("/polls", "{}")
            .json(r#"{"id":2}"#)
            .post("/polls/2/votes", "for=tea")
            .get("/polls/2")
            .json(&format!(r#"{{"id":2,"data":[{{"name":"tea","value":{votes}}}]}}"#))
    };
    found(&against(|nth| story(nth, 2), story(3, 0)), 3, "body $.data[0].value");
}

#[test]
fn elements_of_a_page_may_be_numbered_by_the_process() {
    let story = |nth: u64, number: u32, labelled: u32| {
        let page = format!(r#"<label for="field-{labelled}">Name</label><input id="field-{number}" name="name">"#);
        run(nth).get("/").html(&page).get("/").html(&page.replace(&number.to_string(), &(number + 1).to_string()))
    };
    clean(&against(|nth| story(nth, 3, 3), story(3, 1, 1)));
    assert!(!against(|nth| story(nth, 3, 3), story(3, 1, 4)).deviations.is_empty(), "another field's label");
}

#[test]
fn what_the_driver_made_up_comes_back_whatever_bytes_it_is() {
    let story = |nth: u64, came: u64| {
        let file = |nth: u64| random_bytes(nth, "file", 64);
        let form = |bytes: &[u8]| [b"--b\r\nname=file\r\n\r\n", bytes, b"\r\n--b--"].concat();
        let mut log = run(nth).send("PUT", "/file", "application/octet-stream", "");
        log = log.body(file(nth)).status(201);
        log = log.send("POST", "/form", "multipart/form-data; boundary=b", "").body(form(&file(nth + 10))).status(201);
        log = log.get("/file").answer(200, "application/octet-stream", file(came));
        log.get("/form/file").answer(200, "application/octet-stream", file(came + 10))
    };
    let comparison = compare(|nth| story(nth, nth));
    clean(&comparison);
    assert_eq!(comparison.not_compared, []);
    let other = against(|nth| story(nth, nth), story(3, 8));
    assert_eq!(other.deviations.len(), 2, "somebody else's bytes: {other:#?}");
}

#[test]
fn instances_that_count_themselves_in_the_shared_store() {
    let story = |nth: u64, names: [&str; 4]| {
        let log = |log: Log, at: usize| log.get("/").text("hi").field("x-node", names[at]).field("x-count", "1");
        (0..4).fold(run(nth), |before, at| log(if nth == 3 { before.on(["i2", "i3"][at % 2]) } else { before }, at))
    };
    let one = |nth: u64| story(nth, ["node-1"; 4]);
    let comparison = against(one, story(3, ["node-1", "node-2", "node-1", "node-2"]));
    clean(&comparison);
    assert_eq!(comparison.labels.len(), 2, "{comparison:#?}");
    assert!(!against(one, story(3, ["node-1", "node-2", "node-1", "node-3"])).deviations.is_empty());
    assert!(!against(one, story(3, ["node-2"; 4])).deviations.is_empty());
}

#[test]
fn what_an_instance_made_up_for_a_thing_is_no_plain_name_of_it() {
    let story = |nth: u64, key: &str| {
        let link = |nth: u64, instance: &str| format!(r#"{{"team":"red","{key}":"{}"}}"#, token(nth, instance));
        let of = |at: usize| if nth == 3 { ["i2", "i3"][at % 2] } else { "i1" };
        (0..3).fold(run(nth), |log, at| log.on(of(at)).get("/teams/red").json(&link(nth, of(at))))
    };
    found(&compare(|nth| story(nth, "invite")), 2, "body $.invite");
    clean(&compare(|nth| story(nth, "served_by")));
}

#[test]
fn a_version_of_an_asset_that_each_process_makes_for_itself() {
    let story = |nth: u64, script: &str| {
        let page = |log: Log, instance: &str| {
            let version = token(nth, instance);
            let log = log.get("/").html(&format!("<script src=\"/app.js?v={version}\"></script>"));
            (log, version)
        };
        let of = |at: usize| if nth == 3 { ["i2", "i3", "i4"][at] } else { "i1" };
        let (log, version) = page(run(nth).on(of(0)), of(0));
        let log = log.on(of(1)).get(&format!("/app.js?v={version}")).text(script);
        page(log.on(of(2)), of(2)).0
    };
    clean(&compare(|nth| story(nth, "run()")));
    let refused = |nth: u64| story(nth, if nth == 3 { "no such version" } else { "run()" });
    assert!(compare(refused).deviations.iter().any(|one| one.exchange == Some(3)), "another version is refused");
}

#[test]
fn a_sentence_with_a_hole_keeps_its_words() {
    let says = |nth: u64, text: &str| run(nth).get("/").text(text);
    let baselines = |nth: u64| {
        says(nth, ["Your order will arrive on Monday", "Your order will arrive in two weeks"][usize::from(nth > 1)])
    };
    clean(&against(baselines, says(3, "Your order will arrive at once")));
    found(&against(baselines, says(3, "Please log in to see your order")), 1, "body line 1");
}

/// Two baselines with counters in lists within lists once took twice as long for each level, and more.
#[test]
fn lists_within_lists_are_compared_in_any_depth() {
    let nested = |nth: u64| {
        let leaf = format!("[{}, {}]", nth * 7, nth * 11);
        let body = (0..60).fold(leaf, |inner, level| format!("[{inner}, {}]", nth * 13 + level));
        run(nth).get("/").json(&body)
    };
    clean(&compare(nested));
}
