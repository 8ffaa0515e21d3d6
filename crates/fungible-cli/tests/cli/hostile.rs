//! A fleet among clients, outputs and other programs that would stop it, or answer in its place.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use super::world::{Place, eventually, free_port, program, request};

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
        let answer =
            request(fleet.address, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
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
            let answer = request(address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            assert_eq!(answer.status, 200);
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
