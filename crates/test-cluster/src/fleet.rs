//! Instances of one program over one store.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use test_basics::{eventually, free_port};
use test_postgres::Server;

/// The secret that all instances share.
pub const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A program that reads its environment as `fungible::Config` does, and says where it listens.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    environment: Vec<(String, String)>,
}

impl Program {
    /// The program at this path, such as `env!("CARGO_BIN_EXE_name")`.
    #[must_use]
    pub fn new(path: &str) -> Program {
        Program { path: path.into(), environment: Vec::new() }
    }

    /// With one more variable in the environment of each instance.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Program {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The program with this environment only.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).env("NO_COLOR", "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// What the instances' store is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A file.
    Sqlite,
    /// A server of its own.
    Postgres,
}

/// Some instances over one store.
#[derive(Debug)]
pub struct Fleet {
    program: Program,
    dir: PathBuf,
    store: String,
    /// The server that the store is on, where it is on one.
    _server: Option<Server>,
    instances: Vec<Instance>,
    started: usize,
    turn: usize,
}

#[derive(Debug)]
struct Instance {
    name: String,
    child: Child,
    address: SocketAddr,
    /// What it said on standard error before it listened.
    said: String,
    /// And afterwards.
    lines: Receiver<String>,
}

impl Fleet {
    /// That many instances, which listen.
    #[must_use]
    pub fn start(program: Program, engine: Engine, count: usize) -> Fleet {
        let dir = directory();
        let (store, server) = match engine {
            Engine::Sqlite => (format!("sqlite:{}", dir.join("store.db").display()), None),
            Engine::Postgres => {
                let server = Server::start_with(&["fsync=off"]);
                (server.url("postgres"), Some(server))
            }
        };
        let mut fleet = Fleet { program, dir, store, _server: server, instances: Vec::new(), started: 0, turn: 0 };
        for _ in 0..count {
            let instance = fleet.new_instance(&[]);
            fleet.instances.push(instance);
        }
        fleet
    }

    /// The address of the store.
    #[must_use]
    pub fn store(&self) -> &str {
        &self.store
    }

    /// Where an instance listens.
    #[must_use]
    pub fn at(&self, which: usize) -> SocketAddr {
        self.instances[which].address
    }

    /// Where all of them listen.
    #[must_use]
    pub fn all(&self) -> Vec<SocketAddr> {
        self.instances.iter().map(|instance| instance.address).collect()
    }

