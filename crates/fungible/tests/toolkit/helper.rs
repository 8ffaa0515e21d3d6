//! Other processes with the same store: this test executable, started again, does one of a few small jobs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};

use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fungible::{Migration, ServeOptions, Store, StoreError, StoreUrl, Tx, params};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use test_basics::LIMIT;
use tokio::net::TcpListener;

const JOB: &str = "FUNGIBLE_TEST_JOB";
const STORE: &str = "FUNGIBLE_TEST_STORE";

const TABLE: &str = "CREATE TABLE rows (id TEXT NOT NULL PRIMARY KEY);";
const COLUMN: &str = "ALTER TABLE rows ADD COLUMN who BIGINT NOT NULL DEFAULT 0;";

/// The table that the jobs write to.
pub(crate) const ROWS: &[Migration] = &[
    Migration { version: 1, name: "rows", sqlite: TABLE, postgres: TABLE },
    Migration { version: 2, name: "who", sqlite: COLUMN, postgres: COLUMN },
];

/// A process at work. It ends at the latest when this is dropped.
pub(crate) struct Helper {
    child: Child,
    stdin: ChildStdin,
    /// What it said, line by line.
    pub(crate) lines: Receiver<String>,
}

impl Helper {
    pub(crate) fn start(job: &str, store: &StoreUrl) -> Helper {
        Helper::start_by(Command::new(std::env::current_exe().unwrap()), job, store)
    }

    /// As [`Helper::start`], by a command that goes on to run this executable with its arguments.
    pub(crate) fn start_by(mut command: Command, job: &str, store: &StoreUrl) -> Helper {
        let command = command.args(["helper::job", "--exact", "--ignored", "--nocapture", "--quiet"]);
        let command = command.env(JOB, job).env(STORE, store.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // The rest is the test harness's own.
                if let Some(said) = line.strip_prefix("> ") {
                    let _ = sender.send(said.to_owned());
                }
            }
        });
        Helper { child, stdin, lines }
    }

    /// Waits for its next line.
    pub(crate) fn hear(&self) -> String {
        self.lines.recv_timeout(LIMIT).unwrap()
    }

    /// Says one line to it.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, signal).unwrap();
    }

    /// SIGKILL, and everything that it had said before.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.lines.iter().collect()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test: the other end of [`Helper::start`].
#[test]
#[ignore = "the other tests start it as a process"]
fn job() {
    let (Ok(job), Ok(store)) = (std::env::var(JOB), std::env::var(STORE)) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let path = store.strip_prefix("sqlite:").unwrap_or_default().to_owned();
        match job.as_str() {
            "insert" => insert(&store).await,
            "hold" => hold(&store).await,
            "migrate" => migrate(&store).await,
            "fill" => fill(&store, &path).await,
            "grow" => grow(&store).await,
            "look" => look(&path),
            "once" => once(&store).await,
            "hold-job" => hold_job(&store).await,
            "serve" => serve(&store).await,
            other => panic!("no job {other}"),
        }
    });
}

fn say(line: &str) {
    // One write, so that lines of several tasks never mix.
    std::io::stdout().lock().write_all(format!("> {line}\n").as_bytes()).unwrap();
}

/// The next line from the one who started us; `None` when it is gone.
fn listen() -> Option<String> {
    let mut line = String::new();
    (std::io::stdin().read_line(&mut line).unwrap() > 0).then(|| line.trim().to_owned())
}

async fn open(store: &str) -> Result<Store, StoreError> {
    Store::open(&store.parse().unwrap()).await
}

async fn add_row(store: &Store, id: String) -> Result<u64, StoreError> {
    let add = async move |tx: &mut Tx| tx.execute("INSERT INTO rows (id) VALUES ($1)", params![id]).await;
    store.write(add).await
}

/// Four tasks add rows as fast as they can and say the id of each that was acknowledged, until stdin ends.
async fn insert(store: &str) {
    let store = open(store).await.unwrap();
    store.migrate("rows", ROWS).await.unwrap();
    for _ in 0..4 {
        let store = store.clone();
        tokio::spawn(async move {
            loop {
                let id = uuid::Uuid::new_v4().to_string();
                add_row(&store, id.clone()).await.unwrap();
                say(&id);
            }
        });
    }
    tokio::task::spawn_blocking(listen).await.unwrap();
}

