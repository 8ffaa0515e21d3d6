//! `fungible prove` from outside: what it is told, what it says, and what it ends with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;
use test_basics::free_port;

use super::schema_check::violations;
use super::shop::{PYTHON, Shop, app, customer, driven, everything_in, quoted, usual};
use super::world::{copy_for_everybody, is_root, program};

#[test]
fn fungible_ends_with_0() {
    let shop = Shop::new();
    let out = shop.prove(&usual(&["--share", "data"], &[])).verdict(0, "FUNGIBLE");
    assert!(out.starts_with("FUNGIBLE   2 requests, 1 write · "), "{out}");
    assert!(out.contains("\ncovered (") && out.contains("\nnot covered:\n"), "never a bare pass: {out}");
    assert!(!out.contains('\u{1b}'), "no colour where it is no terminal: {out}");
    assert_eq!(fs::read_dir(shop.path("data")).unwrap().count(), 0, "what is shared stays as it is");
}

#[test]
fn not_fungible_ends_with_1_and_shows_no_secrets() {
    let shop = Shop::new();
    let (keys, report) = (shop.path("real/keys"), shop.path("report/of/it"));
    let told = usual(
        &["--real", "real", "--report", report.to_str().unwrap(), "--env", "API_TOKEN=abra-cadabra-1234"],
        &["trapped", &format!("keys={}", keys.display()), "say=the token is Bearer 0123456789abcdef0123456789abcdef"],
    );
    let out = shop.prove(&told).verdict(1, "NOT FUNGIBLE");
    assert!(
        out.contains("#1 POST /login kept state only in its own instance; #2 GET /me, on another, could not see it"),
        "{out}"
    );
    assert!(out.contains("together 200 (3/3) · apart 401 (3/3)"), "{out}");
    let json = shop.ended(shop.tool(&["--json"]).args(&told));
    assert_eq!((json.code, json.err.as_str()), (Some(1), ""), "{json:?}");
    let verdict: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(violations(&verdict), Vec::<String>::new());
    assert_eq!(verdict["schema_version"], 1);
    assert_eq!(verdict["verdict"], "NOT FUNGIBLE");
    let written: Value = serde_json::from_slice(&fs::read(report.join("verdict.json")).unwrap()).unwrap();
    assert_eq!(written, verdict, "the report and --json are the same");
    let page = fs::read_to_string(report.join("report.md")).unwrap();
    assert!(page.contains("NOT FUNGIBLE") && page.contains("```mermaid"), "{page}");

    let said = [out, json.out, everything_in(&report)].concat();
    assert!(said.contains("| /me of "), "the last lines of the log: {said}");
    let keys = fs::read_to_string(keys).unwrap();
    assert!(keys.lines().count() >= 10, "{keys}");
    let secrets = keys.lines().chain(["abra-cadabra-1234", "0123456789abcdef0123456789abcdef"]);
    for secret in secrets {
        assert!(!said.contains(secret), "{secret} is shown: {said}");
    }
}

#[test]
fn an_old_report_does_not_outlive_a_proof_that_fails() {
    let shop = Shop::new();
    shop.prove(&usual(&["--share", "data", "--report", "report"], &[])).verdict(0, "FUNGIBLE");
    fs::write(shop.path("report/mine"), "").unwrap();
    assert_eq!(fs::read_dir(shop.path("report")).unwrap().count(), 3);
    shop.refusal(&["--drive", "true", "--report", "report", "--", "no-such-program"]);
    let left: Vec<_> = fs::read_dir(shop.path("report")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["mine"]);
}

