//! A fleet of a test: started from the real binary, asked over real sockets, and gone when it is dropped.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use test_basics::{Answer, Browser, eventually, eventually_ok};

/// A program below tests/cli/programs.
pub(crate) fn program(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/programs").join(name);
    path.display().to_string()
}

/// A folder for a test's sockets and data, and a mark that each of its processes carries in its environment.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) mark: String,
}

impl Place {
    pub(crate) fn new() -> Place {
        static PLACES: AtomicU32 = AtomicU32::new(0);
        let number = PLACES.fetch_add(1, Ordering::Relaxed);
        let folder = tempfile::Builder::new().prefix("fungible-test-").tempdir().unwrap();
        Place { folder, mark: format!("test-{}-{number}", std::process::id()) }
    }

    /// The tool with these arguments, in this place.
    pub(crate) fn tool(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fungible"));
        command.args(arguments).current_dir(self.folder.path());
        command.env("XDG_RUNTIME_DIR", self.folder.path()).env("FUNGIBLE_TEST_MARK", &self.mark);
        for name in ["FUNGIBLE_LISTEN", "FUNGIBLE_FLEET", "FUNGIBLE_SECRET", "NO_COLOR", "PORT"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.tool(arguments).output().unwrap()
    }

    /// Every living process of this test: number and command line.
    pub(crate) fn processes(&self) -> BTreeMap<i32, String> {
        let mark = format!("FUNGIBLE_TEST_MARK={}", self.mark);
        let pids =
            fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter_map(|pid: i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
            let marked = environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes());
            let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?.replace('\0', " ");
            // The dead that nobody has collected yet have no command line.
            (marked && !command.is_empty()).then_some((pid, command))
        })
        .collect()
    }

    #[track_caller]
    pub(crate) fn is_empty_eventually(&self) {
        eventually_ok(|| {
            let left = self.processes();
            if left.is_empty() { Ok(()) } else { Err(format!("the end of {left:?}")) }
        });
    }

    pub(crate) fn fleet(&self, arguments: &[&str]) -> Fleet<'_> {
        Fleet::start(self, self.tool(arguments))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for pid in self.processes().into_keys() {
            signal(pid, "KILL");
        }
    }
}

/// Sends a signal to one process.
pub(crate) fn signal(pid: i32, name: &str) {
    let status =
        Command::new("kill").args([&format!("-{name}"), "--", &pid.to_string()]).stderr(Stdio::null()).status();
    let _ = status.unwrap();
}

/// A running `fungible run`, `dev` or `demo`.
pub(crate) struct Fleet<'a> {
    pub(crate) place: &'a Place,
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    said: Arc<Mutex<String>>,
    printed: Arc<Mutex<String>>,
}

impl<'a> Fleet<'a> {
    pub(crate) fn start(place: &'a Place, mut command: Command) -> Fleet<'a> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = collect(child.stderr.take().unwrap());
        let printed = collect(child.stdout.take().unwrap());
        let address = eventually("the address on standard error", || {
            let said = said.lock().unwrap().clone();
            assert!(child.try_wait().unwrap().is_none(), "it ended early and said: {said}");
            // The URL of the admin page, which may stand there too, has a path.
            said.split_whitespace().find_map(|word| word.split_once("://")?.1.parse().ok())
        });
        Fleet { place, child, address, said, printed }
    }

    /// What came on standard error so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// What came on standard output so far.
    pub(crate) fn printed(&self) -> String {
        self.printed.lock().unwrap().clone()
    }

    pub(crate) fn ask(&self, arguments: &[&str]) -> Output {
        self.place.output(arguments)
    }

    pub(crate) fn status(&self) -> Value {
        let output = self.ask(&["status", "--json"]);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The instances in this state, by name.
    pub(crate) fn in_state(&self, state: &str) -> Vec<Value> {
        let status = self.status();
        let instances = status["instances"].as_array().unwrap();
        instances.iter().filter(|one| one["state"] == state).cloned().collect()
    }

    /// Waits until so many instances are healthy and there are no others.
    #[track_caller]
    pub(crate) fn healthy(&self, count: usize) -> Vec<Value> {
        eventually(&format!("{count} healthy instances; it said {}", self.said()), || {
            let healthy = self.in_state("healthy");
            let all = self.status()["instances"].as_array().unwrap().len();
            (healthy.len() == count && all == count).then_some(healthy)
        })
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        Browser::default().get(self.address, path)
    }

    /// What so many clients see that ask for a path without a pause, while `during` runs: statuses with bodies, and 0 with the
    /// error where there was no answer.
    pub(crate) fn under_load<T>(
        &self,
        clients: usize,
        path: &str,
        during: impl FnOnce() -> T,
    ) -> (T, Vec<(u16, String)>) {
        let over = AtomicBool::new(false);
        let address = self.address;
        thread::scope(|scope| {
            let clients: Vec<_> = (0..clients)
                .map(|_| {
                    scope.spawn(|| {
                        let (mut browser, mut seen) = (Browser::default(), Vec::new());
                        while !over.load(Ordering::Relaxed) {
                            match browser.send(address, "GET", path, "", "") {
                                Ok(answer) => seen.push((answer.status, answer.body)),
                                Err(error) => seen.push((0, error.to_string())),
                            }
                        }
                        seen
                    })
                })
                .collect();
            let done = during();
            over.store(true, Ordering::Relaxed);
            (done, clients.into_iter().flat_map(|client| client.join().unwrap()).collect())
        })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Waits for the end, which must come by itself.
    #[track_caller]
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let status = eventually("the end of the supervisor", || self.child.try_wait().unwrap());
        status.code()
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        // Ended already in most tests; then both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&text);
    thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut piece) {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    });
    text
}

/// `scripts/check --quick` leaves out what takes long.
pub(crate) fn is_whole() -> bool {
    std::env::var_os("FUNGIBLE_QUICK").is_none()
}

/// Whether this user is root.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// The tool, copied to where every user may run it.
pub(crate) fn copy_for_everybody(into: &Path) -> PathBuf {
    let copy = into.join("the-tool");
    fs::copy(env!("CARGO_BIN_EXE_fungible"), &copy).unwrap();
    copy
}
