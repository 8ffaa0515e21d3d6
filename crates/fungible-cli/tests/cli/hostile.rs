//! A fleet among clients, outputs and other programs that would stop it, or answer in its place.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use test_basics::{Browser, eventually, free_port};

use super::world::{Place, is_root, program};

/// A server that serves one request at a time, as gunicorn does unless it is told otherwise.
const ONE_AT_A_TIME: &str = "
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
";

#[test]
fn clients_that_send_slowly_stop_no_instance_that_serves_one_request_at_a_time() {
    let place = Place::new();
    let fleet = place.fleet(&["run", "-n", "3", "--listen", "127.0.0.1:0", "--", "python3", "-c", ONE_AT_A_TIME]);
    fleet.healthy(3);
    let slow: Vec<TcpStream> = (0..6)
        .map(|_| {
            let mut socket = TcpStream::connect(fleet.address).unwrap();
            socket.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx").unwrap();
            socket
        })
        .collect();
    for _ in 0..6 {
        let answer = Browser::default().send(fleet.address, "POST", "/", "text/plain", "hi").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "hi"));
    }
    drop(slow);
}

/// The tool as a shell starts it that has set a limit before.
fn limited(place: &Place, limit: &str, arguments: &[&str]) -> Command {
    let tool = place.tool(arguments);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")]).arg(tool.get_program()).args(tool.get_args());
    for (name, value) in tool.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.current_dir(place.folder.path()).stdin(Stdio::null());
    shell
}

#[test]
fn idle_clients_take_the_last_socket_from_nobody() {
    let place = Place::new();
    let script = program("plain.py");
    let run = ["run", "-n", "2", "--listen", "127.0.0.1:0", "--", "python3", &script];
    let fleet = super::world::Fleet::start(&place, limited(&place, "ulimit -n 300", &run));
    fleet.healthy(2);
    let idle: Vec<TcpStream> = (0..400).map(|_| TcpStream::connect(fleet.address).unwrap()).collect();
    for _ in 0..4 {
        assert_eq!(fleet.get("/").status, 200);
    }
    drop(idle);
}

/// A fleet at a port that is known, as nothing that it says is read.
fn unheard(place: &Place, arguments: &[&str], to_stderr: Stdio) -> (Child, SocketAddr) {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let listen = address.to_string();
    let all = [&["run", "-n", "1", "--listen", &listen, "--drain-limit", "10m", "--grace", "10m"], arguments].concat();
    let child = place.tool(&all).stdout(Stdio::piped()).stderr(to_stderr).spawn().unwrap();
    eventually("it is ready", || {
        let status = place.output(&["status"]);
        String::from_utf8_lossy(&status.stdout).contains("healthy").then_some(())
    });
    (child, address)
}

#[track_caller]
fn stops(place: &Place, mut fleet: Child) {
    let stopped = place.output(&["stop"]);
    assert!(stopped.status.success(), "{stopped:?}");
    let status = eventually("its end", || fleet.try_wait().unwrap());
    assert!(status.success(), "{status:?}");
}

/// Many requests, each answered.
fn answers(address: SocketAddr, clients: usize, times: usize) {
    let client = || {
        for _ in 0..times {
            assert_eq!(Browser::default().get(address, "/").status, 200);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(client);
        }
    });
}

#[test]
fn an_access_log_that_nobody_reads_stops_neither_requests_nor_the_end() {
    let place = Place::new();
    let script = program("plain.py");
    let (mut fleet, address) = unheard(&place, &["--access-log", "--", "python3", &script], Stdio::piped());
    // More lines than the pipe takes and than wait.
    answers(address, 16, 160);
    // Whoever reads on is told how much is missing.
    let said = Arc::new(Mutex::new(String::new()));
    let (into, mut from) = (Arc::clone(&said), fleet.stderr.take().unwrap());
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut piece) {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    });
    eventually("the count of lines", || said.lock().unwrap().contains("lines were left out here").then_some(()));
    stops(&place, fleet);
}

#[test]
fn an_access_log_on_a_full_disk_stops_neither_requests_nor_the_end() {
    let place = Place::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (fleet, address) = unheard(&place, &["--access-log", "--", "python3", &program("plain.py")], Stdio::from(full));
    answers(address, 1, 20);
    stops(&place, fleet);
}