#[test]
fn a_report_is_not_written_through_links() {
    let shop = Shop::new();
    fs::write(shop.path("precious"), "kept").unwrap();
    // Once the proof has looked at the folder.
    let links = "for name in verdict.json report.md; do ln -sf ../precious report/$name; done";
    let drive = format!("{links}; {}", customer());
    shop.prove(&driven(&["--share", "data", "--report", "report"], &drive, &[])).verdict(0, "FUNGIBLE");
    assert_eq!(fs::read_to_string(shop.path("precious")).unwrap(), "kept");
    for name in ["verdict.json", "report.md"] {
        let found = fs::symlink_metadata(shop.path("report").join(name)).unwrap();
        assert!(found.is_file(), "{name}: {found:?}");
        assert!(fs::read_to_string(shop.path("report").join(name)).unwrap().contains("FUNGIBLE"));
    }
}

#[test]
fn a_misspelt_placeholder_is_reported() {
    let shop = Shop::new();
    fs::write(shop.path("template"), "{dri}").unwrap();
    let told = ["--env", "A={rn}", "--file", "template=app.conf", "--drive", "echo {uri}", "--", "false", "{prt}"];
    let said = shop.prove(&told);
    assert_eq!(said.code, Some(2), "{said:?}");
    for expected in [
        "fungible: warning: the app's command has {prt}, which is no placeholder; did you mean {port}?\n",
        "--env A has {rn}, which is no placeholder; did you mean {run}?\n",
        "--file template has {dri}, which is no placeholder; did you mean {dir}?\n",
        "--drive has {uri}, which is no placeholder; did you mean {url}?\n",
    ] {
        assert!(said.err.contains(expected), "no {expected:?} in {said:?}");
    }
}

#[test]
fn not_shown_ends_with_3_or_0_where_that_is_wished() {
    let shop = Shop::new();
    let told = driven(&[], "curl -sf $BASE_URL/env?X; curl -sf $BASE_URL/env?Y", &[]);
    let out = shop.prove(&told).verdict(3, "NOT SHOWN");
    assert!(out.contains("nothing is written and nothing is carried from one request to another"), "{out}");
    assert!(out.contains("then run again"), "{out}");
    let out = shop.ended(shop.tool(&["--not-shown=warn"]).args(&told)).verdict(0, "NOT SHOWN");
    assert!(out.contains("nothing is written"), "{out}");
    let json = shop.ended(shop.tool(&["--json"]).args(&told));
    assert_eq!(json.code, Some(3));
    let verdict: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(violations(&verdict), Vec::<String>::new());
}

