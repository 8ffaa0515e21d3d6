//! Measures the store: durable inserts of three processes at once, ours beside what one would write without us, and
//! the CPU time of a session's look-up. `scripts/bench-store` runs it; what `parts` measures is for `scripts/bench-app`.

#![expect(clippy::unwrap_used, reason = "a benchmark may stop at the first surprise")]
#![expect(clippy::print_stdout, reason = "its result")]

mod parts;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use fungible::{Migration, Store, StoreError, StoreUrl, Tx, params};
use tokio::sync::oneshot;

const PROCESSES: usize = 3;
const TASKS: usize = 8;
const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_secs(3);

const TABLE: &str = "CREATE TABLE inserts (id TEXT NOT NULL PRIMARY KEY, text TEXT NOT NULL)";
const MIGRATIONS: &[Migration] = &[Migration { version: 1, name: "inserts", sqlite: TABLE, postgres: TABLE }];
const INSERT: &str = "INSERT INTO inserts (id, text) VALUES ($1, $2)";

/// Who inserts.
const KINDS: [(&str, &str); 4] = [
    ("disk", "the disk alone: 4 KiB and `fdatasync`, one at a time per process"),
    ("plain", "writer thread, `busy_timeout`"),
    ("grouped", "writer thread, group commit, `busy_timeout`"),
    ("ours", "**this store** (group commit, ticket)"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [word, directory] if word == "parts" => println!("{}", parts::measure(Path::new(directory))),
        [kind, path] => insert(kind, Path::new(path)),
        [directory, machine, file] => {
            let report = measure(Path::new(directory), machine);
            println!("{report}");
            put_between_markers(Path::new(file), &report);
        }
        _ => println!("usage: bench_store DIRECTORY MACHINE FILE (see scripts/bench-store)"),
    }
}

/// What the processes of one kind have come to over all rounds.
#[derive(Default)]
struct Total {
    per_process: [usize; PROCESSES],
    /// Microseconds.
    latencies: Vec<u32>,
}

fn measure(directory: &Path, machine: &str) -> String {
    let mut totals: [Total; KINDS.len()] = Default::default();
    for round in 0..ROUNDS {
        for (total, (kind, _)) in totals.iter_mut().zip(KINDS) {
            let path = directory.join(format!("{kind}-{round}.db"));
            one_round(kind, &path, total);
        }
    }
    let mut text = format!(
        "{machine}; {PROCESSES} processes x {TASKS} tasks, durable inserts (FULL), {ROUNDS} interleaved rounds of {} s\n\n\
         | durable inserts | per second | p50 / p99 / p99.9 / max ms | per process | least / mean |\n\
         |---|---|---|---|---|\n",
        TIME.as_secs()
    );
    for (total, (_, title)) in totals.iter_mut().zip(KINDS) {
        total.latencies.sort_unstable();
        // The latency below which so many of ten thousand lie.
        let at = |share: usize| f64::from(total.latencies[(total.latencies.len() - 1) * share / 10_000]) / 1000.0;
        let all: usize = total.per_process.iter().sum();
        let per_second = all as u64 / (TIME.as_secs() * ROUNDS as u64);
        // In percent.
        let least = total.per_process.iter().min().unwrap() * PROCESSES * 100 / all.max(1);
        writeln!(
            text,
            "| {title} | {per_second} | {:.1} / {:.1} / {:.1} / {:.0} | {:?} | {least} % |",
            at(5_000),
            at(9_900),
            at(9_990),
            at(10_000),
            total.per_process,
        )
        .unwrap();
    }
    let read = parts::session_look_up(&directory.join("sessions.db"));
    write!(text, "\nA session's look-up by its cookie, inline: {read:.1} us of CPU.\n").unwrap();
    text
}

fn open(path: &Path) -> Store {
    run(Store::open(&StoreUrl::sqlite(path))).unwrap()
}

