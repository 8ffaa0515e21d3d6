//! `fungible cell`: what an instance in a world of its own sees, and what is left of it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use test_basics::{eventually, free_port};

use super::world::{Place, copy_for_everybody, is_root, signal};

/// A user without rights that is in no list.
const STRANGER: &str = "4242";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum As {
    Root,
    /// An ordinary user, as whom root runs the tool.
    Stranger,
    /// An ordinary user who runs the test, with namespaces of users.
    Myself,
    /// Without namespaces, as whoever runs the test.
    Plain,
}

/// A place with a working directory and a home, and the tool in it as one kind of user.
struct World {
    place: Place,
    kind: As,
    tool: PathBuf,
    work: PathBuf,
}

impl World {
    fn new(kind: As, work: &str) -> World {
        let place = Place::new();
        let folder = place.folder.path().to_owned();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let work = folder.join(work);
        for path in [&work, &folder.join("home"), &folder.join("tmp")] {
            fs::create_dir_all(path).unwrap();
            if kind == As::Stranger {
                give_away(path);
            }
        }
        let tool = copy_for_everybody(&folder);
        World { place, kind, tool, work }
    }

    fn home(&self) -> PathBuf {
        self.place.folder.path().join("home")
    }

    fn temporary(&self) -> PathBuf {
        self.place.folder.path().join("tmp")
    }

    /// A file of the working directory, belonging to its user.
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.work.join(name);
        let mut missing: Vec<&Path> = path.parent().unwrap().ancestors().take_while(|path| !path.exists()).collect();
        missing.reverse();
        for folder in missing {
            fs::create_dir(folder).unwrap();
            self.own(folder);
        }
        fs::write(&path, text).unwrap();
        self.own(&path);
        path
    }

    fn own(&self, path: &Path) {
        if self.kind == As::Stranger {
            give_away(path);
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match self.kind {
            As::Stranger => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", STRANGER, "--regid", STRANGER, "--clear-groups"]).arg(&self.tool);
                command
            }
            As::Root | As::Myself | As::Plain => Command::new(&self.tool),
        };
        command.arg("cell");
        if self.kind == As::Plain {
            command.arg("--no-namespaces");
        }
        command.args(arguments).current_dir(&self.work).stdin(Stdio::null());
        command.env("HOME", self.home()).env("TMPDIR", self.temporary());
        command.env("FUNGIBLE_TEST_MARK", &self.place.mark);
        command
    }

    /// What came on standard output; it must end well.
    #[track_caller]
    fn cells(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{:?} {arguments:?}: {said}", self.kind);
        self.is_clean();
        self.checked(String::from_utf8(output.stdout).unwrap())
    }

    /// A world is whole where it can be: what stands in for it elsewhere would make most of these tests pass, too.
    #[track_caller]
    fn checked(&self, shown: String) -> String {
        let world = match self.kind {
            As::Root => r#""namespaces":true,"disk":"overlay""#,
            As::Stranger | As::Myself => r#""namespaces":true,"disk":"overlays""#,
            As::Plain => r#""namespaces":false,"disk":"copies""#,
        };
        assert!(shown.contains(world), "no {world} in {shown}");
        shown
    }

    /// The sentence with which it refuses.
    #[track_caller]
    fn refusal(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        self.is_clean();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "one line: {said}");
        said
    }

    /// Nothing of it is left on the disk.
    #[track_caller]
    fn is_clean(&self) {
        let left: Vec<PathBuf> = fs::read_dir(self.temporary()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "{:?} left {left:?}", self.kind);
    }
}

fn give_away(path: &Path) {
    chown(path, STRANGER);
}

fn chown(path: &Path, user: &str) {
    let owner = Some(user.parse().unwrap());
    std::os::unix::fs::chown(path, owner, owner).unwrap();
}

/// Root, an ordinary user and no namespaces: those that this user can be.
fn kinds() -> Vec<As> {
    let namespaces = if is_root() {
        vec![As::Root, As::Stranger]
    } else if user_namespaces_are_whole() {
        println!("left out: the tool as root, which takes root");
        vec![As::Myself]
    } else {
        println!("left out: the tool as root, and with namespaces as this user, who may not have them here");
        vec![]
    };
    [namespaces, vec![As::Plain]].concat()
}

