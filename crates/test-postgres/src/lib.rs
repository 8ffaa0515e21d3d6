//! For tests: a PostgreSQL server of one's own, started from the system's binaries in a temporary directory on a free
//! port, and gone when it is dropped, or when the process of the test is.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use test_basics::{eventually, eventually_ok, free_port};

/// A server. All its databases may be reached by the user `postgres` without a password.
#[derive(Debug)]
pub struct Server {
    directory: PathBuf,
    /// A port of its own for as long as it lives, whether it is running or not.
    port: u16,
    settings: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// A new server that is running.
    ///
    /// # Panics
    /// When PostgreSQL is not installed, or does not start: a test stops at the first surprise.
    pub fn start() -> Server {
        Server::start_with(&[])
    }

    /// As [`Server::start`], with settings such as `max_connections=20`.
    ///
    /// # Panics
    /// As [`Server::start`].
    pub fn start_with(settings: &[&str]) -> Server {
        let mut server = Server::new(settings);
        let data = server.data();
        let data = data.to_str().unwrap_or_default();
        let made = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"];
        server.done(server.command("initdb").args(made));
        server.run();
        server
    }

    /// A running standby of this server, which takes over when it is promoted.
    ///
    /// # Panics
    /// As [`Server::start`].
    #[must_use]
    pub fn standby(&self) -> Server {
        let mut standby = Server::new(&[]);
        let (from, data) = (self.url("postgres"), standby.data());
        let copied = ["-D", data.to_str().unwrap_or_default(), "-d", &from, "-R", "-X", "stream", "-c", "fast"];
        standby.done(standby.command("pg_basebackup").args(copied));
        standby.run();
        standby
    }

    /// Makes a standby a server that writes, and waits until it does.
    ///
    /// # Panics
    /// When it does not within a minute.
    pub fn promote(&self) {
        self.done(self.command("pg_ctl").args(["promote", "-D", self.data().to_str().unwrap_or_default(), "-s"]));
    }

    /// The address of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it keeps, in `data`, and its log.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a file that only the server's user may read.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.directory.join(name);
        let written = fs::write(&path, content)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o600)))
            .and_then(|()| own(&path));
        written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Carries out statements in a database and gives what comes back, one row a line.
    ///
    /// # Panics
    /// When a statement fails.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let mut command = self.command("psql");
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        // Each on its own: some statements must not be in a transaction with others.
        for statement in statements.split(';').filter(|statement| !statement.trim().is_empty()) {
            command.args(["-c", statement]);
        }
        let output = self.done(command.arg(self.url(database)));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Sends the server a signal: SIGKILL is a crash, SIGSTOP freezes it, SIGINT stops it at once in good order.
    ///
    /// # Panics
    /// When it is not running.
    pub fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().map_or(0, Child::id);
        assert_ne!(pid, 0, "the server is not running");
        // A frozen server is all its processes.
        for process in processes(pid) {
            match kill(Pid::from_raw(process.cast_signed()), signal) {
                // One of those that it started may have ended since we looked.
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => panic!("signal {signal}: {error}"),
            }
            if !matches!(signal, Signal::SIGSTOP | Signal::SIGCONT) {
                break;
            }
        }
    }

    /// Waits until it has ended, with all its processes: those of a server that was killed notice it a moment later, and as
    /// long as one of them lives it cannot be started again.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub fn ended(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap_or_else(|error| panic!("waiting for the server: {error}"));
        }
        eventually("the end of all processes of the server", || (!works_in(&self.data())).then_some(()));
    }

    /// Starts it where it was, and waits until it answers.
    ///
    /// # Panics
    /// As [`Server::start`].
    pub fn run(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.directory.join("log"));
        let log = log.unwrap_or_else(|error| panic!("the server's log: {error}"));
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        command.arg("-k").arg(&self.directory);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().unwrap_or_else(|error| panic!("postgres: {error}")));
        eventually_ok(|| {
            if self.answers() {
                return Ok(());
            }
            let ended = self.child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
            let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            assert!(!ended, "the server does not start: {log}");
            Err(format!("the start of the server: {log}"))
        });
    }

    fn new(settings: &[&str]) -> Server {
        let directory = std::env::temp_dir().join(format!("test-postgres-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        own(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let settings = settings.iter().map(|one| (*one).to_owned()).collect();
        Server { directory, port: free_port(), settings, child: None }
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn answers(&self) -> bool {
        let ready = self.command("pg_isready").args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]).status();
        ready.is_ok_and(|status| status.success())
    }

    /// A program of PostgreSQL's, as an ordinary user, who dies with us.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        if let Some(user) = user() {
            command.args([
                format!("--reuid={}", user.uid),
                format!("--regid={}", user.gid),
                "--clear-groups".to_owned(),
            ]);
        }
        command.args(["--pdeathsig", "KILL", "--"]).arg(binaries().join(program));
        command.current_dir(&self.directory).env("LC_ALL", "C.UTF-8");
        command
    }

    fn done(&self, command: &mut Command) -> Output {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?} in {}: {said}", self.directory.display());
        output
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.signal(Signal::SIGCONT);
            self.signal(Signal::SIGQUIT);
            self.ended();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The server's own process, and those that it started.
fn processes(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    std::iter::once(pid).chain(children.split_whitespace().filter_map(|child| child.parse().ok())).collect()
}

/// Whether a process works in this folder, as all of a server's do in its data.
fn works_in(folder: &Path) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|process| fs::read_link(process.path().join("cwd")).ok()).any(|place| place == folder)
}

/// Makes a path the server's user's.
fn own(path: &Path) -> io::Result<()> {
    user().map_or(Ok(()), |user| chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())))
}

/// A root's server runs as an ordinary user: PostgreSQL insists.
fn user() -> Option<User> {
    if !Uid::effective().is_root() {
        return None;
    }
    let named = |name| User::from_name(name).ok().flatten();
    Some(named("postgres").or_else(|| named("nobody")).unwrap_or_else(|| panic!("there is no ordinary user here")))
}

/// Where PostgreSQL's programs are: Debian keeps them out of the path.
fn binaries() -> PathBuf {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = versions.into_iter().rev().map(|(_, folder)| folder).chain(std::env::split_paths(&path));
    let complete =
        |folder: &PathBuf| ["initdb", "pg_isready", "postgres"].iter().all(|name| folder.join(name).exists());
    folders.into_iter().find(complete).unwrap_or_else(|| panic!("there is no PostgreSQL: apt-get install postgresql"))
}