#[test]
fn the_output_of_instances_that_nobody_reads_stops_neither_requests_nor_the_end() {
    let place = Place::new();
    // It prints a line for each request.
    let server = ["--", "python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", "{port}"];
    let (fleet, address) = unheard(&place, &server, Stdio::piped());
    answers(address, 1, 3000);
    stops(&place, fleet);
}

/// What instances print to a full disk is counted, too.
#[test]
fn lines_of_instances_that_cannot_be_written_are_counted() {
    let place = Place::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let speaks = "for n in 1 2 3 4 5; do echo $n; done; exec python3 $0";
    let mut tool = place.tool(&["run", "-n", "1", "--listen", "127.0.0.1:0", "--", "sh", "-c", speaks]);
    let mut fleet = tool.arg(program("plain.py")).stdout(Stdio::from(full)).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut from = std::io::BufReader::new(fleet.stderr.take().unwrap());
    while !said.contains("of instances w") {
        assert_ne!(std::io::BufRead::read_line(&mut from, &mut said).unwrap(), 0, "{said}");
    }
    stops(&place, fleet);
}

/// A network of its own in which a program takes the ports of instances, and `script` runs. What clients sent to that
/// program is in the file `notes`.
fn among_grabbers(place: &Place, how: &str, script: &str) -> (std::process::Output, String) {
    let notes = place.folder.path().join("notes");
    let whole = format!(
        "ip link set lo up
        python3 {} {how} {} > waiting & grabber=$!
        while [ ! -s waiting ]; do sleep 0.01; done
        ( {script} ); code=$?
        kill $grabber
        exit $code",
        program("grabber.py"),
        notes.display()
    );
    let tool = place.tool(&[]);
    let mut command = Command::new("unshare");
    if !is_root() {
        command.arg("--map-root-user");
    }
    command.args(["--net", "sh", "-c", &whole]).current_dir(place.folder.path()).stdin(Stdio::null());
    command.env("FUNGIBLE", tool.get_program()).env("PLAIN", program("plain.py"));
    command.env("XDG_RUNTIME_DIR", place.folder.path()).env("FUNGIBLE_TEST_MARK", &place.mark);
    let output = command.output().unwrap();
    (output, String::from_utf8_lossy(&std::fs::read(&notes).unwrap_or_default()).into_owned())
}

fn said(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// It answered for the instance, "ready after 0 ms", and got the cookies of clients.
#[test]
fn a_fleet_whose_every_port_is_taken_by_another_program_ends_with_a_clear_error() {
    let place = Place::new();
    // One that ends when it cannot listen, and one that listens elsewhere then.
    for instance in ["python3 $PLAIN", "sleep 1000"] {
        let run = format!("$FUNGIBLE run -n 2 --name web --listen 127.0.0.1:8080 -- {instance}");
        let (output, notes) = among_grabbers(&place, "each", &run);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("lost its port: python3 (process "), "{said}");
        assert!(said.contains("took the port that was chosen for web-") && said.contains("end that program"), "{said}");
        assert!(!said.contains(" ready "), "{said}");
        assert_eq!(notes, "", "nobody asked it anything");
        place.is_empty_eventually();
    }
}

