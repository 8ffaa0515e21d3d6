//! No report tells a secret: wherever it stands, and in whichever encoding.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use sha2::{Digest as _, Sha256};

use super::world::{filled, for_any, login, request_header, step, verdict};
use crate::exchange::Body;
use crate::prove::{FindingKind, Judgement, Step, Verdict};
use crate::report::{Style, json, markdown, text};

fn percent(text: &str, also: impl Fn(u8) -> bool) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() && !also(byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").unwrap();
        }
        out
    })
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;").replace('\'', "&#x27;")
}

fn in_json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

fn base64(bytes: &[u8], signs: [char; 2]) -> String {
    let digit = |value: u32| match value {
        0..=61 => char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"[value as usize]),
        62 => signs[0],
        _ => signs[1],
    };
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().chain([&0; 3]).take(3).fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        out.extend((0..=three.len()).map(|place| digit(bits >> (18 - 6 * place) & 63)));
    }
    out
}

/// The ways in which it may turn up.
fn encoded(secret: &str) -> Vec<String> {
    let mut all = vec![
        secret.to_owned(),
        percent(secret, |_| false),
        percent(secret, |_| true).to_lowercase(),
        html(secret),
        in_json(secret),
        secret.chars().fold(String::new(), |out, letter| format!("{out}&#{};", u32::from(letter))),
        percent(&base64(secret.as_bytes(), ['+', '/']), |_| false),
    ];
    for before in ["", "u", "u:", "me:"] {
        for signs in [['+', '/'], ['-', '_']] {
            all.push(base64(format!("{before}{secret}").as_bytes(), signs));
        }
    }
    all
}

/// What must not stand in a report: as [`encoded`], and the part of base64 that depends on the secret alone.
fn forbidden(secret: &str) -> Vec<String> {
    let mut all = encoded(secret);
    for before in 0..3 {
        for signs in [['+', '/'], ['-', '_']] {
            let text = base64(&[&b"xxx"[..before], secret.as_bytes()].concat(), signs);
            // Less the groups that also depend on what stands before and behind.
            let inner = &text[if before == 0 { 0 } else { 4 }..text.len() / 4 * 4 - 4];
            all.push(inner.to_owned());
        }
    }
    all.retain(|text| text.len() >= 8);
    all
}

fn assert_untold(verdict: &Verdict, secret: &str) {
    let json = json(verdict);
    let markdown = markdown(verdict);
    let reports = [
        text(verdict, Style { colour: true, width: 120, all: true }),
        text(verdict, Style { colour: false, width: 60, all: true }),
        markdown.replace('\\', ""),
        markdown,
        all_strings(&serde_json::from_str(&json).unwrap()),
        json,
    ];
    for report in reports {
        let joined: String = report.split_whitespace().collect();
        for form in forbidden(secret) {
            for report in [&report, &joined] {
                assert!(
                    !report.to_lowercase().contains(&form.to_lowercase()),
                    "{form:?} of {secret:?} is told in\n{report}"
                );
            }
        }
    }
}

fn all_strings(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone() + "\n",
        serde_json::Value::Array(items) => items.iter().map(all_strings).collect(),
        serde_json::Value::Object(fields) => fields.values().map(all_strings).collect(),
        _ => String::new(),
    }
}

/// A place where secrets stand.
#[derive(Clone, Copy, Debug)]
enum Home {
    Cookie,
    SetCookie,
    Bearer,
    Basic,
    ApiKey,
    SessionHeader,
    Query,
    Json,
    NestedJson,
    Form,
    Multipart,
    Html,
    Frame,
}

const HOMES: &[Home] = &[
    Home::Cookie,
    Home::SetCookie,
    Home::Bearer,
    Home::Basic,
    Home::ApiKey,
    Home::SessionHeader,
    Home::Query,
    Home::Json,
    Home::NestedJson,
    Home::Form,
    Home::Multipart,
    Home::Html,
    Home::Frame,
];

const NAMES: &[&str] = &[
    "password",
    "passwd",
    "token",
    "secret",
    "session",
    "sid",
    "csrf",
    "authenticity_token",
    "code",
    "api_key",
    "access_key",
    "PGPASSWORD",
    "DBPASSWORD",
];

