//! The control socket of a running fleet, through which `fungible status`, `kill`, `scale`, `deploy` and other commands talk
//! to it: one line of JSON each way, over a unix socket in a folder that only its owner may open.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::AT_FDCWD;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::own_folder;
use super::status::FleetStatus;
use crate::balancer::Balancer;
use crate::encoding;

/// The longest request line, in bytes.
const LONGEST_REQUEST: u64 = 256 * 1024;

/// How long a connected client may take to send its request, and a fleet to answer one.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a new instance must stay up after it is ready, unless said otherwise.
pub(crate) const PROBATION: Duration = Duration::from_secs(10);

/// A request to a fleet.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ControlRequest {
    Status,
    /// Sends a signal to the instance of this name.
    Signal {
        instance: String,
        signal: InstanceSignal,
    },
    /// Drains the instance of this name, and starts another one in its place.
    Drain {
        instance: String,
    },
    Scale {
        count: usize,
    },
    /// Replaces the instances by those of another command.
    Deploy(DeployRequest),
    /// Stops the deploy that runs, and rolls it back.
    CancelDeploy,
    /// Holds all requests for so long, or until the next request of this kind with zero.
    Pause {
        #[serde(rename = "limit_ns", with = "encoding::nanoseconds")]
        limit: Duration,
    },
    /// Drains the fleet and ends it.
    Stop,
}

/// Which command is to replace the one that a fleet runs, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeployRequest {
    /// The program and its arguments; empty: as they are.
    pub(crate) command: Vec<String>,
    /// Variables that are set in addition to those of the fleet, or instead of them.
    pub(crate) env: Vec<(String, String)>,
    /// What the new version is called.
    pub(crate) version: Option<String>,
    /// So many more instances than usual may run at once; at least 1.
    pub(crate) surge: usize,
    /// How long a new instance must stay up after it is ready.
    #[serde(rename = "probation_ns", with = "encoding::nanoseconds")]
    pub(crate) probation: Duration,
    /// A shell command that must end well before the first new instance starts.
    pub(crate) before: Option<String>,
    /// Only says what would be done.
    pub(crate) dry_run: bool,
}

impl DeployRequest {
    /// The same command once more.
    pub(crate) fn again() -> DeployRequest {
        DeployRequest { surge: 1, probation: PROBATION, ..DeployRequest::default() }
    }
}

/// What can be done to the processes of an instance, to try what its users notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum InstanceSignal {
    /// SIGKILL; it is restarted.
    Kill,
    /// SIGSTOP: it stays, and does nothing.
    Freeze,
    /// SIGCONT: it goes on.
    Thaw,
}

/// The reply of a fleet.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ControlReply {
    Status(Box<FleetStatus>),
    /// The request was carried out or begun; a sentence for the user.
    Done(String),
    /// The request was refused; a sentence for the user.
    Refused(String),
}

/// A request that a fleet received, with the channel for the reply.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) request: ControlRequest,
    pub(crate) reply: oneshot::Sender<ControlReply>,
}

/// Has the balancer hold requests; with zero, lets them go on.
pub(crate) fn pause(balancer: &Balancer, limit: Duration) -> ControlReply {
    let was_paused = balancer.paused_ms().is_some();
    balancer.pause(limit);
    ControlReply::Done(match (limit.is_zero(), was_paused) {
        (true, true) => "requests go on".to_owned(),
        (true, false) => "requests were not held".to_owned(),
        (false, _) => format!(
            "holding requests for at most {} s; those in flight go on ({} now)",
            limit.as_secs_f32(),
            balancer.load()
        ),
    })
}

/// Why a fleet cannot be reached, or its control socket not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("cannot use the folder {} for control sockets: {reason} (choose another place with XDG_RUNTIME_DIR or TMPDIR)", .folder.display())]
    Folder { folder: PathBuf, reason: String },
    #[error(
        "a fleet called {0} is already running: choose another --name, or end that fleet with `fungible stop --fleet {0}`"
    )]
    Taken(String),
    #[error("no fleet is running; start one with `fungible run -- COMMAND`")]
    NoneRuns,
    #[error("no fleet is called {wanted}; running: {}", .running.join(", "))]
    NotThisOne { wanted: String, running: Vec<String> },
    #[error("several fleets are running: choose one with --fleet NAME ({})", .0.join(", "))]
    Several(Vec<String>),
    #[error("the fleet did not answer: {0}")]
    Silent(String),
}

/// The control socket of a fleet. Its files are removed when this is dropped.
pub(crate) struct Control {
    listener: UnixListener,
    socket: PathBuf,
    lock_path: PathBuf,
    /// Locked as long as the fleet lives. A socket file without this lock is left over from a fleet that was killed.
    _lock: File,
}

impl Control {
    /// Opens the control socket of the fleet `name`. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When the folder cannot be used, or a fleet of this name runs.
    pub(crate) fn bind(folder: &Path, name: &str) -> Result<Control, ControlError> {
        let failed = |error: io::Error| ControlError::Folder { folder: folder.to_owned(), reason: error.to_string() };
        // Creates its parents, too.
        match DirBuilder::new().mode(0o700).recursive(true).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        let opened = private_folder(folder)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let (socket, lock_path) = (folder.join(format!("{name}.sock")), folder.join(lock_name(name)));
        let lock = take_lock(&opened, &lock_path, &lock_name(name)).map_err(failed)?;
        let lock = lock.ok_or_else(|| ControlError::Taken(name.to_owned()))?;
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&socket).map_err(failed)?;
        fs::set_permissions(&socket, Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Control { listener, socket, lock_path, _lock: lock })
    }

    /// Forwards requests to `asked` until its receiver is dropped.
    pub(crate) async fn serve(self, asked: mpsc::Sender<Asked>) {
        while !asked.is_closed() {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = asked.closed() => break,
            };
            match accepted {
                Ok((client, _)) => {
                    tokio::spawn(converse(client, asked.clone()));
                }
                // Most likely out of file descriptors; the fleet itself must go on.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.socket);
        let _ = fs::remove_file(&self.lock_path);
    }
}

