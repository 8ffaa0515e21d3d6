//! `fungible prove` over the programs in tests/traps and tests/real: the verdict of each variant, and what it finds or why
//! it can tell nothing, are as its `trap.toml` says.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde::Deserialize;
use serde_json::Value;

use super::packages::{install, packages};
use super::world::{Place, is_whole};

/// So often a clean real program is proved: a false alarm now and then is one, too. `FUNGIBLE_TIMES` proves all of both so often.
const TIMES: usize = 2;

/// What a `trap.toml` says; README.md beside the folders tells of each key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trap {
    about: String,
    why: String,
    kind: u32,
    drive: String,
    #[serde(default)]
    share: Vec<String>,
    #[serde(default)]
    extra: Vec<String>,
    trapped: Option<Variant>,
    mended: Option<Variant>,
    clean: Option<Variant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    command: Vec<String>,
    verdict: String,
    /// The kind of the one finding.
    #[serde(default = "trapped")]
    finding: String,
    /// What it does to users.
    harm: Option<String>,
    /// All requests that it takes.
    writer: Option<Requests>,
    reader: Option<String>,
    /// Part of a reason why it can tell nothing.
    reason: Option<String>,
    /// Part of a line of what was covered.
    covered: Option<String>,
    /// What becomes of each request that is not safe when it is sent again after a crash: `POST /orders: done_twice`.
    resends: Option<Vec<String>>,
    /// What sticky routing does about it: `hidden, 1 of 2`.
    sticky: Option<String>,
    /// The writes whose loss nothing would notice.
    unnoticed: Option<Vec<String>>,
    #[serde(default)]
    extra: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Requests {
    One(String),
    Several(Vec<String>),
}

fn trapped() -> String {
    "trapped".to_owned()
}

impl Variant {
    fn writers(&self) -> &[String] {
        match &self.writer {
            None => &[],
            Some(Requests::One(writer)) => std::slice::from_ref(writer),
            Some(Requests::Several(writers)) => writers,
        }
    }

    /// What of the verdict is not as it should be: nothing, or all of it in a line each.
    fn wrong(&self, verdict: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut expect = |what: &str, expected: &dyn Debug, got: &dyn Debug, holds: bool| {
            if !holds {
                wrong.push(format!("{what}: expected {expected:?}, got {got:?}"));
            }
        };
        let word = text(&verdict["verdict"]);
        expect("verdict", &self.verdict, &word, word == self.verdict);
        if self.verdict == "NOT FUNGIBLE" {
            let kind =
                |one: &Value| if one["local_file"] == true { "local_file" } else { text(&one["kind"]) }.to_owned();
            let kinds: Vec<String> = list(&verdict["findings"]).iter().map(kind).collect();
            let is_it = |kinds: &[String]| matches!(kinds, [one] if self.finding.split('|').any(|kind| kind == one));
            expect("findings", &[&self.finding], &kinds, is_it(&kinds));
            let finding = &verdict["findings"][0];
            if let Some(harm) = &self.harm {
                let got = text(&finding["harm"]);
                expect("harm", harm, &got, harm == got);
            }
            if let Some(sticky) = &self.sticky {
                let is = &finding["sticky"];
                let hidden = if is["hidden"] == true { "hidden" } else { "seen" };
                let got = format!("{hidden}, {} of {}", is["affected_clients"], is["clients"]);
                expect("sticky", sticky, &got, *sticky == got);
            }
            let writers: Vec<String> = list(&finding["writers"]).iter().map(request).collect();
            let expected = self.writers();
            let all = writers.len() == expected.len() && expected.iter().zip(&writers).all(|(one, got)| fits(one, got));
            expect("writer", &expected, &writers, all);
            // An app that cannot start beside another has none; the finding names the first request.
            if let Some(reader) = &self.reader {
                let got = request(&finding["reader"]);
                expect("reader", reader, &got, fits(reader, &got));
            }
        }
        let says = |lines: &[Value], part: &str| lines.iter().any(|line| text(line).contains(part));
        if let Some(reason) = &self.reason {
            let reasons = list(&verdict["reasons"]);
            expect("reason", reason, &reasons, says(reasons, reason));
        }
        if let Some(part) = &self.covered {
            let lines = list(&verdict["covered"]["attacks"]);
            expect("covered", part, &lines, says(lines, part));
        }
        let of = |list: &Value, request: &str, outcome: &str| -> Vec<(String, String)> {
            let of = |one: &Value| (self::request(&one[request]), text(&one[outcome]).to_owned());
            self::list(list).iter().map(of).collect()
        };
        if let Some(resends) = &self.resends {
            let got = of(&verdict["covered"]["resends"], "request", "outcome");
            let is_it = |(expected, (request, outcome)): (&String, &(String, String))| {
                let (one, what) = expected.split_once(": ").unwrap_or_default();
                fits(one, request) && what == outcome
            };
            expect("resends", resends, &got, resends.len() == got.len() && resends.iter().zip(&got).all(is_it));
        }
        if let Some(unnoticed) = &self.unnoticed {
            let losses = of(&verdict["covered"]["losses"], "write", "loss").into_iter();
            let got: Vec<String> = losses.filter(|(_, loss)| loss == "unnoticed").map(|(write, _)| write).collect();
            let all = unnoticed.len() == got.len() && unnoticed.iter().zip(&got).all(|(one, got)| fits(one, got));
            expect("unnoticed", unnoticed, &got, all);
        }
        wrong
    }
}

