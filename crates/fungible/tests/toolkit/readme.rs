//! The example of the README is what is in `examples/notes.rs`, and does what the README says.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use test_basics::eventually_async;

use crate::on_both_engines;
use crate::support::{Engine, request, status};

/// The program, which is built with the tests.
fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.ancestors().nth(2).unwrap().join("examples/notes")
}

/// An instance of it, which is killed when it is dropped.
struct Instance {
    child: Child,
    address: SocketAddr,
}

impl Instance {
    async fn start(engine: &Engine) -> Instance {
        loop {
            // Another program may have the port by the time that ours wants it: then it ends.
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let mut command = Command::new(program());
            command.env("PORT", address.port().to_string()).env("FUNGIBLE_COOKIES", "plain");
            command
                .env("FUNGIBLE_STORE", engine.address())
                .env("FUNGIBLE_SECRET", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
            let mut child = command.stdin(Stdio::null()).spawn().unwrap();
            let mut lives = true;
            eventually_async("it listens or ends", async || {
                lives = child.try_wait().unwrap().is_none();
                !lives || tokio::net::TcpStream::connect(address).await.is_ok()
            })
            .await;
            if lives {
                return Instance { child, address };
            }
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

on_both_engines! {
    async fn a_login_a_list_an_add_that_happens_once_and_a_limit(engine: &Engine) {
        let (one, two) = (Instance::start(engine).await, Instance::start(engine).await);
        let form = "POST /login HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded";
        let answer = request(one.address, form, "name=ann&password=correct-horse").await;
        assert_eq!(status(&answer), 303, "{answer}");
        let cookie = answer.split("set-cookie: ").nth(1).unwrap().split(';').next().unwrap().to_owned();
        assert_eq!(status(&request(two.address, form, "name=ann&password=another-horse").await), 409);
        assert_eq!(status(&request(two.address, "GET / HTTP/1.1", "").await), 401);

        let add = |key: usize| format!("POST / HTTP/1.1\r\nCookie: {cookie}\r\nIdempotency-Key: {key}");
        let first = request(one.address, &add(1), "milk").await;
        assert_eq!(status(&first), 200, "{first}");
        drop(one);
        let again = request(two.address, &add(1), "milk").await;
        assert_eq!(again.lines().last(), first.lines().last(), "the same answer");
        assert_eq!(status(&request(two.address, &add(1), "bread").await), 422);
        let list = request(two.address, &format!("GET / HTTP/1.1\r\nCookie: {cookie}"), "").await;
        assert_eq!(list.lines().last(), Some("[\"milk\"]"));

        let mut key = 2;
        loop {
            match status(&request(two.address, &add(key), "more").await) {
                429 => break,
                status => assert_eq!(status, 200, "{key}"),
            }
            key += 1;
        }
        assert!(key > 18, "{key}");
    }
}

#[test]
fn the_readme_shows_the_program() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let readme = read("README.md");
    let shown = readme.split("```rust,no_run\n").nth(1).unwrap().split("```").next().unwrap();
    let program = read("examples/notes.rs");
    let (_, program) = program.split_once("\n\n").unwrap();
    // The formatter has its own idea of how short a line is.
    let words = |text: &str| text.split_whitespace().collect::<String>().replace(",}", "}").replace(",)", ")");
    assert_eq!(words(shown), words(program));
}