    /// The instance with this name, as answers name it.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<usize> {
        self.instances.iter().position(|instance| instance.name == name)
    }

    /// Another instance than the time before.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> SocketAddr {
        self.turn += 1;
        self.at(self.turn % self.instances.len())
    }

    /// Kills (SIGKILL) the instance that the last `next` gave, and puts a new one in its place.
    pub fn kill_last(&mut self) {
        self.kill(self.turn % self.instances.len());
    }

    /// Kills (SIGKILL) one instance and puts a new one in its place, at another address.
    pub fn kill(&mut self, which: usize) {
        let fresh = self.new_instance(&[]);
        drop(std::mem::replace(&mut self.instances[which], fresh));
    }

    /// Sends SIGTERM to one instance and gives its exit code.
    pub fn terminate(&mut self, which: usize) -> Option<i32> {
        self.signal(which, "-TERM");
        self.instances.remove(which).child.wait().unwrap().code()
    }

    /// Ends all instances (SIGTERM) and gives what each of them has written on stderr, from its start to its end.
    #[must_use]
    pub fn logs(mut self) -> Vec<String> {
        let stop = |which| self.signal(which, "-TERM");
        (0..self.instances.len()).for_each(stop);
        self.instances.iter_mut().map(Instance::log).collect()
    }

    /// Has one instance stand still (SIGSTOP).
    pub fn freeze(&self, which: usize) {
        self.signal(which, "-STOP");
    }

    /// Has it go on (SIGCONT).
    pub fn thaw(&self, which: usize) {
        self.signal(which, "-CONT");
    }

    fn signal(&self, which: usize, signal: &str) {
        let pid = self.instances[which].child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Holds up every writer of the store until it is dropped.
    #[must_use]
    pub fn hold_up_writers(&self) -> fs::File {
        let ticket = fs::File::open(self.dir.join("store.db-ticket")).unwrap();
        ticket.lock().unwrap();
        ticket
    }

    /// The bytes of the store's files.
    #[must_use]
    pub fn store_bytes(&self) -> Vec<u8> {
        let files = fs::read_dir(&self.dir).unwrap();
        files.flat_map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
    }

    /// What an instance has logged since the last look, up to the first line with `words` in it, which is waited for.
    #[must_use]
    pub fn log(&self, which: usize, words: &str) -> String {
        let mut log = String::new();
        while !log.contains(words) {
            log += &self.instances[which].lines.recv_timeout(Duration::from_secs(30)).unwrap();
        }
        log
    }

    /// Puts an instance with these variables in the place of another, which is killed (SIGKILL).
    pub fn replace(&mut self, which: usize, environment: &[(&str, &str)]) {
        let fresh = self.new_instance(environment);
        drop(std::mem::replace(&mut self.instances[which], fresh));
    }

    /// Puts an instance that logs to `log`, where nobody reads it, in the place of another, which is killed (SIGKILL).
    pub fn replace_unheard(&mut self, which: usize, log: Stdio) {
        let (mut command, name) = self.next_command();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut child = command.env("PORT", address.port().to_string()).stderr(log).spawn().unwrap();
        eventually("the instance listens", || {
            assert_eq!(child.try_wait().unwrap(), None, "the instance ended before it listened");
            TcpStream::connect(address).ok()
        });
        let fresh = Instance { name, child, address, said: String::new(), lines: channel().1 };
        drop(std::mem::replace(&mut self.instances[which], fresh));
    }

    /// Waits until an instance has ended by itself.
    pub fn ended(&mut self, which: usize) -> ExitStatus {
        self.instances[which].child.wait().unwrap()
    }

    /// Whether an instance has ended.
    pub fn has_ended(&mut self, which: usize) -> bool {
        self.instances[which].child.try_wait().unwrap().is_some()
    }

    /// What starts the next instance, and its name.
    fn next_command(&mut self) -> (Command, String) {
        self.started += 1;
        let name = format!("instance-{}", self.started);
        let mut command = self.program.command();
        command
            .env("PORT", "0")
            .env("FUNGIBLE_STORE", &self.store)
            .env("FUNGIBLE_SECRET", SECRET)
            .env("FUNGIBLE_COOKIES", "plain")
            .env("FUNGIBLE_INSTANCE", &name);
        (command, name)
    }

    fn new_instance(&mut self, environment: &[(&str, &str)]) -> Instance {
        let (mut command, name) = self.next_command();
        let mut child = command.envs(environment.iter().copied()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut read = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "the instance ended before it listened:\n{read}");
            read += &line;
            if let Some((_, address)) = line.trim_end().split_once("listening on ") {
                break address.parse().unwrap();
            }
        };
        // Somebody must read on, or the instance would block on a full pipe.
        let (sender, lines) = channel();
        thread::spawn(move || {
            let mut line = String::new();
            while log.read_line(&mut line).is_ok_and(|length| length > 0) {
                // Whoever looks at it may be gone.
                let _ = sender.send(std::mem::take(&mut line));
            }
        });
        Instance { name, child, address, said: read, lines }
    }
}

impl Instance {
    /// Waits until it has ended, and gives all that it wrote.
    fn log(&mut self) -> String {
        self.child.wait().unwrap();
        let later: String = self.lines.iter().collect();
        std::mem::take(&mut self.said) + &later
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // `Child::kill` is SIGKILL.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.instances.clear();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Outputs that cannot be written: on a full disk, and into a pipe whose reader is gone.
#[must_use]
pub fn unwritable() -> [(&'static str, Stdio); 2] {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (_, pipe) = std::io::pipe().unwrap();
    [("a full disk", full.into()), ("a pipe that nobody reads", pipe.into())]
}

/// A new directory for a store.
#[must_use]
pub fn directory() -> PathBuf {
    let dir = std::env::temp_dir().join(format!("fungible-{}", uuid::Uuid::new_v4()));
    fs::create_dir_all(&dir).unwrap();
    dir
}