#[test]
fn a_fleet_some_of_whose_ports_are_taken_answers_by_its_instances_alone() {
    let place = Place::new();
    let script =
        ": > said; $FUNGIBLE run -n 3 --name web --listen 127.0.0.1:8080 --health / -- python3 $PLAIN > said 2>&1 & run=$!
        until [ \"$(grep -c ' ready ' said)\" -ge 3 ]; do sleep 0.01; done
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do curl -s --cookie secret=1 http://127.0.0.1:8080/; echo; done
        $FUNGIBLE kill web-2 > /dev/null
        until [ \"$(grep -c ' ready ' said)\" -ge 4 ]; do sleep 0.01; done
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do curl -s --cookie secret=1 http://127.0.0.1:8080/; echo; done
        $FUNGIBLE stop > /dev/null; wait $run";
    let (output, notes) = among_grabbers(&place, "half", script);
    let answers = String::from_utf8_lossy(&output.stdout).into_owned();
    let events = std::fs::read_to_string(place.folder.path().join("said")).unwrap();
    assert_eq!(output.status.code(), Some(0), "{answers}{events}");
    assert_eq!(answers.lines().filter(|line| line.starts_with("web-")).count(), 24, "{answers}");
    assert!(events.contains("lost its port: python3 (process "), "{events}");
    assert!(!notes.contains("secret"), "{notes}");
    place.is_empty_eventually();
}

/// A server that stops listening when it is told to, and lives on.
const STOPS_LISTENING: &str = "
import os, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == '/stop': threading.Thread(target=self.server.shutdown).start()
        self.send_response(200)
        self.send_header('Content-Length', '3')
        self.end_headers()
        self.wfile.write(b'own')
    def log_message(self, *_): pass
server = ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler)
server.serve_forever()
server.server_close()
time.sleep(1000)
";

/// It stayed healthy, and the stranger got its requests for good.
#[test]
fn a_live_instance_that_loses_its_port_is_started_again_on_another_one() {
    for noticed_before in [false, true] {
        loses_its_port(noticed_before);
    }
}

/// `noticed_before`: the instance is unhealthy before the other program listens.
fn loses_its_port(noticed_before: bool) {
    let place = Place::new();
    let fleet = place.fleet(&["run", "-n", "1", "--listen", "127.0.0.1:0", "--", "python3", "-c", STOPS_LISTENING]);
    let address: SocketAddr = fleet.healthy(1)[0]["address"].as_str().unwrap().parse().unwrap();
    let steal = move || eventually("its port", || TcpListener::bind(address).ok());
    let thief = (!noticed_before).then(|| std::thread::spawn(steal));
    assert_eq!(fleet.get("/stop").body, "own");
    if noticed_before {
        eventually("it is noticed", || (fleet.in_state("unhealthy").len() == 1).then_some(()));
    }
    // It takes connections, and says nothing.
    let thief = thief.map_or_else(steal, |thief| thief.join().unwrap());
    eventually("the event", || fleet.said().contains("lost its port: ").then_some(()));
    eventually("another port", || {
        let healthy = fleet.in_state("healthy");
        healthy.first().is_some_and(|one| one["address"] != address.to_string()).then_some(())
    });
    for _ in 0..5 {
        assert_eq!(fleet.get("/").body, "own");
    }
    drop(thief);
}

/// Docker's proxy, for example, listens for an instance and is no process of it.
#[test]
fn allow_foreign_listener_accepts_another_process_on_the_port() {
    let place = Place::new();
    let script =
        ": > said; $FUNGIBLE run -n 1 --listen 127.0.0.1:8080 --allow-foreign-listener -- sleep 1000 > said 2>&1 & run=$!
        until grep -q ' ready ' said; do sleep 0.01; done
        curl -s http://127.0.0.1:8080/
        $FUNGIBLE stop > /dev/null; wait $run";
    let (output, _) = among_grabbers(&place, "each", script);
    assert_eq!(said(&output), "stolen");
    place.is_empty_eventually();
}

#[test]
fn a_proof_beside_a_program_that_takes_ports_is_right_or_ends_with_a_clear_error() {
    let place = Place::new();
    let prove = "$FUNGIBLE prove --drive 'curl -s --cookie secret=1 $BASE_URL/; curl -s --cookie secret=1 $BASE_URL/env?HOME' \
                 -- python3 $PLAIN {port}";
    let (output, notes) = among_grabbers(&place, "each", prove);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("takes the ports that are chosen for instances") && text.contains("python3 (process"),
        "{text}"
    );
    assert_eq!(notes, "");

    // Every second one: another port is found each time, and the verdict is that of a proof which nobody disturbs.
    let calm = place.tool(&["prove", "--drive", "curl -s $BASE_URL/; curl -s $BASE_URL/env?HOME", "--"]);
    let mut calm = calm;
    let calm = calm.args(["python3", &program("plain.py"), "{port}"]).output().unwrap();
    let (output, notes) = among_grabbers(&place, "half", prove);
    let text = said(&output);
    assert_eq!(output.status.code(), calm.status.code(), "{text} {}", said(&calm));
    assert!(text.contains("gets another one"), "{text}");
    assert!(!notes.contains("secret"), "{notes}");
    place.is_empty_eventually();
}
