//! Control sockets that are not what they should be: folders and links of somebody else, and programs that pretend to be
//! a fleet.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use test_basics::{eventually, free_port};

use super::world::{Place, is_root};

/// A user without rights that is in no list.
const STRANGER: u32 = 4242;

/// Each command that talks to a fleet.
const TALKING: [&[&str]; 5] = [&["status"], &["status", "--json"], &["kill", "web-1"], &["scale", "2"], &["stop"]];

/// Something in `folder` that looks like the fleet `name`, and says always the same.
struct Pretender {
    _lock: File,
}

impl Pretender {
    fn new(folder: &Path, name: &str, reply: &'static str) -> Pretender {
        let lock = File::create(folder.join(format!("{name}.lock"))).unwrap();
        lock.lock().unwrap();
        let listener = UnixListener::bind(folder.join(format!("{name}.sock"))).unwrap();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                // One that only looks whether somebody listens has gone again.
                let asked = BufReader::new(client.try_clone().unwrap()).read_line(&mut String::new());
                let _ = asked.and_then(|_| writeln!(client, "{reply}"));
            }
        });
        Pretender { _lock: lock }
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What the command said, which ended by itself.
#[track_caller]
fn ended(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("its end", || child.try_wait().unwrap());
    child.wait_with_output().unwrap()
}

#[test]
fn a_folder_of_somebody_else_is_not_asked_for_fleets() {
    for case in ["a link", "open to others", "of another user"] {
        let place = Place::new();
        let (folder, elsewhere) = (place.folder.path().join("fungible"), place.folder.path().join("elsewhere"));
        fs::create_dir(&elsewhere).unwrap();
        let _pretender = Pretender::new(&elsewhere, "web@80", r#"{"done":"done by somebody else"}"#);
        let reason = match case {
            "a link" => {
                mode(&elsewhere, 0o700);
                symlink(&elsewhere, &folder).unwrap();
                "it is not a folder of yours"
            }
            "open to others" => {
                fs::rename(&elsewhere, &folder).unwrap();
                mode(&folder, 0o770);
                "others may open it"
            }
            _ if is_root() => {
                fs::rename(&elsewhere, &folder).unwrap();
                mode(&folder, 0o700);
                std::os::unix::fs::chown(&folder, Some(STRANGER), None).unwrap();
                "it is not a folder of yours"
            }
            _ => {
                println!("left out: a folder of another user, which only root can make");
                continue;
            }
        };
        for arguments in TALKING {
            let output = ended(&mut place.tool(arguments));
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{case}, {arguments:?}: {said}");
            let expected = format!("cannot use the folder {} for control sockets: {reason}", folder.display());
            assert!(said.contains(&expected), "{case}, {arguments:?}: {said}");
            assert!(output.stdout.is_empty(), "{case}, {arguments:?}");
        }
    }
}

#[test]
fn control_characters_of_others_never_reach_the_terminal() {
    let place = Place::new();
    let folder = place.folder.path().join("fungible");
    fs::create_dir(&folder).unwrap();
    mode(&folder, 0o700);
    let is_plain = |what: &[&str], output: &Output| {
        for printed in [&output.stdout, &output.stderr] {
            let printed = String::from_utf8(printed.clone()).unwrap();
            let steers = |letter: char| letter != '\n' && (letter.is_control() || letter == '\u{202e}');
            assert!(!printed.contains(steers), "{what:?}: {printed:?}");
        }
    };
    let status = r#"{"status":{"schema_version":1,"name":"w\u001b]0;me\u0007","listen":"127.0.0.1:1","pid":1,"isolation":"x\u009b2J",
        "instances":[{"name":"web\u001b[2J-1\u009b\u202e\n","state":"healthy","pid":1,"address":null,"up_ms":1,"in_flight":0,"served":0,
        "restarts":0,"last_problem":"\u007f\u001b[31m"}]}}"#;
    let replies =
        [r#"{"done":"done\u001b[2J\r\u009b"}"#, r#"{"refused":"no\u001b[31m\nfungible: yes"}"#, status, "\u{1b}[2J"];
    let mut shown = String::new();
    for reply in replies {
        let _pretender = Pretender::new(&folder, "w\u{1b}[31m\u{9b}b@80", reply);
        for arguments in TALKING {
            // One that says it is done is waited for until it has ended.
            if arguments[0] == "stop" && reply.contains("done") {
                continue;
            }
            let output = ended(&mut place.tool(arguments));
            is_plain(arguments, &output);
            shown += &String::from_utf8(output.stdout).unwrap();
            shown += &String::from_utf8(output.stderr).unwrap();
        }
        // Its name stands in what is wrong.
        let output = ended(&mut place.tool(&["status", "--fleet", "other"]));
        assert!(String::from_utf8_lossy(&output.stderr).contains("; running: w\\u{1b}[31m\\u{9b}b@80"), "{output:?}");
        is_plain(&["status", "--fleet", "other"], &output);
        fs::remove_file(folder.join("w\u{1b}[31m\u{9b}b@80.sock")).unwrap();
    }
    for expected in ["done\\u{1b}[2J\\r\\u{9b}\n", "no\\u{1b}[31m\\nfungible: yes\n", "web\\u{1b}[2J-1", "\\u009b"] {
        assert!(shown.contains(expected), "no {expected:?} in {shown}");
    }

    // What it is told to run, and what is wrong with that.
    let hostile = "no-such\u{1b}]0;title\u{7}\u{9b}2J\u{202e}";
    for arguments in [
        &["run", "--listen", "127.0.0.1:0", "--", "false", hostile][..],
        &["run", "--listen", "127.0.0.1:0", "--", hostile],
        &["prove", "--drive", "true", "--", hostile],
        &["prove", "--drive", "true", "--share", hostile, "--", "true"],
        &["prove", "--drive", "{rn} \u{1b}[2J", "--report", hostile, "--", "false"],
        &["prove", "--drive", "true", "--", "sh", "-c", "printf '\\033[2J\\007bad'; exit 1"],
    ] {
        is_plain(arguments, &ended(&mut place.tool(arguments)));
    }
    fs::write(place.folder.path().join("fungible.toml"), "[prove]\n\"no\\u001b[2J\" = 1\n").unwrap();
    is_plain(&["fungible.toml"], &ended(&mut place.tool(&["prove", "--drive", "true", "--", "true"])));
}

#[test]
fn a_lock_that_is_a_link_or_a_pipe_is_left_as_it_is() {
    let place = Place::new();
    let folder = place.folder.path().join("fungible");
    fs::create_dir(&folder).unwrap();
    mode(&folder, 0o700);
    let precious = place.folder.path().join("precious");
    fs::write(&precious, "kept").unwrap();
    let port = free_port();
    let lock = folder.join(format!("web@{port}.lock"));
    let address = format!("127.0.0.1:{port}");
    for pipe in [false, true] {
        if pipe {
            fs::remove_file(&lock).unwrap();
            assert!(Command::new("mkfifo").arg(&lock).status().unwrap().success());
        } else {
            symlink(&precious, &lock).unwrap();
        }
        let output = ended(&mut place.tool(&["run", "--listen", &address, "--name", "web", "--", "true"]));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("web@{port}.lock is not a plain file; remove it")), "{said}");
        assert_eq!(fs::read_to_string(&precious).unwrap(), "kept");
        // Nor does it hold up those who look for fleets.
        let output = ended(&mut place.tool(&["status"]));
        assert!(String::from_utf8(output.stderr).unwrap().contains("no fleet is running"));
    }
}