/// Takes the lock at this path; `None` while another fleet holds it. A client that lists the running fleets holds it
/// for a moment, and a fleet that ends removes its file. So this tries more than once, and checks that the locked file
/// is still the one at the path.
fn take_lock(folder: &File, path: &Path, name: &str) -> io::Result<Option<File>> {
    for _ in 0..50 {
        let lock = own_folder::lock_file(folder, name, true)?;
        if lock.try_lock().is_ok() && own_folder::is_at(&lock, path) {
            return Ok(Some(lock));
        }
        std::thread::park_timeout(Duration::from_millis(4));
    }
    Ok(None)
}

fn lock_name(fleet: &str) -> String {
    format!("{fleet}.lock")
}

async fn converse(mut client: UnixStream, asked: mpsc::Sender<Asked>) {
    let (read, mut write) = client.split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(LONGEST_REQUEST));
    let Ok(Ok(_)) = tokio::time::timeout(PATIENCE, read.read_line(&mut line)).await else {
        return;
    };
    let reply = match serde_json::from_str(&line) {
        Ok(request) => {
            let (reply, answer) = oneshot::channel();
            if asked.send(Asked { request, reply }).await.is_err() {
                return;
            }
            answer.await.unwrap_or_else(|_| ControlReply::Refused("the fleet is ending".to_owned()))
        }
        Err(error) => ControlReply::Refused(format!(
            "this fleet does not understand the request ({error}); is it another version?"
        )),
    };
    if let Ok(mut text) = serde_json::to_vec(&reply) {
        text.push(b'\n');
        // The client may have disconnected.
        let _ = write.write_all(&text).await;
    }
}

/// Opens the folder of control sockets, if it exists. It must belong to this user and be closed to others: another user
/// who owns it could impersonate a fleet.
fn private_folder(folder: &Path) -> Result<Option<File>, ControlError> {
    let failed = |reason: String| ControlError::Folder { folder: folder.to_owned(), reason };
    match own_folder::open_private(AT_FDCWD, folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => Ok(Some(other.map_err(|error| failed(error.to_string()))?)),
    }
}

/// The fleets whose control sockets are in one folder.
pub(crate) struct Fleets {
    folder: PathBuf,
    /// `None` if the folder does not exist: then no fleet runs.
    opened: Option<File>,
}

impl Fleets {
    /// The fleets with control sockets in `folder`.
    ///
    /// # Errors
    /// When the folder exists but cannot be trusted.
    pub(crate) fn within(folder: PathBuf) -> Result<Fleets, ControlError> {
        let opened = private_folder(&folder)?;
        Ok(Fleets { folder, opened })
    }

    /// The names of the running fleets, sorted.
    pub(crate) fn running(&self) -> Vec<String> {
        let Some(opened) = &self.opened else { return Vec::new() };
        let mut names: Vec<String> = fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".lock").map(str::to_owned))
            .filter(|name| {
                let lock = own_folder::lock_file(opened, &lock_name(name), false);
                lock.is_ok_and(|lock| lock.try_lock_shared().is_err())
            })
            .collect();
        names.sort();
        names
    }

    /// The whole name of the fleet that `wanted` selects: by its whole name (`web@8080`), its name, or its port.
    /// Without `wanted` the only running fleet.
    ///
    /// # Errors
    /// When no fleet or more than one matches.
    pub(crate) fn find(&self, wanted: Option<&str>) -> Result<String, ControlError> {
        let running = self.running();
        let matching: Vec<String> = match wanted {
            None => running.clone(),
            Some(wanted) => running
                .iter()
                .filter(|name| *name == wanted || name.split('@').any(|half| half == wanted))
                .cloned()
                .collect(),
        };
        match (matching.as_slice(), wanted) {
            ([one], _) => Ok(one.clone()),
            ([], None) => Err(ControlError::NoneRuns),
            ([], Some(_)) if running.is_empty() => Err(ControlError::NoneRuns),
            ([], Some(wanted)) => Err(ControlError::NotThisOne { wanted: wanted.to_owned(), running }),
            (several, _) => Err(ControlError::Several(several.to_vec())),
        }
    }

    /// Sends a request to the fleet with this whole name, and returns its reply.
    ///
    /// # Errors
    /// When it does not answer within 5 s, or not in JSON.
    pub(crate) async fn ask(&self, name: &str, request: &ControlRequest) -> Result<ControlReply, ControlError> {
        let answer = tokio::time::timeout(PATIENCE, self.ask_patiently(name, request)).await;
        answer.unwrap_or_else(|_| Err(ControlError::Silent(format!("no reply from {name} within 5 s; is it stopped?"))))
    }

    async fn ask_patiently(&self, name: &str, request: &ControlRequest) -> Result<ControlReply, ControlError> {
        let silent = |error: io::Error| ControlError::Silent(error.to_string());
        let mut socket = UnixStream::connect(self.folder.join(format!("{name}.sock"))).await.map_err(silent)?;
        let mut line = serde_json::to_vec(request).map_err(|error| silent(error.into()))?;
        line.push(b'\n');
        socket.write_all(&line).await.map_err(silent)?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.map_err(silent)?;
        serde_json::from_str(&answer).map_err(|_| ControlError::Silent("it ended before it replied".to_owned()))
    }

    /// Returns when the fleet with this whole name has ended.
    pub(crate) async fn ended(&self, name: &str) {
        while self.running().iter().any(|running| running == name) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