impl Home {
    fn put(self, name: &str, secret: &str) -> Step {
        let mut step = step(4, "GET /", "one", 200);
        let header = |name: &str, value: String| request_header(step.clone(), name, &value);
        let body = match self {
            Home::Cookie => return header("cookie", format!("a=1; id={}; b=2", percent(secret, |_| false))),
            Home::SetCookie => {
                let value = format!("id={}; Path=/", percent(secret, |_| false));
                return super::world::answer_header(step, "set-cookie", &value);
            }
            Home::Bearer => return header("authorization", format!("Bearer {secret}")),
            Home::Basic => {
                return header(
                    "authorization",
                    format!("Basic {}", base64(format!("ann:{secret}").as_bytes(), ['+', '/'])),
                );
            }
            Home::ApiKey => return header("x-api-key", secret.to_owned()),
            Home::SessionHeader => return header("mcp-session-id", secret.to_owned()),
            Home::Query => {
                step.exchange.request.target = format!("/a?x=1&{name}={}&y=2", percent(secret, |_| false));
                return step;
            }
            Home::Json => format!("{{\"a\": 1, \"{name}\": \"{}\"}}", in_json(secret)),
            Home::NestedJson => format!("{{\"{name}\": [{{\"id\": \"{}\"}}]}}", in_json(secret)),
            Home::Form | Home::Frame => format!("a=1&{name}={}&b=2", percent(secret, |_| false)),
            Home::Multipart => {
                format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{secret}\r\n--x--\r\n")
            }
            Home::Html => format!("<form><input value=\"{}\" type=hidden name={name}></form>", html(secret)),
        };
        if matches!(self, Home::Frame) {
            let data = Body::Kept(body.into());
            step.exchange.frames.push(crate::exchange::Frame {
                from_client: false,
                data,
                at: std::time::Duration::ZERO,
            });
        } else {
            step.exchange.request.body = Body::Kept(body.into());
        }
        step
    }
}

/// Anything that can be typed, longer than a word.
fn any_secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9][!-~]{10,30}[a-zA-Z0-9]",
        "[a-z]{12,30}",
        "[a-zA-Z0-9]{12,40}",
        "[0-9]{12,20}",
        "[a-z]{5}[é日ß]{2,4}[!-~]{6,20}[a-z]",
    ]
}

#[test]
fn a_secret_known_from_its_place_is_shown_in_no_encoding() {
    let case = (any_secret(), select(HOMES), select(NAMES), any::<Index>());
    for_any(&case, |(secret, home, name, first)| {
        let forms = encoded(&secret);
        let mut at = first.index(forms.len());
        let mut next = || {
            at += 1;
            format!("saw {} {at}", forms[at % forms.len()])
        };
        for mut verdict in filled(&mut next) {
            verdict.not_judged[0].step = home.put(name, &secret);
            assert_untold(&verdict, &secret);
        }
    });
}

/// In all texts of a verdict but one nothing is planted, so that nothing can be learned elsewhere.
fn planted_once(planted: &str, at: Index) -> Vec<Verdict> {
    let mut places = 0;
    filled(&mut || {
        places += 1;
        String::new()
    });
    let chosen = at.index(places);
    let mut place = 0;
    filled(&mut || {
        place += 1;
        if place - 1 == chosen { planted.to_owned() } else { "word".to_owned() }
    })
}

#[test]
fn a_secret_beside_its_name_is_shown_in_no_report() {
    let lines: &[fn(&str, &str) -> String] = &[
        |name, secret| format!("got {name}={secret} from 10.0.0.1"),
        |name, secret| format!("/path?a=1&{name}={secret}&b=2"),
        |name, secret| format!("{{\"{name}\":\"{secret}\",\"b\":1}}"),
        |name, secret| format!("{{'{name}': '{secret}'}}"),
        |name, secret| format!("%7B%22{name}%22%3A%22{secret}%22%7D"),
        |name, secret| format!("{name}: {secret}, next"),
        |name, secret| format!("<input name=\"{name}\" value=\"{secret}\">"),
        |name, secret| format!("run --{name} {secret} --verbose"),
        |_, secret| format!("Authorization: Bearer {secret}"),
        |_, secret| format!("Cookie: a=1; b={secret}"),
        |_, secret| format!("STRIPE_KEY={secret} ./e2e.sh"),
        |_, secret| format!("mysql -u root -p{secret} shop"),
        |_, secret| format!("curl -u ann:{secret} $BASE_URL"),
        |_, secret| format!("postgres://app:{secret}@localhost/app"),
        |name, secret| format!("\u{1b}[33m{name}\u{1b}[0m=\u{1b}[36m{secret}\u{1b}[0m"),
    ];
    let case = ("[a-z]{12,30}|[a-zA-Z0-9_.~-]{11,30}[a-z]", select(NAMES), select(lines), any::<Index>());
    for_any(&case, |(secret, name, line, at)| {
        for verdict in planted_once(&line(name, &secret), at) {
            assert_untold(&verdict, &secret);
        }
    });
}