#[test]
fn wrong_usage_ends_with_2() {
    let shop = Shop::new();
    fs::write(shop.path("template"), "port {port}").unwrap();
    for (arguments, expected) in [
        (&[][..], "there is no app to prove: put its command after --"),
        (&["--drive", "true", "--", ""], "its command is empty"),
        (&["--", "true"], "there is no traffic: give a command with --drive"),
        (&["--drive", " ", "--", "true"], "there is no traffic"),
        (&["--drive", "true", "--hurl", "a.hurl", "--", "true"], "give the traffic once"),
        (&["--drive", "curl localhost:{port}", "--", "true"], "--drive has {port}"),
        (&["--drive", "true", "--reset", "rm -r {dir}", "--", "true"], "--reset has {dir}"),
        (&["--drive", "true", "--share", "/proc/self", "--", "true"], "share the folder of the app's own data"),
        (&["--drive", "true", "--beside", "mail {port:smtp}", "--", "true"], "--beside has {port:NAME}"),
        (&["--drive", "true", "--file", "template", "--", "true"], "write it as TEMPLATE=DEST"),
        (&["--drive", "true", "--file", "template=", "--", "true"], "write it as TEMPLATE=DEST"),
        (&["--drive", "true", "--file", "none=app.conf", "--", "true"], "cannot read none"),
        (
            &["--drive", "true", "--report", "template", "--", "true"],
            "cannot write the report to template: it is not a folder",
        ),
        (
            &["--drive", "true", "--report", "template/x", "--", "true"],
            "cannot write the report to template/x: Not a directory",
        ),
    ] {
        let said = shop.refusal(arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    // These are told by the parser of arguments, with an example or what is possible.
    for (arguments, expected) in [
        (&["--not-shown", "maybe"][..], "possible values: fail, warn"),
        (&["--runs", "2"], "2 is not in 3..=65535"),
        (&["--listen", "0"], "0 is not in 1..=65535"),
        (&["--health", "healthz"], "a path begins with /"),
        (&["--env", "PORT=80"], "PORT is set for each instance"),
        (&["--budget", "soon"], "write it as 30s or 5m"),
        (&["--drift", "x"], "unexpected argument '--drift'"),
        (&["--drive", "x", "python3", "app.py"], "put the command of the app after --, as in `-- python3`"),
    ] {
        let said = shop.prove(arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{said:?}");
        assert!(said.err.contains(expected), "{said:?}");
    }
}

#[test]
fn what_stands_in_the_file_is_read_and_flags_win() {
    let shop = Shop::new();
    let command = app(&["port={port}"]);
    let file = format!(
        "[prove]\ncommand = {}\ndrive = {}\nshare = [\"data\"]\nenv = {{ A = \"file\", B = \"{{run}}\" }}\nruns = 40\n",
        Value::from(command),
        Value::from(format!("{} '/env?A' '/env?B'", customer())),
    );
    fs::write(shop.path("fungible.toml"), file).unwrap();
    let out = shop.prove(&["-v"]).verdict(0, "FUNGIBLE");
    assert!(out.starts_with("FUNGIBLE   4 requests, 1 write"), "{out}");
    // The driver fails as long as the file's word counts.
    let drive = format!("{} && curl -sf $BASE_URL/env?A | grep -qx flag", customer());
    let out = shop.prove(&["--env", "A=flag", "--drive", &drive]).verdict(0, "FUNGIBLE");
    assert!(out.starts_with("FUNGIBLE   3 requests"), "{out}");
    let out = shop.ended(shop.tool(&["--"]).args(app(&["trapped"])));
    assert_eq!(out.code, Some(1), "{out:?}");

    for (text, expected) in [
        ("[prove]\nshares = [\"data\"]\n", "fungible.toml: line 2: unknown field `shares`"),
        ("[prove]\nruns = \"many\"\n", "line 2: \"many\" is no whole number"),
        ("[prove]\nlisten = 99999\n", "line 2: 99999 is no whole number from 1 to 65535"),
        ("[prove]\ncommand = \"node\"\n", "line 2: invalid type: string \"node\", expected a list in [ ]"),
        ("[prove\n", "line 1: unclosed table"),
        (
            "[prove]\ncommand = [\"true\"]\ndrive = \"a\"\nhurl = [\"b\"]\n",
            "fungible.toml: give the traffic once: `drive` or `hurl`",
        ),
        ("\u{0}", "fungible.toml: line 1"),
    ] {
        fs::write(shop.path("fungible.toml"), text).unwrap();
        let flags = if text.contains("hurl") { vec![] } else { usual(&[], &[]) };
        let said = shop.refusal(&flags);
        assert!(said.contains(expected), "{text}: {said}");
    }
    fs::write(shop.path("fungible.toml"), b"\xff\xfe").unwrap();
    assert!(shop.refusal(&[""; 0]).contains("cannot read fungible.toml"));
}

#[test]
fn init_writes_a_file_and_never_over_one() {
    let shop = Shop::new();
    let init = || shop.place.output(&["init"]);
    let first = init();
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    assert!(String::from_utf8_lossy(&first.stdout).contains("wrote fungible.toml"), "{first:?}");
    let text = fs::read_to_string(shop.path("fungible.toml")).unwrap();
    assert!(text.contains("[prove]") && text.contains("# share = "), "{text}");
    let second = init();
    assert_eq!(second.status.code(), Some(2), "{second:?}");
    assert!(String::from_utf8_lossy(&second.stderr).contains("cannot write fungible.toml here: File exists"));
    assert_eq!(fs::read_to_string(shop.path("fungible.toml")).unwrap(), text);
    // As it is, it changes nothing.
    shop.prove(&usual(&["--share", "data"], &[])).verdict(0, "FUNGIBLE");
}

/// What a process of a proof wrote down about itself: a word and fields.
fn notes(shop: &Shop) -> Vec<(String, BTreeMap<String, String>)> {
    let text = fs::read_to_string(shop.path("real/notes")).unwrap();
    let fields = |line: &str| {
        let mut words = line.split(' ');
        let who = words.next().unwrap().to_owned();
        let pairs = words.map(|pair| pair.split_once('=').unwrap_or_else(|| panic!("{line}")));
        (who, pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    };
    text.lines().map(fields).collect()
}

#[test]
fn placeholders_are_replaced_in_commands_and_templates() {
    let shop = Shop::new();
    fs::write(shop.path("template"), "admin={port:admin} mail={port:mail} fport={port} {unknown}").unwrap();
    let notes_file = quoted(shop.path("real/notes").to_str().unwrap());
    let app = format!(
        "test -d \"$3\" && echo x > \"$3/x\" && echo app port=$1 PORT=$PORT admin1=$2 dir=$3 run=$4 url=$5 env=$WHERE \
         $(cut -d' ' -f1-3 \"$3/conf/app\") kept=$(cut -d' ' -f4 \"$3/conf/app\") >> {notes_file}; exec {PYTHON} {} port=$1",
        quoted(&program("shop.py"))
    );
    let note = |who: &str| format!("echo {who} run={{run}} url={{url}} base=$BASE_URL where=$WHERE >> {notes_file}");
    let drive = format!("{}; for run in 1; do test ${{run}} = 1 || exit 9; done; {}", note("drive"), customer());
    let beside = format!("{}; exec sleep 1000", note("beside"));
    let arguments = [
        "--share",
        "data",
        "--real",
        "real",
        "--env",
        "WHERE={run}",
        "--file",
        "template={dir}/conf/app",
        "--reset",
        &note("reset"),
        "--beside",
        &beside,
        "--drive",
        &drive,
        "--",
        "sh",
        "-c",
        &app,
        "sh",
        "{port}",
        "{port:admin}",
        "{dir}",
        "{run}",
        "{url}",
    ];
    let out = shop.prove(&arguments).verdict(0, "FUNGIBLE");
    let notes = notes(&shop);
    let of = |who: &str| notes.iter().filter(|one| one.0 == who).map(|one| &one.1).collect::<Vec<_>>();
    let apps = of("app");
    assert!(apps.len() >= 5, "{notes:?}");
    for app in &apps {
        assert_eq!([&app["PORT"], &app["fport"]], [&app["port"]; 2], "{app:?}");
        assert_eq!(app["admin"], app["admin1"], "the same name is the same port: {app:?}");
        let ports = BTreeSet::from(["port", "admin", "mail"].map(|name| app[name].parse::<u16>().unwrap()));
        assert_eq!(ports.len(), 3, "{app:?}");
        assert_eq!((&app["env"], app["kept"].as_str()), (&app["run"], "{unknown}"));
    }
    let distinct = |of: &[&BTreeMap<String, String>], field: &str| -> usize {
        of.iter().map(|one| one[field].clone()).collect::<BTreeSet<_>>().len()
    };
    assert_eq!(distinct(&apps, "dir"), apps.len(), "each has a folder of its own");
    let runs = of("drive").len();
    assert!(out.contains(&format!("covered ({runs} runs, ")), "{runs}: {out}");
    for who in ["drive", "reset", "beside"] {
        let all = of(who);
        assert_eq!((all.len(), distinct(&all, "run"), distinct(&all, "url")), (runs, runs, 1), "{who}: {all:?}");
        for one in all {
            assert_eq!((&one["base"], &one["where"]), (&one["url"], &one["run"]), "{who}");
        }
    }
    assert_eq!(distinct(&apps, "run"), runs);
    assert_eq!(distinct(&[&apps[..], &of("drive")].concat(), "url"), 1);
    // Before anything else of its run.
    let mut seen = BTreeSet::new();
    for (who, fields) in &notes {
        assert_eq!(seen.insert(&fields["run"]), who == "reset", "{who} {fields:?}");
    }
}

#[test]
fn a_suite_may_have_the_port_in_it() {
    let shop = Shop::new();
    let port = free_port().to_string();
    let drive = format!("BASE_URL=http://127.0.0.1:{port} {}", customer());
    let told = driven(&["--listen", &port, "--share", "data"], &drive, &[]);
    shop.prove(&told).verdict(0, "FUNGIBLE");
}

#[test]
fn hurl_files_are_driven_by_the_users_hurl() {
    let shop = Shop::new();
    // A stand-in that does what the real one would do with these arguments.
    let stand_in =
        format!("#!/bin/sh\necho \"$@\" > {}\n{}\n", quoted(shop.path("real/told").to_str().unwrap()), customer());
    fs::create_dir(shop.path("bin")).unwrap();
    fs::write(shop.path("bin/hurl"), stand_in).unwrap();
    let _ = Command::new("chmod").arg("+x").arg(shop.path("bin/hurl")).status().unwrap();
    let path = format!("{}:{}", shop.path("bin").display(), std::env::var("PATH").unwrap());
    let proof = |path: &str| {
        let mut tool = shop.tool(&["--not-shown=warn", "--share", "data", "--hurl", "it's.hurl", "b.hurl", "--"]);
        shop.ended(tool.args(app(&[])).env("PATH", path))
    };
    fs::write(shop.path("it's.hurl"), "").unwrap();
    let said = proof(&path).refusal();
    assert!(said.contains("--hurl b.hurl: it cannot be read: No such file"), "{said}");
    fs::write(shop.path("b.hurl"), "").unwrap();
    proof(&path).verdict(0, "FUNGIBLE");
    let told = fs::read_to_string(shop.path("real/told")).unwrap();
    assert!(told.starts_with("--test --jobs 1 --variable base_url=http://127.0.0.1:"), "{told}");
    assert!(told.ends_with(" it's.hurl b.hurl\n"), "{told}");
    // There, but no program.
    let _ = Command::new("chmod").arg("-x").arg(shop.path("bin/hurl")).status().unwrap();
    let said = proof(shop.path("bin").to_str().unwrap()).refusal();
    assert!(said.contains("`hurl`, which is not in PATH: install it"), "{said}");
}

#[test]
fn a_terminal_gets_colours_and_progress() {
    let shop = Shop::new();
    let told: Vec<String> = usual(&["--share", "data"], &[]).iter().map(|word| quoted(word)).collect();
    let command = format!("stty cols 80 rows 24; exec {} prove {}", env!("CARGO_BIN_EXE_fungible"), told.join(" "));
    let told = |more: &str| {
        let mut script = Command::new("script");
        script.args(["-qec", &format!("{more}{command}"), "/dev/null"]).current_dir(shop.place.folder.path());
        script.env("TMPDIR", shop.path("tmp")).env("FUNGIBLE_TEST_MARK", &shop.place.mark).env("TERM", "xterm");
        script.env_remove("COLUMNS").env_remove("NO_COLOR").stdin(Stdio::null());
        let said = shop.ended(&mut script);
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out
    };
    let shown = told("");
    assert!(shown.contains("\u{1b}[32mFUNGIBLE\u{1b}[0m"), "{shown:?}");
    for expected in ["baseline: request 1", "amnesia: request 2 of 2", " left", "rotate"] {
        assert!(shown.contains(expected), "no {expected:?} in {shown:?}");
    }
    let verdict = &shown[shown.find("FUNGIBLE").unwrap()..];
    assert!(verdict.lines().all(|line| line.chars().count() <= 80 + 2), "{verdict}");
    assert!(!told("export NO_COLOR=1; ").contains("\u{1b}[32m"));
}

#[test]
fn every_kind_of_user_gets_the_same_verdicts() {
    let users: &[&[&str]] = if is_root() {
        &[&["env"], &["setpriv", "--reuid", "4242", "--regid", "4242", "--clear-groups"]]
    } else {
        &[&["env"]]
    };
    for user in users {
        for namespaces in [&[][..], &["--no-namespaces"]] {
            let shop = Shop::new();
            let tool = copy_for_everybody(shop.place.folder.path());
            // Files of somebody else cannot be changed on a private disk, whatever their rights.
            let owner = if user.len() > 1 { "4242:4242" } else { "$(id -u)" };
            let open = format!(
                "chmod 755 . && cp \"$@\" . && chmod 644 *.py && mkdir mine && chown {owner} mine data tmp real"
            );
            let mut copy = Command::new("sh");
            copy.args(["-c", &open, "sh", &program("shop.py"), &program("customer.py")]);
            assert!(copy.current_dir(shop.place.folder.path()).status().unwrap().success());
            fs::write(shop.path("template"), "port {port}\n").unwrap();
            let app = "cat $2/app.conf mine/inner/app.conf > $2/both && test \"$(sort -u $2/both)\" = \"port $1\" && exec \
                       /usr/bin/python3 shop.py";
            let drive = format!("{PYTHON} customer.py");
            // Without --share the sessions lie in a folder that is private, in a sound app as in a broken one.
            for (share, word, code) in [(&["--share", "data"][..], "FUNGIBLE", 0), (&[], "NOT FUNGIBLE", 1)] {
                // A conviction takes many runs; each user and each kind of disk has one.
                if code == 1 && (user.len() > 1) != namespaces.is_empty() {
                    continue;
                }
                let mut command = Command::new(user[0]);
                command.args(&user[1..]).arg(&tool).arg("prove").args(share).args(namespaces);
                command.args([
                    "--file",
                    "template={dir}/app.conf",
                    "--file",
                    "template=mine/inner/app.conf",
                    "--drive",
                    &drive,
                ]);
                command.args(["--", "sh", "-c", app, "sh", "{port}", "{dir}"]).current_dir(shop.place.folder.path());
                command.env("TMPDIR", shop.path("tmp")).env("FUNGIBLE_TEST_MARK", &shop.place.mark);
                command.env("HOME", shop.path("real")).stdin(Stdio::null());
                let out = shop.ended(&mut command).verdict(code, word);
                let copies = out.contains("only copies of");
                assert_eq!(copies, !namespaces.is_empty(), "{user:?}: {out}");
                if code == 1 {
                    assert!(out.contains("its instance wrote"), "{out}");
                }
            }
        }
    }
}

#[test]
fn shared_paths_in_full_are_found_without_namespaces_too() {
    let shop = Shop::new();
    let store = format!("store={}", shop.path("data").display());
    let out = shop.prove(&usual(&["--no-namespaces", "--share", "data"], &[&store])).verdict(0, "FUNGIBLE");
    assert!(out.contains("the loss of 1 of 1 write would be noticed"), "it was on a fork: {out}");
    let limit = out.lines().nth(1).unwrap_or_default();
    assert!(limit.starts_with("not covered: what an instance keeps on the disk outside"), "it says so at once: {out}");
    assert_eq!(fs::read_dir(shop.path("data")).unwrap().count(), 0, "what is shared stays as it is");
}

#[test]
fn help_fits_a_narrow_terminal_and_says_the_exit_codes() {
    let shop = Shop::new();
    let said = shop.ended(shop.place.tool(&["prove", "--help"]).env("COLUMNS", "80"));
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert!(said.out.lines().all(|line| line.chars().count() <= 80), "{}", said.out);
    for expected in ["0  FUNGIBLE", "1  NOT FUNGIBLE", "2  wrong usage", "3  NOT SHOWN", "{port:NAME}", "BASE_URL"] {
        assert!(said.out.contains(expected), "no {expected} in {}", said.out);
    }
}
