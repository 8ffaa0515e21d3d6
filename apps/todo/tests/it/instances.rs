//! Instances of the real program over one store in a directory of their own. Dropped, they are killed and the
//! directory is removed.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use private_postgres::Server;

pub(crate) const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Some instances over one store.
pub(crate) struct Fleet {
    dir: PathBuf,
    store: String,
    /// The server that the store is on, where it is on one.
    _server: Option<Server>,
    instances: Vec<Instance>,
    started: usize,
    turn: usize,
}

struct Instance {
    child: Child,
    address: SocketAddr,
}

impl Fleet {
    pub(crate) fn start(count: usize) -> Self {
        let dir = directory();
        let store = format!("sqlite:{}", dir.join("todo.db").display());
        Self::over(dir, store, None, count)
    }

    /// Over a PostgreSQL server of their own.
    pub(crate) fn on_postgres(count: usize) -> Self {
        let server = Server::start_with(&["fsync=off"]);
        Self::over(directory(), server.url("postgres"), Some(server), count)
    }

    fn over(dir: PathBuf, store: String, server: Option<Server>, count: usize) -> Self {
        let mut fleet = Self { dir, store, _server: server, instances: Vec::new(), started: 0, turn: 0 };
        for _ in 0..count {
            let instance = fleet.new_instance();
            fleet.instances.push(instance);
        }
        fleet
    }

    pub(crate) fn at(&self, which: usize) -> SocketAddr {
        self.instances[which].address
    }

    pub(crate) fn all(&self) -> Vec<SocketAddr> {
        self.instances.iter().map(|instance| instance.address).collect()
    }

    /// Another instance than the time before.
    pub(crate) fn next(&mut self) -> SocketAddr {
        self.turn += 1;
        self.at(self.turn % self.instances.len())
    }

    /// Kills (SIGKILL) the instance that the last `next` gave, and puts a new one in its place.
    pub(crate) fn kill_last(&mut self) {
        self.kill(self.turn % self.instances.len());
    }

    /// Kills (SIGKILL) one instance and puts a new one in its place, at another address.
    pub(crate) fn kill(&mut self, which: usize) {
        let fresh = self.new_instance();
        drop(std::mem::replace(&mut self.instances[which], fresh));
    }

    /// Sends SIGTERM to one instance and gives its exit code.
    pub(crate) fn terminate(&mut self, which: usize) -> Option<i32> {
        let mut instance = self.instances.remove(which);
        let pid = instance.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        instance.child.wait().unwrap().code()
    }

    /// Holds up every writer of the store until it is dropped.
    pub(crate) fn hold_up_writers(&self) -> fs::File {
        let ticket = fs::File::open(self.dir.join("todo.db-ticket")).unwrap();
        ticket.lock().unwrap();
        ticket
    }

    /// The bytes of the store's files.
    pub(crate) fn store_bytes(&self) -> Vec<u8> {
        let files = fs::read_dir(&self.dir).unwrap();
        files.flat_map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
    }

    fn new_instance(&mut self) -> Instance {
        self.started += 1;
        let mut child = program()
            .env("PORT", "0")
            .env("FUNGIBLE_STORE", &self.store)
            .env("FUNGIBLE_SECRET", SECRET)
            .env("FUNGIBLE_COOKIES", "plain")
            .env("FUNGIBLE_INSTANCE", format!("todo-{}", self.started))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut read = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "the instance ended before it listened:\n{read}");
            if let Some((_, address)) = line.trim_end().split_once("listening on ") {
                break address.parse().unwrap();
            }
            read += &line;
        };
        // Somebody must read on, or the instance would block on a full pipe.
        thread::spawn(move || log.read_to_end(&mut Vec::new()));
        Instance { child, address }
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

/// The program with an empty environment.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fungible-todo"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).env("NO_COLOR", "1");
    command
}

/// A new directory for a store.
pub(crate) fn directory() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("fungible-todo-test-{}-{count}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    dir
}