/// Those with namespaces for whom this user can prepare disks.
fn with_disks_of_their_own() -> Vec<As> {
    if !is_root() {
        println!("left out: all of it, as only root can prepare its disks");
        return Vec::new();
    }
    vec![As::Root, As::Stranger]
}

/// Whether an ordinary user may mount disks and a fresh /proc in namespaces.
fn user_namespaces_are_whole() -> bool {
    let mut command = Command::new("unshare");
    command.args(["-Urmpf", "--mount-proc", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap()
}

#[track_caller]
fn has(text: &str, line: &str) {
    assert!(text.lines().any(|one| one == line), "no line {line:?} in\n{text}");
}

#[test]
fn what_an_instance_writes_is_private_and_listed() {
    for kind in kinds() {
        let world = World::new(kind, "work");
        // A folder of nobody's business, as an app might be installed with.
        let far = if is_root() { "/var/lib" } else { "/var/tmp" };
        let far = tempfile::Builder::new().prefix("fungible-far-").tempdir_in(far).unwrap();
        world.own(far.path());
        world.file("kept", "kept");
        world.file("__pycache__/x.pyc", "");
        let mark = format!("fungible-{}", world.place.mark);
        let script = format!(
            "set -e; test ! -e here; echo new > here; echo more >> kept; echo noise > __pycache__/y.pyc
             echo home > $HOME/.app; test $(cat $HOME/.app) = home; echo t > ${{TMPDIR:-/tmp}}/{mark}
             if [ -n \"$ALL\" ]; then rm kept; unset TMPDIR; for f in /tmp /var/tmp {}; do test ! -e $f/{mark}; echo x > $f/{mark}; done; fi
             echo done",
            far.path().display()
        );
        let all = kind != As::Plain;
        let assignment = format!("ALL={}", if all { "1" } else { "" });
        let before = mounts();
        let shown = world.cells(&["-n", "2", "--", "env", &assignment, "sh", "-c", &script]);
        assert_eq!(mounts(), before);
        for cell in ["cell-1-1", "cell-1-2"] {
            has(&shown, &format!("{cell} | done"));
            has(&shown, &format!("{cell} wrote {}/here", world.work.display()));
            has(&shown, &format!("{cell} wrote {}/.app", world.home().display()));
            if all {
                has(&shown, &format!("{cell} deleted {}/kept", world.work.display()));
                for folder in ["/tmp", "/var/tmp", far.path().to_str().unwrap()] {
                    has(&shown, &format!("{cell} wrote {folder}/{mark}"));
                }
            } else {
                has(&shown, &format!("{cell} wrote {}/kept", world.work.display()));
                assert!(shown.contains("every other path is the real one"), "{shown}");
            }
        }
        assert!(!shown.contains("pyc"), "{shown}");
        assert_eq!(fs::read_to_string(world.work.join("kept")).unwrap(), "kept");
        for path in [world.work.join("here"), world.home().join(".app"), far.path().join(&mark)] {
            assert!(!path.exists(), "{kind:?}: {} is real", path.display());
        }
        assert!(!Path::new("/tmp").join(&mark).exists() && !Path::new("/var/tmp").join(&mark).exists());
    }
}

#[test]
fn each_instance_has_its_own_host_name_and_process_numbers() {
    for kind in kinds() {
        let world = World::new(kind, "work");
        let script = "hostname; echo pid $$; echo own $(cut -d' ' -f1 /proc/self/stat) $(sh -c 'echo $PPID'); getent hosts $(hostname) | wc -l";
        let shown = world.cells(&["-n", "3", "--", "sh", "-c", script]);
        for number in 1..=3 {
            let cell = format!("cell-1-{number}");
            if kind == As::Plain {
                assert!(!shown.contains(&format!("{cell} | {cell}")), "{shown}");
            } else {
                has(&shown, &format!("{cell} | {cell}"));
                has(&shown, &format!("{cell} | pid 2"));
                has(&shown, &format!("{cell} | 1"));
            }
        }
    }
}

#[test]
fn a_run_begins_with_what_was_shared_at_first() {
    for kind in kinds() {
        let world = World::new(kind, "work");
        world.file("data/list", "first\n");
        let script = "cat data/list; echo $FUNGIBLE_INSTANCE >> data/list";
        let shown = world.cells(&["--runs", "2", "--share", "data", "--", "sh", "-c", script]);
        has(&shown, "cell-1-1 | first");
        has(&shown, "cell-2-1 | first");
        assert!(!shown.contains("| cell-"), "the second run saw the first: {shown}");
        assert!(!shown.contains("wrote"), "what is shared is not private: {shown}");
        assert_eq!(fs::read_to_string(world.work.join("data/list")).unwrap(), "first\n");
    }
}

#[test]
fn instances_see_each_others_files_on_shared_paths() {
    let script = r#"
import fcntl, os, socket, sqlite3, sys, time
me = os.environ["FUNGIBLE_INSTANCE"][-1]
def until(condition):
    end = time.time() + 20
    while not condition():
        assert time.time() < end, "waited in vain"
        time.sleep(0.005)
os.chdir("data")
db = sqlite3.connect("app.db", timeout=20, isolation_level=None)
# Who changes the mode is refused at once while another one does.
with open("mode", "w") as mode:
    fcntl.flock(mode, fcntl.LOCK_EX)
    assert db.execute("pragma journal_mode=wal").fetchone()[0] == "wal"
    db.execute("create table if not exists t(who)")
for _ in range(50):
    db.execute("insert into t values(?)", (me,))
until(lambda: db.execute("select count(*) from t").fetchone()[0] == 100)
if me == "1":
    server = socket.socket(socket.AF_UNIX)
    server.bind("s.sock"); server.listen()
    with open("new.tmp", "w") as f: f.write("renamed")
    os.rename("new.tmp", "new")
    os.mkdir("folder"); os.rename("folder", "folder2"); os.rename("old", "old2")
    with open("lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server.accept()[0].sendall(b"hello")
        until(lambda: os.path.exists("tried"))
    until(lambda: os.path.exists("bye"))
else:
    until(lambda: os.path.exists("folder2") and os.path.exists("old2/x"))
    assert open("new").read() == "renamed"
    client = socket.socket(socket.AF_UNIX); 
    until(lambda: client.connect_ex("s.sock") == 0)
    assert client.recv(5) == b"hello"
    lock = open("lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB); raise SystemExit("the lock does not hold")
    except BlockingIOError: pass
    open("tried", "w").close()
    fcntl.flock(lock, fcntl.LOCK_EX)
    open("bye", "w").close()
print("met")
"#;
    for kind in kinds() {
        let world = World::new(kind, "work");
        world.file("data/old/x", "");
        let shown = world.cells(&["-n", "2", "--share", "data", "--", "/usr/bin/python3", "-c", script]);
        has(&shown, "cell-1-1 | met");
        has(&shown, "cell-1-2 | met");
        assert!(!world.work.join("data/app.db").exists());
    }
}

#[test]
fn a_shared_file_is_one_with_what_appears_beside_it() {
    let script = r#"
import fcntl, os, sqlite3, time
db = sqlite3.connect("app.db", timeout=20, isolation_level=None)
# Who changes the mode is refused at once while another one does.
mode = open("app.db")
fcntl.flock(mode, fcntl.LOCK_EX)
db.execute("pragma journal_mode=wal")
fcntl.flock(mode, fcntl.LOCK_UN)
db.execute("insert into t values(1)")
end = time.time() + 20
while db.execute("select count(*) from t").fetchone()[0] < 3:
    assert time.time() < end, "the other one's row never came"
    time.sleep(0.005)
print("seen")
"#;
    for kind in kinds() {
        let world = World::new(kind, "work");
        let path = world.work.join("app.db");
        // By a process of its own: another test's child may hold for a moment what we have open.
        let schema =
            "import sqlite3; sqlite3.connect('app.db').executescript('create table t(x); insert into t values(0)')";
        let status = Command::new("/usr/bin/python3").args(["-c", schema]).current_dir(&world.work).status();
        assert!(status.unwrap().success());
        world.own(&path);
        let shown = world.cells(&["-n", "2", "--share", "app.db", "--", "/usr/bin/python3", "-c", script]);
        has(&shown, "cell-1-1 | seen");
        has(&shown, "cell-1-2 | seen");
        assert!(!shown.contains("wrote"), "{shown}");

        // From then on it would have a file of its own.
        for script in ["echo x > new; mv new app.db", "rm app.db; echo x > app.db"] {
            let said = world.refusal(&["--share", "app.db", "--", "sh", "-c", script]);
            assert!(
                said.contains(&format!("--share {}: the app put another file in its place", path.display())),
                "{said}"
            );
        }
    }
}

#[test]
fn on_a_fork_an_instance_sees_what_was_there_and_nobody_sees_what_it_does() {
    for kind in kinds() {
        let world = World::new(kind, "work");
        world.file("data/list", "first\n");
        let script = "cat data/list; echo $FUNGIBLE_INSTANCE >> data/list; cat data/list";
        let shown = world.cells(&["-n", "3", "--fork", "--share", "data", "--", "sh", "-c", script]);
        for cell in ["cell-1-1", "cell-1-2", "cell-1-3"] {
            let lines: Vec<&str> =
                shown.lines().filter_map(|line| line.strip_prefix(cell)?.strip_prefix(" | ")).collect();
            assert_eq!(lines, ["first", "first", cell], "{kind:?}");
        }
    }
}

#[test]
fn on_one_disk_instances_see_each_others_files_and_the_next_run_sees_none() {
    let script = r#"
import os, time
me, home = os.environ["FUNGIBLE_INSTANCE"], os.path.expanduser("~")
places = [".", "notes", home, "/var/tmp", "data"]
before = [name for name in os.listdir(".") if not name.startswith(me[:-1]) and name.endswith(".new")]
assert not before, f"a run before left {before}"
os.makedirs("notes", exist_ok=True)
for place in places:
    name = f"{place}/{me}.new"
    with open(name + ".draft", "w") as file: file.write(me)
    os.rename(name + ".draft", name)
other = me[:-1] + ("2" if me[-1] == "1" else "1")
end = time.time() + 20
for place in places:
    while not os.path.exists(f"{place}/{other}.new"):
        assert time.time() < end, f"{place}: waited in vain"
        time.sleep(0.005)
print(open("data/list").read(), os.uname().nodename == me, sep="")
"#;
    for kind in kinds().into_iter().filter(|kind| *kind != As::Plain) {
        let world = World::new(kind, "work");
        world.file("data/list", "shared ");
        let arguments =
            ["-n", "2", "--runs", "2", "--one-disk", "--share", "data", "--", "/usr/bin/python3", "-c", script];
        let shown = world.cells(&arguments);
        for cell in ["cell-1-1", "cell-1-2", "cell-2-1", "cell-2-2"] {
            has(&shown, &format!("{cell} | shared True"));
        }
        assert!(!world.work.join("notes").exists() && !world.work.join("cell-1-1.new").exists());
    }
    let said = World::new(As::Plain, "work").refusal(&["--one-disk", "--", "true"]);
    assert!(said.contains("without namespaces instances cannot have one disk in common"), "{said}");
}

#[test]
fn a_server_outside_is_reached_through_its_socket() {
    for kind in kinds() {
        let world = World::new(kind, "work");
        let folder = tempfile::Builder::new().prefix("fungible-socket-").tempdir_in("/tmp").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = folder.path().join("a server");
        let listener = UnixListener::bind(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        let server = std::thread::spawn(move || {
            std::io::Write::write_all(&mut listener.accept().unwrap().0, b"from outside").unwrap();
        });
        let script = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.recv(20))";
        let shown = world.cells(&["--", "/usr/bin/python3", "-c", script, path.to_str().unwrap()]);
        has(&shown, "cell-1-1 | b'from outside'");
        server.join().unwrap();
    }
}

#[test]
fn sockets_of_an_instance_work_for_itself() {
    for kind in kinds() {
        let world = World::new(kind, "work");
        let script = "import socket, os
s = socket.socket(socket.AF_UNIX); s.bind('own.sock'); s.listen()
c = socket.socket(socket.AF_UNIX); c.connect('own.sock'); print('connected')";
        has(&world.cells(&["--", "/usr/bin/python3", "-c", script]), "cell-1-1 | connected");
    }
}

#[test]
fn real_paths_stay_real() {
    for kind in kinds() {
        let world = World::new(kind, "work");
        world.file("cache/x", "");
        let shown = world.cells(&["--real", "cache", "--", "sh", "-c", "echo real > cache/new; echo no > other"]);
        assert_eq!(fs::read_to_string(world.work.join("cache/new")).unwrap(), "real\n", "{kind:?}");
        has(&shown, &format!("cell-1-1 wrote {}/other", world.work.display()));
        assert!(!shown.contains("wrote cache"), "{shown}");
    }
}

#[test]
fn odd_names_of_working_directories() {
    for kind in kinds() {
        for name in ["home/app", "a b", "a,b:c", "back\\slash", "tmp-like/deep/er", "line\nend"] {
            let world = World::new(kind, name);
            world.own(world.work.parent().unwrap());
            world.file("data/x", "shared");
            let shown =
                world.cells(&["--share", "data", "--", "sh", "-c", "cat data/x; echo; echo > data/y; echo > z; ls z"]);
            has(&shown, "cell-1-1 | shared");
            has(&shown, "cell-1-1 | z");
            assert!(!world.work.join("z").exists() && !world.work.join("data/y").exists(), "{kind:?} {name:?}");
        }
        let world = World::new(kind, "work");
        symlink(&world.work, world.place.folder.path().join("link")).unwrap();
        let mut command = world.command(&["--", "sh", "-c", "echo > z; ls z"]);
        let output = command.current_dir(world.place.folder.path().join("link")).output().unwrap();
        has(&String::from_utf8(output.stdout).unwrap(), "cell-1-1 | z");
        assert!(!world.work.join("z").exists());
    }
}

#[test]
fn a_temporary_folder_with_an_odd_name() {
    for kind in kinds() {
        let world = World::new(kind, "work");
        let odd = world.place.folder.path().join("tmp a,b:c");
        fs::create_dir(&odd).unwrap();
        world.own(&odd);
        let output = world.command(&["--", "sh", "-c", "echo > z; ls z"]).env("TMPDIR", &odd).output().unwrap();
        has(&world.checked(String::from_utf8(output.stdout).unwrap()), "cell-1-1 | z");
        assert_eq!(fs::read_dir(&odd).unwrap().count(), 0);
    }
}

#[test]
fn homes_that_do_not_exist_are_no_failure() {
    for kind in kinds() {
        let world = World::new(kind, "work");
        for home in ["/nonexistent/home", "", "relative"] {
            let output = world.command(&["--", "echo", "fine"]).env("HOME", home).output().unwrap();
            has(&String::from_utf8(output.stdout).unwrap(), "cell-1-1 | fine");
        }
        let output = world.command(&["--", "echo", "fine"]).env_remove("HOME").output().unwrap();
        has(&String::from_utf8(output.stdout).unwrap(), "cell-1-1 | fine");
        world.is_clean();
    }
}

#[test]
fn refusals_say_what_to_do() {
    for kind in kinds() {
        let world = World::new(kind, "work");
        world.file("data/x", "");
        let said = world.refusal(&["--share", "dta", "--", "true"]);
        assert!(said.contains("--share dta: it does not exist; make it first"), "{said}");
        let said = world.refusal(&["--real", "dta", "--", "true"]);
        assert!(said.contains("--real dta: it does not exist"), "{said}");
        let said = world.refusal(&["--share", "data", "--real", "data", "--", "true"]);
        assert!(said.contains("data cannot be both shared and real"), "{said}");
        let said = world.refusal(&["--share", world.place.folder.path().to_str().unwrap(), "--", "true"]);
        assert!(said.contains("the folder for temporary files"), "{said}");
        if kind == As::Plain {
            let said = world.refusal(&["--share", "/opt", "--", "true"]);
            assert!(said.contains("/opt: without namespaces only what lies inside the working directory"), "{said}");
        }

        // Somebody of the same user writes to it; reading is no harm.
        let log = world.work.join("data/x");
        let hold = |mode: &str| -> Child {
            let script = format!("f = open({:?}, '{mode}'); print('open', flush=True); input()", log.display());
            let mut command = match kind {
                As::Stranger => Command::new("setpriv"),
                As::Root | As::Myself | As::Plain => Command::new("env"),
            };
            if kind == As::Stranger {
                command.args(["--reuid", STRANGER, "--regid", STRANGER, "--clear-groups"]);
            }
            command.args(["/usr/bin/python3", "-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut opened = [0; 4];
            std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut opened).unwrap();
            child
        };
        let end = |mut child: Child| {
            child.kill().unwrap();
            child.wait().unwrap();
        };
        let reader = hold("r");
        world.cells(&["--share", "data", "--", "true"]);
        end(reader);
        let writer = hold("a");
        let said = world.refusal(&["--share", "data", "--", "true"]);
        let who = format!("python3 (process {}) has {} open for writing; stop it first", writer.id(), log.display());
        assert!(said.contains(&who), "{said}");
        end(writer);
        world.cells(&["--share", "data", "--", "true"]);
    }
}

#[test]
fn a_program_that_cannot_be_started_is_reported() {
    for kind in kinds() {
        let world = World::new(kind, "work");
        let shown = world.cells(&["--", "./no-such-program"]);
        assert!(shown.contains("NotStarted(\"No such file or directory"), "{shown}");
        let shown = world.cells(&["--", "sh", "-c", "exit 7"]);
        has(&shown, "cell-1-1 ended (exit status 7)");
        let shown = world.cells(&["--", "sh", "-c", "kill -9 $$"]);
        has(&shown, "cell-1-1 ended (SIGKILL)");
        let shown = world.cells(&["--", "python3", "-c", "import os; os.kill(os.getpid(), 40)"]);
        has(&shown, "cell-1-1 ended (signal 40)");
    }
}

#[test]
fn a_killed_instance_is_dead_with_all_that_it_started() {
    for kind in kinds() {
        let world = World::new(kind, "work");
        let port = free_port();
        let script = format!(
            "echo left $(ps ax -o args | grep -c '^sleep 9{port}')
             setsid sleep 9{port} & (setsid sh -c 'sleep 9{port} & sleep 9{port}' &)
             exec /usr/bin/python3 -m http.server {port} --bind 127.0.0.1"
        );
        let port = port.to_string();
        let mut child = world
            .command(&["--port", &port, "--kill", "--runs", "2", "--", "sh", "-c", &script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let shown = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
        assert!(child.wait().unwrap().success());
        for run in 1..=2 {
            assert!(shown.contains(&format!("cell-{run}-1 dead after")), "{shown}");
            has(&shown, &format!("cell-{run}-1 ended (SIGKILL)"));
            has(&shown, &format!("cell-{run}-1 | left 0"));
        }
        assert!(world.place.processes().is_empty(), "{:?}", world.place.processes());
        world.is_clean();
    }
}

#[test]
fn a_listener_on_another_port_is_reported() {
    for kind in kinds() {
        let world = World::new(kind, "work");
        let (asked, used) = (free_port().to_string(), free_port());
        let script = format!("/usr/bin/python3 -m http.server {used} --bind 127.0.0.1");
        let mut child = world
            .command(&["--port", &asked, "--limit", "2s", "--", "sh", "-c", &script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let shown = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
        child.wait().unwrap();
        has(&shown, &format!("cell-1-1 Late([127.0.0.1:{used}])"));
        world.place.is_empty_eventually();
    }
}

#[test]
fn nothing_survives_the_tool() {
    for kind in kinds() {
        for word in ["INT", "TERM", "KILL"] {
            let world = World::new(kind, "work");
            let before = mounts();
            let mut child = world
                .command(&["-n", "2", "--", "sh", "-c", "setsid sleep 1000 & echo x > y; sleep 1000"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            eventually("four sleepers", || {
                (world.place.processes().values().filter(|line| line.starts_with("sleep")).count() == 4).then_some(())
            });
            let tool = child.id().cast_signed();
            signal(tool, word);
            child.wait().unwrap();
            world.place.is_empty_eventually();
            assert_eq!(mounts(), before);
            // The keeper saw to it, also when the tool could not.
            world.is_clean();
        }
    }
}

#[test]
fn what_a_killed_keeper_left_is_removed_by_the_next_proof() {
    for kind in kinds() {
        let world = World::new(kind, "work");
        let mut child = world
            .command(&["--", "sh", "-c", "mkdir -p d/e; chmod 0 d; sleep 1000"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually("a sleeper", || {
            world.place.processes().values().any(|line| line.starts_with("sleep")).then_some(())
        });
        // The keepers first: they would see to it.
        let (keepers, others): (Vec<_>, Vec<_>) =
            world.place.processes().into_iter().partition(|(_, line)| line.contains(" keeper "));
        for (pid, _) in keepers.into_iter().chain(others) {
            signal(pid, "KILL");
        }
        child.wait().unwrap();
        world.place.is_empty_eventually();
        assert_eq!(fs::read_dir(world.temporary()).unwrap().count(), 1, "{kind:?}");
        // Its lock goes a moment after its last process.
        eventually("a clean folder", || {
            assert!(world.command(&["--", "true"]).output().unwrap().status.success());
            (fs::read_dir(world.temporary()).unwrap().count() == 0).then_some(())
        });
    }
}

#[test]
fn many_at_once() {
    for kind in kinds() {
        let world = World::new(kind, "work");
        let shown = world.cells(&["-n", "40", "--", "sh", "-c", "test ! -e x && echo $FUNGIBLE_INSTANCE > x && cat x"]);
        for number in 1..=40 {
            has(&shown, &format!("cell-1-{number} | cell-1-{number}"));
        }
    }
}

/// Runs the shell script in a mount namespace of its own, where it may prepare disks; then this test's tool.
fn in_other_mounts(world: &World, prepare: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-e", "-c", &format!("{prepare}\nexec \"$@\""), "sh"]);
    let inner = world.command(arguments);
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(&world.work).stdin(Stdio::null());
    for (key, value) in inner.get_envs() {
        command.env(key, value.unwrap());
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    world.checked(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_working_directory_on_a_disk_of_its_own() {
    for kind in with_disks_of_their_own() {
        let world = World::new(kind, "work");
        let work = world.work.display();
        let prepare = format!(
            "mount -t tmpfs -o mode=777 tmpfs '{work}'; cd '{work}'; mkdir inner; mount -t tmpfs -o mode=777 tmpfs inner
             echo beside > file; mkdir sub; chmod 777 sub; chown -R {STRANGER}:{STRANGER} '{work}'"
        );
        let script = "cat file; echo > z; echo > inner/z; echo > sub/z; echo more >> file; rm -r sub; mkdir sub";
        let shown = in_other_mounts(&world, &prepare, &["-n", "2", "--", "sh", "-c", script]);
        for cell in ["cell-1-1", "cell-1-2"] {
            has(&shown, &format!("{cell} | beside"));
            for file in ["z", "inner/z", "file"] {
                has(&shown, &format!("{cell} wrote {work}/{file}"));
            }
        }
    }
}

#[test]
fn a_read_only_disk_stays_read_only() {
    for kind in with_disks_of_their_own() {
        let world = World::new(kind, "work");
        let work = world.work.display();
        let prepare =
            format!("mount -t tmpfs tmpfs '{work}'; cd '{work}'; echo x > file; mount -o remount,ro '{work}'");
        let script = "cat file; touch z 2>&1 | grep -o Read-only; echo > $HOME/z; echo fine";
        let shown = in_other_mounts(&world, &prepare, &["--", "sh", "-c", script]);
        for line in ["x", "Read-only", "fine"] {
            has(&shown, &format!("cell-1-1 | {line}"));
        }
    }
}

#[test]
fn where_temporary_files_cannot_carry_overlays_memory_does() {
    for kind in with_disks_of_their_own() {
        let world = World::new(kind, "work");
        let folder = world.place.folder.path().display();
        let tmp = world.temporary();
        let prepare = format!(
            "mkdir -p '{folder}/l' '{folder}/o'; mount -t tmpfs -o mode=777 tmpfs '{folder}/o'; mkdir -m 777 '{folder}/o/u' '{folder}/o/w'
             mount -t overlay -o 'lowerdir={folder}/l,upperdir={folder}/o/u,workdir={folder}/o/w' o '{}'",
            tmp.display()
        );
        world.file("data/x", "shared");
        let script = "echo > z; cat data/x; echo > data/y";
        let shown = in_other_mounts(&world, &prepare, &["--share", "data", "--", "sh", "-c", script]);
        has(&shown, "cell-1-1 | shared");
        has(&shown, &format!("cell-1-1 wrote {}/z", world.work.display()));
        assert!(shown.contains("the files that instances write are kept in memory"), "{shown}");
    }
}

#[test]
fn only_folders_of_its_own_user_are_taken_for_those_of_dead_proofs() {
    let without = [As::Stranger].into_iter().filter(|_| is_root()).map(|kind| (kind, &["--no-namespaces"][..]));
    let cases: Vec<_> = kinds().into_iter().map(|kind| (kind, &[][..])).chain(without).collect();
    for (pipes, (kind, options)) in
        [false, true].into_iter().flat_map(|pipes| cases.iter().map(move |case| (pipes, *case)))
    {
        let world = World::new(kind, "work");
        let tmp = world.temporary();
        fs::set_permissions(&tmp, fs::Permissions::from_mode(0o1777)).unwrap();
        let folder = |path: PathBuf| {
            fs::create_dir(&path).unwrap();
            fs::create_dir(path.join("inner")).unwrap();
            for file in ["lock", "inner/precious"] {
                fs::write(path.join(file), "kept").unwrap();
                world.own(&path.join(file));
            }
            world.own(&path.join("inner"));
            world.own(&path);
            path
        };
        let pipe = |path: PathBuf| {
            fs::create_dir(&path).unwrap();
            assert!(Command::new("mkfifo").arg(path.join("lock")).status().unwrap().success());
            world.own(&path.join("lock"));
            world.own(&path);
            path
        };
        // A dead proof of its own, in which there is a way out, and which it cannot write to as it is.
        let dead = folder(tmp.join("fungible-prove-dead"));
        let outside = folder(world.place.folder.path().join("outside"));
        symlink(&outside, dead.join("way")).unwrap();
        symlink(&outside, tmp.join("fungible-prove-link")).unwrap();
        let linked_lock = tmp.join("fungible-prove-linked-lock");
        fs::create_dir(&linked_lock).unwrap();
        symlink(outside.join("lock"), linked_lock.join("lock")).unwrap();
        world.own(&linked_lock);
        for path in [&dead, &dead.join("inner"), &outside, &outside.join("inner")] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o500)).unwrap();
        }
        let mut untouched = vec![outside.join("lock"), outside.join("inner/precious"), linked_lock];
        if pipes {
            untouched.push(pipe(tmp.join("fungible-prove-pipe")));
        }
        if is_root() {
            let theirs = folder(tmp.join("fungible-prove-theirs"));
            let other = if kind == As::Stranger { "0" } else { STRANGER };
            for path in [&theirs, &theirs.join("lock"), &theirs.join("inner"), &theirs.join("inner/precious")] {
                chown(path, other);
            }
            untouched.extend([theirs.join("lock"), theirs.join("inner/precious")]);
            if pipes {
                chown(&pipe(tmp.join("fungible-prove-their-pipe")), other);
            }
        } else {
            println!("left out: folders of another user, which only root can make");
        }

        let arguments = [options, &["--", "true"]].concat();
        let mut child = world.command(&arguments).stdout(Stdio::null()).spawn().unwrap();
        let status = eventually("the end of the tool", || child.try_wait().unwrap());
        assert!(status.success(), "{kind:?} {options:?}");
        for path in untouched {
            assert!(path.exists(), "{kind:?} {options:?}: {} is gone", path.display());
        }
        for path in [&outside, &outside.join("inner")] {
            let mode = fs::metadata(path).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, 0o500, "{kind:?} {options:?}: {}", path.display());
        }
        assert!(!dead.exists(), "{kind:?} {options:?}: it was not removed");
    }
}

#[test]
fn copies_that_would_not_fit_are_refused() {
    for kind in kinds() {
        let world = World::new(kind, "work");
        let big = world.file("data/big", "");
        assert!(Command::new("fallocate").args(["-l", "1200M"]).arg(&big).status().unwrap().success());
        if kind == As::Plain {
            let said = world.refusal(&["--", "true"]);
            assert!(said.contains("work is too large for that (1200 MiB"), "{said}");
            // What is shared is not copied for each.
            world.cells(&["--share", "data", "--", "true"]);
            continue;
        }
        if kind == As::Myself {
            continue; // only root can prepare a small disk
        }
        let prepare = format!("mount -t tmpfs -o size=100m,mode=777 tmpfs '{}'", world.temporary().display());
        let mut command = Command::new("unshare");
        let inner = world.command(&["--share", "data", "--", "true"]);
        command.args(["-m", "sh", "-c", &format!("{prepare} && exec \"$@\""), "sh"]).arg(inner.get_program());
        command.args(inner.get_args()).current_dir(&world.work).env("TMPDIR", world.temporary());
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("data takes 1200 MiB, but only "), "{said}");
    }
}