/// Variables with which Python starts in less time, and writes nothing: it is started some hundred times in a proof. `python3` may be a shim in
/// front of the real program, and what the apps have in common is compiled once, in this new folder.
fn quick_python(folder: &Path) -> Vec<(&'static str, OsString)> {
    fs::create_dir(folder).unwrap();
    for file in ["driver.py", "server.py"] {
        fs::copy(shelves().join("traps").join(file), folder.join(file)).unwrap();
    }
    let mut python = Command::new("python3");
    python.args(["-c", "import driver, server, sys; print(sys.executable)"]);
    python.env("PYTHONPATH", folder).env("BASE_URL", "");
    let real = PathBuf::from(String::from_utf8(python.output().unwrap().stdout).unwrap().trim());
    let first = real.parent().map(Path::to_owned);
    let others = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(first.into_iter().chain(std::env::split_paths(&others))).unwrap();
    vec![("PATH", path), ("PYTHONPATH", folder.into()), ("PYTHONDONTWRITEBYTECODE", "1".into())]
}

/// What the tool prints of one variant: the verdict, and what it says beside it.
fn verdict(shelf: &str, name: &str, trap: &Trap, variant: &Variant) -> (Value, String) {
    let place = Place::new();
    // What they write must not be here.
    let folder = place.folder.path().join(shelf).join(name);
    copy(&shelves().join(shelf).join(name), &folder);
    let mut tool = place.tool(&["prove", "--json", "--drive", &trap.drive]);
    tool.envs(quick_python(&place.folder.path().join("python")));
    for path in &trap.share {
        tool.args(["--share", path]);
    }
    tool.args(trap.extra.iter().chain(&variant.extra)).arg("--");
    let packages = packages("real").display().to_string();
    tool.args(variant.command.iter().map(|word| word.replace("{packages}", &packages)));
    let output = tool.current_dir(&folder).output().unwrap();
    (serde_json::from_slice(&output.stdout).unwrap_or_default(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// One variant proved: nothing where all is as expected, else what is not.
fn proved(shelf: &str, name: &str, trap: &Trap, variant: &Variant) -> Option<String> {
    let began = Instant::now();
    let (verdict, said) = verdict(shelf, name, trap, variant);
    let found: Vec<String> = list(&verdict["findings"])
        .iter()
        .map(|one| {
            let writers: Vec<String> = list(&one["writers"]).iter().map(request).collect();
            format!("{}: {writers:?} missed by {}", text(&one["kind"]), request(&one["reader"]))
        })
        .collect();
    println!(
        "{shelf}/{name}: {}; {}; {} runs, {:.1} s; passed over: {:?}",
        text(&verdict["verdict"]),
        if found.is_empty() { verdict["reasons"].to_string() } else { found.join("; ") },
        verdict["runs"],
        began.elapsed().as_secs_f32(),
        explained(&verdict)
    );
    let wrong = variant.wrong(&verdict);
    (!wrong.is_empty()).then(|| {
        format!(
            "{shelf}/{name} ({}; kind {}; {}):\n{}\n{verdict:#}\n{said}",
            trap.about,
            trap.kind,
            trap.why,
            wrong.join("\n")
        )
    })
}

/// How many places each explanation covers: one that no program needs must go.
fn explained(verdict: &Value) -> BTreeMap<&str, usize> {
    let mut times = BTreeMap::new();
    for mask in list(&verdict["masks"]) {
        *times.entry(text(&mask["compared"])).or_default() += 1;
    }
    times
}

/// All variants, the clean ones so often.
#[track_caller]
fn tried(shelf: &str, name: &str, times: usize) {
    let file = shelves().join(shelf).join(name).join("trap.toml");
    let trap: Trap = toml::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let asked = std::env::var("FUNGIBLE_TIMES").ok().map(|asked| asked.parse().expect("FUNGIBLE_TIMES is a number"));
    let (once, times) = (asked.unwrap_or(1), asked.unwrap_or(times));
    let variants = [(&trap.trapped, once), (&trap.mended, times), (&trap.clean, times)];
    let mut wrong = Vec::new();
    for (variant, times) in variants.into_iter().filter_map(|(variant, times)| Some((variant.as_ref()?, times))) {
        wrong.extend((0..times).filter_map(|_| proved(shelf, name, &trap, variant)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// An app that reads its state when it starts goes wrong under amnesia, too, where instances start slowly: none of them may
/// start after a write and serve the next request.
#[test]
fn uneven_starts_change_no_finding() {
    if !is_whole() {
        return;
    }
    let file = shelves().join("traps/invoice-numbers/trap.toml");
    let mut trap: Trap = toml::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut trapped = trap.trapped.take().unwrap();
    let late = "case $FUNGIBLE_INSTANCE in *-[12]) ;; *) sleep 0.4;; esac; exec \"$@\"";
    let late = ["sh", "-c", late, "sh"].map(str::to_owned);
    trapped.command.splice(0..0, late);
    let (verdict, said) = verdict("traps", "invoice-numbers", &trap, &trapped);
    assert_eq!(trapped.wrong(&verdict), [""; 0], "{verdict:#}\n{said}");
    assert_eq!(text(&verdict["findings"][0]["attack"]), "amnesia", "{verdict:#}");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// `#2 POST /mcp tools/list`, without the query
fn request(step: &Value) -> String {
    let path = text(&step["target"]).split('?').next().unwrap_or_default();
    let operation = step["operation"].as_str().map_or_else(String::new, |name| format!(" {name}"));
    format!("#{} {} {path}{operation}", step["number"], text(&step["method"]))
}

/// Method, path and operation, with the number where one is expected; `*` stands for one segment.
fn fits(expected: &str, request: &str) -> bool {
    let request =
        if expected.starts_with('#') { request } else { request.split_once(' ').map_or("", |(_, rest)| rest) };
    let (expected, request): (Vec<&str>, Vec<&str>) = (expected.split('/').collect(), request.split('/').collect());
    expected.len() == request.len() && expected.iter().zip(request).all(|(one, there)| *one == "*" || *one == there)
}

fn shelves() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let there = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &there);
        } else {
            fs::copy(entry.path(), there).unwrap();
        }
    }
}

/// A test for each folder.
macro_rules! each {
    ($shelf:ident, $times:expr, $before:expr, $($name:ident)*) => {
        mod $shelf {
            $(#[test]
            fn $name() {
                if $before {
                    super::tried(stringify!($shelf), &stringify!($name).replace('_', "-"), $times);
                }
            })*

            #[test]
            fn each_folder_has_its_test() {
                let listed = [$(stringify!($name).replace('_', "-")),*];
                let folders = std::fs::read_dir(super::shelves().join(stringify!($shelf))).unwrap().flatten();
                for folder in folders.filter(|entry| entry.path().join("trap.toml").exists()) {
                    let name = folder.file_name().into_string().unwrap();
                    assert!(listed.contains(&name), "{name} is not in tests/cli/traps.rs");
                }
            }
        }
    };
}

/// The real programs, installed once for all tests.
fn is_installed() -> bool {
    if !is_whole() {
        return false;
    }
    install("real");
    true
}

each! {
    traps, 1, super::super::world::is_whole(),
    aborted_fetches access_log auction_end avatar_files block_ids build_id cache_ttl cancel_elsewhere chat_room chunked_answers
    clocks code_per_process cold_keys conditional_requests cookie_never_back cookie_secret crash_on_request csp_nonce
    csrf_secret cursor_pages cut_short early_ready event_stream feed_xml form_actions guest_cart guestbook gzip_bodies
    idempotency_keys instance_names instances_online invoice_numbers job_in_process jwt lagging_replica lazy_write leader_lease
    lease_server lock_file lockout logout_elsewhere long_polling masked_csrf mcp_session metrics_process metrics_pushed
    notes_map notes_replicated oauth_state one_time_code one_time_link order_ids own_log own_port page_lock
    pages_disjoint parallel_clients parallel_serial_ids payments_retried pid_file preferences_fallback process_etags
    process_lock put_appends queue_in_process random_names random_order rate_limit read_only read_quota session_cache session_file_cwd
    session_file_home session_file_tmp session_in_ram settings_at_start signed_links sliding_cookie slow_start
    sse_notices stale_cache start_lock store_per_request ticket_numbers ticket_rush ticking_tokens tidy_end
    tip_of_the_day upload_parts_file upload_parts_ram upload_resumable users_online views_counter warming_up_health
    warming_up_retry webdav webhooks worker_beside
}

each! {
    real, super::TIMES, super::is_installed(),
    docker_registry express_session flask_secret flask_session_files fossil httpbin json_server mcp_everything
    mojolicious nginx_webdav peerjs phpliteadmin pushgateway pypiserver radicale rclone_webdav sinatra supergateway tus
    wsgidav
}