fn one_round(kind: &str, path: &Path, total: &mut Total) {
    // The file is there before they start: this measures inserting, not setting up.
    let store = open(path);
    run(async { store.migrate("bench", MIGRATIONS).await.unwrap() });
    drop(store);
    let mut children: Vec<Child> = (0..PROCESSES)
        .map(|_| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.arg(kind).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut outputs: Vec<_> = children.iter_mut().map(|child| BufReader::new(child.stdout.take().unwrap())).collect();
    for output in &mut outputs {
        output.read_line(&mut String::new()).unwrap();
    }
    for child in &mut children {
        child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }
    for (number, output) in outputs.iter_mut().enumerate() {
        let mut bytes = Vec::new();
        output.read_to_end(&mut bytes).unwrap();
        let latencies = bytes.chunks_exact(4).map(|four| u32::from_le_bytes(four.try_into().unwrap()));
        let before = total.latencies.len();
        total.latencies.extend(latencies);
        total.per_process[number] += total.latencies.len() - before;
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
}

/// One process: eight tasks insert, one row after the other, and the latency of each goes to stdout.
fn insert(kind: &str, path: &Path) {
    let writer = match kind {
        "ours" => Writer::Ours(open(path)),
        "disk" => return disk(path),
        kind => Writer::Thread(start_thread(path.to_path_buf(), kind == "grouped")),
    };
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let latencies = run(async {
        let end = Instant::now() + TIME;
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let writer = writer.clone();
                tokio::spawn(async move {
                    let mut latencies = Vec::new();
                    while Instant::now() < end {
                        let start = Instant::now();
                        writer.insert(uuid::Uuid::now_v7().to_string(), "x".repeat(100)).await;
                        latencies.push(u32::try_from(start.elapsed().as_micros()).unwrap());
                    }
                    latencies
                })
            })
            .collect();
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.unwrap());
        }
        all
    });
    let bytes: Vec<u8> = latencies.into_iter().flat_map(u32::to_le_bytes).collect();
    std::io::stdout().write_all(&bytes).unwrap();
}

/// What the disk gives to anybody: a page of a file of the process's own, overwritten and synced.
fn disk(path: &Path) {
    let mut file = std::fs::File::create(path.with_extension(std::process::id().to_string())).unwrap();
    let page = [7; 4096];
    (0..1000).for_each(|_| file.write_all(&page).unwrap());
    file.sync_all().unwrap();
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let end = Instant::now() + TIME;
    let mut latencies = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        file.seek(std::io::SeekFrom::Start(latencies.len() as u64 / 4 % 1000 * 4096)).unwrap();
        file.write_all(&page).unwrap();
        file.sync_data().unwrap();
        latencies.extend(u32::try_from(start.elapsed().as_micros()).unwrap().to_le_bytes());
    }
    std::io::stdout().write_all(&latencies).unwrap();
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

#[derive(Clone)]
enum Writer {
    Ours(Store),
    Thread(mpsc::Sender<Row>),
}

/// A row, and whom to tell that it is on the disk.
type Row = (String, String, oneshot::Sender<()>);

impl Writer {
    async fn insert(&self, id: String, text: String) {
        match self {
            Writer::Ours(store) => {
                let insert = async move |tx: &mut Tx| tx.execute(INSERT, params![id, text]).await;
                let inserted: Result<u64, StoreError> = store.write(insert).await;
                inserted.unwrap();
            }
            Writer::Thread(queue) => {
                let (done, wait) = oneshot::channel();
                queue.send((id, text, done)).unwrap();
                wait.await.unwrap();
            }
        }
    }
}

/// What one would write: a thread with a connection, and `busy_timeout` against the other processes.
fn start_thread(path: PathBuf, grouped: bool) -> mpsc::Sender<Row> {
    let (sender, queue) = mpsc::channel::<Row>();
    std::thread::spawn(move || {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.busy_timeout(Duration::from_mins(1)).unwrap();
        connection.pragma_update(None, "synchronous", "FULL").unwrap();
        while let Ok(first) = queue.recv() {
            connection.prepare_cached("BEGIN IMMEDIATE").unwrap().execute([]).unwrap();
            let mut rows = vec![first];
            if grouped {
                rows.extend(queue.try_iter().take(255));
            }
            for (id, text, _) in &rows {
                connection.prepare_cached(INSERT).unwrap().execute([id, text]).unwrap();
            }
            connection.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
            for (_, _, done) in rows {
                let _ = done.send(());
            }
        }
    });
    sender
}

/// Replaces what stands between the markers in a file; adds them at its end when they are not there.
fn put_between_markers(file: &Path, report: &str) {
    const BEGIN: &str = "<!-- bench-store -->\n";
    const END: &str = "<!-- /bench-store -->\n";
    let old = std::fs::read_to_string(file).unwrap_or_else(|_| "# Benchmarks\n".to_owned());
    let (before, after) = match (old.split_once(BEGIN), old.split_once(END)) {
        (Some((before, _)), Some((_, after))) => (before.to_owned(), after),
        _ => (format!("{old}\n## The shared store\n\n`scripts/bench-store` writes this part.\n\n"), ""),
    };
    std::fs::write(file, format!("{before}{BEGIN}{report}{END}{after}")).unwrap();
}