#[test]
fn an_opaque_string_is_shown_in_no_report() {
    let opaque = prop_oneof![
        "[0-9a-f]{24,64}".prop_filter("a number", |text| text.bytes().any(|byte| byte.is_ascii_alphabetic())),
        "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{11}[a-f]",
        "[A-Z][a-z][0-9]([a-z][0-9][A-Z]){8,20}",
        "eyJ[a-zA-Z0-9]{20,40}\\.eyJ[a-zA-Z0-9_-]{20,60}\\.[a-zA-Z0-9_-]{43}",
    ];
    for_any(&(opaque, any::<Index>()), |(secret, at)| {
        for line in [secret.clone(), format!("/reset/{secret}/now"), format!("no session {secret}: log in")] {
            for verdict in planted_once(&line, at) {
                assert_untold(&verdict, &secret);
            }
        }
    });
}

#[test]
fn equal_secrets_have_equal_tags_and_short_words_stay() {
    let mut finding = login(FindingKind::Trapped);
    finding.last_lines = vec![
        "token=first-secret-1 then token=second-secret-2, user 42 is ann".to_owned(),
        "again first%2Dsecret%2D1 and again second-secret-2".to_owned(),
    ];
    let screen = text(&verdict(Judgement::NotFungible(vec![finding])), Style { colour: false, width: 100, all: false });
    assert!(screen.contains("| token=fir…⟨2⟩ then token=sec…⟨3⟩, user 42 is ann"), "{screen}");
    assert!(screen.contains("| again fir…⟨2⟩ and again sec…⟨3⟩"), "{screen}");
}

#[test]
fn a_difference_under_the_name_of_a_secret_is_hidden() {
    let mut finding = login(FindingKind::Trapped);
    finding.deviations = vec![
        super::world::difference("body $.user.token", "swordfish", "(absent)"),
        super::world::difference("header set-cookie", "sid=swordfish; Path=/", "(absent)"),
        super::world::difference("cookie sid", "swordfish", "herring"),
        super::world::difference("body $.code", "OK", "NOT_FOUND"),
    ];
    let screen = text(&verdict(Judgement::NotFungible(vec![finding])), Style { colour: false, width: 100, all: false });
    assert!(!screen.contains("swordfish") && !screen.contains("herring"), "{screen}");
    assert!(screen.contains("  header set-cookie: sid=sw…⟨2⟩; Path=/ -> (absent)\n"), "{screen}");
    assert!(screen.contains("  body $.code: OK -> NOT_FOUND\n"), "{screen}");
}

/// Pieces this short between slashes look like parts of a path.
#[test]
fn base64_with_slashes_is_decoded_to_be_seen() {
    let secret = "who???are???you???";
    let mut finding = login(FindingKind::Trapped);
    finding.reader = Home::Json.put("token", secret);
    finding.last_lines = vec![format!("/api/{}/x", base64(secret.as_bytes(), ['+', '/']))];
    assert!(finding.last_lines[0].contains("d2hvPz8/YXJlPz8/eW91Pz8/"));
    assert_untold(&verdict(Judgement::NotFungible(vec![finding])), secret);
}

/// Read as base64 such a name is bytes that are no text; what stands behind a colon in there is no password.
#[test]
fn of_a_path_with_a_secret_only_the_secret_is_hidden() {
    for number in 0..40_u32 {
        let id = Sha256::digest(number.to_be_bytes()).iter().fold(String::new(), |id, byte| format!("{id}{byte:02x}"));
        let mut finding = login(FindingKind::Trapped);
        finding.reader = request_header(finding.reader, "cookie", &format!("sid={id}"));
        finding.files = vec![format!("/tmp/shop-of-ada/data/{id}").into()];
        let screen =
            text(&verdict(Judgement::NotFungible(vec![finding])), Style { colour: false, width: 120, all: true });
        assert!(screen.contains("its instance wrote: /tmp/shop-of-ada/data/"), "{id}\n{screen}");
    }
}
