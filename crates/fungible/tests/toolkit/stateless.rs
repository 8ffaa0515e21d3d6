//! `Stateless`: what compiles, what is printed at the start, what the compiler refuses and in which words, and what
//! clippy sees beside it.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use fungible::{Cache, Handle, Jobs, Limits, Once, Sessions, Stateless, Store, Users, WithStateless as _, exemptions};
use tokio::sync::Semaphore;
use tracing_subscriber::fmt::MakeWriter;

/// Each file in `tests/refused` with the answer beside it, as Rust 1.95 prints it. `TRYBUILD=overwrite` writes the
/// answers anew. The first time it builds the toolkit once more, in a folder of its own.
#[test]
fn state_of_one_instance_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/refused/*.rs");
}

/// Knows how to ask for money. Nothing of ours.
struct Client;

trait Mailer: Stateless + Send + Sync {}

#[derive(Stateless)]
struct ByPost<'a> {
    street: &'a str,
    stamps: Handle<Client>,
}

impl Mailer for ByPost<'static> {}

#[derive(Stateless)]
enum Payments<P> {
    Here(#[stateless(allow = "it has no state")] P),
    There {
        by: Handle<P>,
        #[expect(dead_code, reason = "nobody pays here")]
        #[stateless(allow = "bounds the memory of this instance")]
        at_once: Semaphore,
    },
    Never,
}

#[derive(Stateless)]
struct Unit;

#[derive(Clone, Stateless)]
enum Nobody {}

/// All kinds of fields that are right.
#[derive(Clone, Stateless)]
struct App {
    store: Option<Store>,
    toolkit: Vec<(Users, Sessions, Once, Limits, Jobs)>,
    names: Arc<HashMap<String, BTreeMap<u32, Duration>>>,
    prices: Cache<String, u64>,
    mailers: Vec<Arc<dyn Mailer>>,
    payments: Arc<Payments<Client>>,
    again: Arc<Payments<Client>>,
    nothing: (PhantomData<Mutex<u32>>, [Option<Nobody>; 2]),
    #[expect(dead_code, reason = "nobody prints it here")]
    #[stateless(allow = "shown in small print")]
    answered: Arc<AtomicU64>,
}

fn app() -> App {
    let by = || Handle::new(Client, "the payment service");
    App {
        store: None,
        toolkit: Vec::new(),
        names: Arc::default(),
        prices: Cache::new(fungible::CacheMode::On, fungible::CacheOptions::new(1, Duration::MAX)),
        mailers: vec![Arc::new(ByPost { street: "Main Street", stamps: Handle::new(Client, "the post office") })],
        payments: Arc::new(Payments::There { by: by(), at_once: Semaphore::new(1) }),
        again: Arc::new(Payments::Here(Client)),
        nothing: (PhantomData, [None, None]),
        answered: Arc::default(),
    }
}

const EXEMPTIONS: [&str; 5] = [
    "ByPost.stamps (toolkit::stateless::Client): a handle to the post office",
    "Payments::There.by (toolkit::stateless::Client): a handle to the payment service",
    "Payments::There.at_once (tokio::sync::semaphore::Semaphore): bounds the memory of this instance",
    "Payments::Here.0 (toolkit::stateless::Client): it has no state",
    "App.answered (alloc::sync::Arc<core::sync::atomic::AtomicU64>): shown in small print",
];

fn said(state: &(impl Stateless + ?Sized)) -> Vec<String> {
    exemptions(state).iter().map(ToString::to_string).collect()
}

#[test]
fn exemptions_are_found_wherever_they_are_and_once() {
    assert_eq!(said(&app()), EXEMPTIONS);
    assert_eq!(said(&(app(), [app()])), EXEMPTIONS);
    assert_eq!(said(&Handle::new(1, "nowhere")), ["i32: a handle to nowhere"]);
    assert_eq!(said(&(Unit, Payments::<Client>::Never, "text")), [""; 0]);
}

#[test]
fn exemptions_are_printed_when_the_router_gets_its_state() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(log.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        let _: Router = Router::new().with_stateless(app());
    });
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let expected = EXEMPTIONS.map(|line| format!(" INFO fungible::stateless: in this instance alone: {line}\n"));
    assert_eq!(log, expected.concat());
}

#[test]
#[should_panic(expected = "a Handle says what it leads to")]
fn a_handle_says_what_it_leads_to() {
    let _ = Handle::new(Client, " ");
}

/// The `clippy.toml` of the documentation, over a service that does what `Stateless` cannot see.
#[test]
fn clippy_sees_most_of_what_the_types_of_the_state_do_not_show() {
    const SERVICE: &str = r#"
        pub static SEEN: std::sync::Mutex<Vec<u64>> = std::sync::Mutex::new(Vec::new()); // std::sync::Mutex
        pub static PRICES: std::sync::LazyLock<u64> = std::sync::LazyLock::new(|| 1); // std::sync::LazyLock
        thread_local! { pub static TURN: std::cell::Cell<u8> = const { std::cell::Cell::new(0) }; } // std::cell::Cell
        pub fn layer(router: axum::Router) -> axum::Router { router.layer(axum::Extension(1)) } // axum::Extension
        pub fn state(router: axum::Router<u8>) -> axum::Router { router.with_state(1) } // axum::Router::with_state
        pub fn captured() -> impl Fn() { let n = std::sync::atomic::AtomicU64::new(0); move || { // std::sync::atomic::AtomicU64
            n.fetch_add(1, std::sync::atomic::Ordering::SeqCst); } }
        pub fn hand_written() -> impl Send { tokio::sync::Mutex::new(1) } // tokio::sync::Mutex
        pub fn file() { let _ = std::fs::write("cart", "tea"); } // std::fs::write
        pub fn later() { tokio::spawn(async {}); } // tokio::spawn
        pub fn queue() -> impl Send { tokio::sync::mpsc::channel::<u8>(1) } // tokio::sync::mpsc::channel
    "#;
    let manifest = "[package]\nname = \"service\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
                    [dependencies]\naxum = { version = \"0.8\", default-features = false }\ntokio = { version = \"1\", features = [\"sync\", \"rt\"] }\n";
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let service = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clippy");
    std::fs::create_dir_all(service.join("src")).unwrap();
    std::fs::copy(here.join("../../Cargo.lock"), service.join("Cargo.lock")).unwrap();
    std::fs::copy(here.join("src/stateless/clippy.toml"), service.join("clippy.toml")).unwrap();
    std::fs::write(service.join("Cargo.toml"), manifest).unwrap();
    std::fs::write(service.join("src/lib.rs"), SERVICE).unwrap();

    let output = Command::new(env!("CARGO"))
        .args(["clippy", "--offline", "--message-format=short", "--target-dir", "target"])
        .current_dir(&service)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("clippy.toml"), "clippy does not understand the file: {said}");
    let traps = SERVICE.lines().enumerate().filter_map(|(at, line)| Some((at + 1, line.split_once("} // ")?.1)));
    for (line, path) in
        traps.chain([(2, "std::sync::Mutex"), (3, "std::sync::LazyLock"), (7, "std::sync::atomic::AtomicU64")])
    {
        let seen = |warning: &str| {
            warning.starts_with(&format!("src/lib.rs:{line}:")) && warning.contains(&format!("`{path}`"))
        };
        assert!(said.lines().any(seen), "line {line}: {path} is not seen:\n{said}");
    }
}

/// Where the log goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Log;

    fn make_writer(&self) -> Log {
        self.clone()
    }
}
