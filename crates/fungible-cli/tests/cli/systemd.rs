//! The units for systemd, and what systemd does when it starts one: it passes a socket on and waits for a word.

use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use test_basics::{eventually, raw};

use super::world::{Place, program, signal};

/// Becomes the tool with a listening socket as its third file, as systemd starts it.
const AS_SYSTEMD: &str = "
import os, socket, sys
listener = socket.socket(fileno=int(sys.argv[1]))
os.dup2(listener.fileno(), 3, inheritable=True)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
";

#[test]
fn a_restart_refuses_no_connection() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let words = UnixDatagram::bind(place.folder.path().join("notify")).unwrap();
    words.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let start = || {
        let inherited = rustix::io::dup(&listener).unwrap();
        let mut python = Command::new("python3");
        let number = std::os::fd::AsRawFd::as_raw_fd(&inherited).to_string();
        python.args(["-c", AS_SYSTEMD, &number, env!("CARGO_BIN_EXE_fungible"), "run", "-n", "2", "--name", "web"]);
        python.args(["--", "python3", &program("plain.py")]).env("XDG_RUNTIME_DIR", place.folder.path());
        python.env("FUNGIBLE_TEST_MARK", &place.mark).env("NOTIFY_SOCKET", place.folder.path().join("notify"));
        python.spawn().unwrap()
    };
    let hears = |expected: &str| {
        let mut word = [0; 64];
        let length = words.recv(&mut word).unwrap();
        assert_eq!(String::from_utf8_lossy(&word[..length]).trim(), expected);
    };
    let ask = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut first = start();
    hears("READY=1");
    assert_eq!(raw(address, ask).unwrap().status, 200);
    signal(i32::try_from(first.id()).unwrap(), "TERM");
    hears("STOPPING=1");
    assert!(first.wait().unwrap().success());
    // Nobody serves, and nobody is refused.
    TcpStream::connect(address).unwrap();
    let waiting = std::thread::spawn(move || raw(address, ask));
    let mut second = start();
    hears("READY=1");
    assert_eq!(waiting.join().unwrap().unwrap().status, 200);
    signal(i32::try_from(second.id()).unwrap(), "TERM");
    assert!(second.wait().unwrap().success());
}

#[test]
fn units_have_what_run_was_told() {
    let place = Place::new();
    let output = place.output(&[
        "systemd-unit",
        "--user",
        "web",
        "--name",
        "shop",
        "--listen",
        "0.0.0.0:80",
        "--env",
        "MOTTO=50% off",
        "--drain-limit",
        "20s",
        "--",
        "/srv/app",
        "--port",
        "{port}",
        "--user",
        "x y",
    ]);
    assert!(output.status.success(), "{output:?}");
    let units = String::from_utf8(output.stdout).unwrap();
    for line in [
        "# /etc/systemd/system/shop.socket",
        "ListenStream=0.0.0.0:80",
        "User=web",
        "TimeoutStartSec=65",
        "TimeoutStopSec=35",
        "AmbientCapabilities=",
        "ExecReload=/bin/kill -HUP $MAINPID",
    ] {
        assert!(units.lines().any(|one| one == line), "{line} is missing:\n{units}");
    }
    let run = " run --name shop --listen 0.0.0.0:80 --env \"MOTTO=50%% off\" --drain-limit 20s -- /srv/app --port {port} --user \"x y\"";
    let tool = std::fs::canonicalize(env!("CARGO_BIN_EXE_fungible")).unwrap();
    let start = format!("ExecStart={}{run}", tool.display());
    assert!(units.lines().any(|line| line == start), "{start} is missing:\n{units}");
    // systemd's own check, where it is there.
    let folder = place.folder.path();
    let (socket, service) = units.split_once("# /etc/systemd/system/shop.service").unwrap();
    std::fs::write(folder.join("shop.socket"), socket).unwrap();
    std::fs::write(folder.join("shop.service"), service.replace("User=web\n", "").replace("/srv/app", "/bin/true"))
        .unwrap();
    match Command::new("systemd-analyze").arg("verify").arg(folder.join("shop.service")).output() {
        Ok(verified) => assert!(verified.status.success(), "{verified:?}"),
        Err(_) => println!("systemd-analyze is not installed: the units were not checked by it"),
    }
    eventually("nothing was started", || place.processes().is_empty().then_some(()));
}