/// Takes the ticket and keeps it in the midst of a write, until it is told to go on.
async fn hold(store: &str) {
    let store = open(store).await.unwrap();
    let hold = async move |tx: &mut Tx| {
        tx.execute("INSERT INTO rows (id) VALUES ($1)", params!["held"]).await?;
        say("holding");
        listen();
        Ok::<_, StoreError>(())
    };
    store.write(hold).await.unwrap();
    say("done");
    listen();
}

/// Opens and migrates when told to, at the same moment as others do.
async fn migrate(store: &str) {
    say("waiting");
    listen();
    let result = async {
        let store = open(store).await?;
        store.migrate("rows", ROWS).await?;
        add_row(&store, uuid::Uuid::new_v4().to_string()).await
    };
    say(&format!("{:?}", result.await));
}

/// Adds rows until that fails, and says how many were acknowledged and why it ended.
async fn grow(store: &str) {
    let store = open(store).await.unwrap();
    store.migrate("rows", ROWS).await.unwrap();
    let mut kept = 0;
    let error = loop {
        match add_row(&store, format!("{kept:04}{}", "x".repeat(10_000))).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    say(&kept.to_string());
    say(&error.to_string());
}

/// Serves until SIGTERM or SIGINT; `/slow` answers when it is told to.
async fn serve(store: &str) {
    let store = open(store).await.unwrap();
    let slow = async || {
        say("entered");
        tokio::task::spawn_blocking(listen).await.unwrap();
        "slow but sure"
    };
    let router = Router::new().route("/slow", get(slow));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    say(&listener.local_addr().unwrap().to_string());
    let ready = move || store.health();
    let served = fungible::serve(listener, router, ready, fungible::shutdown_signal(), ServeOptions::default()).await;
    say(&format!("{served:?}"));
}

/// Looks for the bytes that it is told in all files beside the store.
fn look(path: &str) {
    let bytes = URL_SAFE_NO_PAD.decode(listen().unwrap()).unwrap();
    let found = found_below(Path::new(path).parent().unwrap(), &bytes);
    say(if found { "found" } else { "not found" });
}

/// Whether these bytes stand in a file of the folder or below it.
pub(crate) fn found_below(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return found_below(&path, bytes);
        }
        // One of a running server may be gone by now.
        std::fs::read(path).is_ok_and(|content| content.windows(bytes.len()).any(|window| window == bytes))
    })
}

/// Adds large rows until the disk is full; then makes room and goes on. Runs on a small disk of its own.
async fn fill(store: &str, path: &str) {
    let store = open(store).await.unwrap();
    store.migrate("rows", ROWS).await.unwrap();
    let mut kept = Vec::new();
    let full = loop {
        let id = format!("{}{}", uuid::Uuid::new_v4(), "x".repeat(20_000));
        match add_row(&store, id.clone()).await {
            Ok(_) => kept.push(id),
            Err(error) => break error,
        }
    };
    say(&full.to_string());
    let read = async move |tx: &mut Tx| {
        let rows = tx.query("SELECT id FROM rows", params![]).await?;
        rows.iter().map(|row| row.get::<String>("id")).collect::<Result<Vec<_>, StoreError>>()
    };
    let found = store.read(read).await.unwrap();
    say(&format!("kept all: {}", kept.iter().all(|id| found.contains(id)) && found.len() == kept.len()));
    let directory = Path::new(path).parent().unwrap();
    std::fs::remove_file(directory.join("ballast")).unwrap();
    say(&format!("{:?}", add_row(&store, "after".to_owned()).await));
    drop(store);
    crate::support::assert_sound(Path::new(path));
    say("sound");
}

/// Carries out one effect for each line that it is told, under that line as its key, and says the answer.
async fn once(store: &str) {
    let instance = crate::once::Instance::new(open(store).await.unwrap(), fungible::OnceOptions::default()).await;
    while let Some(line) = tokio::task::spawn_blocking(listen).await.unwrap() {
        let key = crate::once::key(&line.replace(' ', "-"), "x");
        let done = loop {
            match instance.run(key, "a").await {
                Err(crate::once::Problem::Once(fungible::OnceError::Running)) => {}
                done => break done.unwrap(),
            }
        };
        say(&done.answer.to_string());
    }
}

/// Takes a job and keeps it for ever.
async fn hold_job(store: &str) {
    let jobs = crate::jobs::jobs(&open(store).await.unwrap()).await;
    let hold = async |_| {
        say("holding");
        std::future::pending().await
    };
    let options = fungible::WorkerOptions::default().look_every(std::time::Duration::from_millis(20));
    fungible::Worker::new(jobs, options).on("hold", hold).run(std::future::pending()).await;
}
