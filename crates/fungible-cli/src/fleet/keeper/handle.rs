//! The starter's end of a keeper: orders go in, reports come out.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::end::{adopt_orphans, end_all};
use super::protocol::{Isolation, Launch, Order, ProcessId, Report, Signal, Task};
use crate::fleet::process_tree::children;

/// How long a keeper may take to end by itself once it is told to; it only has to print its last lines.
const END: Duration = Duration::from_secs(5);

/// A running keeper. When this and its reports are dropped, it ends everything that it keeps, then itself.
pub(crate) struct Keeper {
    /// To the task that writes them: whoever gives an order must not wait, or it could not hear the reports that the
    /// keeper must get rid of before it takes the order.
    orders: mpsc::UnboundedSender<Vec<u8>>,
    child: Child,
    isolation: Isolation,
    /// Why there are no namespaces, where they were wanted.
    problem: Option<String>,
    processes: ProcessId,
    tasks: u64,
}

/// A keeper that has not said yet that it is ready. It keeps nothing, and is killed if nobody waits for it any more.
struct Starting(Option<Child>);

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            let _ = child.start_kill();
        }
    }
}

/// The reports of a keeper, in order. They end when the keeper has.
pub(crate) struct Reports(Lines<BufReader<OwnedReadHalf>>);

impl Keeper {
    /// Starts a keeper from this same executable: in namespaces where it may, else as a subreaper.
    pub(crate) async fn start(executable: &Path, namespaces: bool) -> io::Result<(Keeper, Reports)> {
        let mut problem = None;
        if namespaces {
            match Keeper::start_as(executable, "namespaces").await {
                Ok(kept) => return Ok(kept),
                Err(error) => problem = Some(error.to_string()),
            }
        }
        // What a keeper without namespaces leaves behind when it is killed comes to us.
        adopt_orphans()?;
        let (keeper, reports) = Keeper::start_as(executable, "subreaper").await?;
        Ok((Keeper { problem, ..keeper }, reports))
    }

    async fn start_as(executable: &Path, stage: &str) -> io::Result<(Keeper, Reports)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let child = Command::new(executable)
            .args(["keeper", stage])
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            // Not ours: a Ctrl-C in the terminal is for us alone, we then end the instances in good order.
            .process_group(0)
            .spawn()?;
        let mut starting = Starting(Some(child));
        ours.set_nonblocking(true)?;
        let (reports, mut socket) = UnixStream::from_std(ours)?.into_split();
        let (orders, mut waiting) = mpsc::unbounded_channel::<Vec<u8>>();
        tokio::spawn(async move {
            while let Some(line) = waiting.recv().await {
                if socket.write_all(&line).await.is_err() {
                    break;
                }
            }
        });
        let mut reports = Reports(BufReader::new(reports).lines());
        let isolation = match reports.next().await {
            Some(Report::Ready { isolation }) => isolation,
            Some(Report::Unavailable { reason }) => return Err(io::Error::other(reason)),
            other => {
                return Err(io::Error::other(format!("the keeper process did not start ({other:?})")));
            }
        };
        let child = starting.0.take().ok_or_else(|| io::Error::other("the keeper process is gone"))?;
        Ok((Keeper { orders, child, isolation, problem: None, processes: 0, tasks: 0 }, reports))
    }

    pub(crate) fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Why there are no namespaces, where they were wanted.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// The number that the next process will have.
    pub(crate) fn next_process(&self) -> ProcessId {
        self.processes + 1
    }

    /// The number that the next task will have.
    pub(crate) fn next_task(&self) -> u64 {
        self.tasks + 1
    }

    /// Asks for something around the private disks; the outcome comes as a report under its number.
    pub(crate) fn ask(&mut self, task: Task) -> io::Result<()> {
        self.tasks += 1;
        let number = self.tasks;
        self.order(&Order::Do { number, task })
    }

    /// Asks for a process; the outcome comes as a report under the number that this returns.
    pub(crate) fn launch(&mut self, launch: Launch) -> io::Result<ProcessId> {
        self.processes += 1;
        let id = self.processes;
        self.order(&Order::Start { id, launch })?;
        Ok(id)
    }

    /// Sends a signal to the whole group of a process; nothing happens when it has ended.
    pub(crate) fn signal(&mut self, id: ProcessId, signal: Signal) -> io::Result<()> {
        self.order(&Order::Signal { id, signal })
    }

    fn order(&mut self, order: &Order) -> io::Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        self.orders.send(line).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// The number under which this system knows a process of the keeper's; `None` when it has ended or cannot be told.
    pub(crate) fn host_pid(&self, pid: i32) -> Option<i32> {
        match self.isolation {
            Isolation::Subreaper => Some(pid),
            Isolation::Namespaces => {
                children(self.parent_of_instances()?).into_iter().find(|child| keeper_pid(*child) == Some(pid))
            }
        }
    }

    /// The number under which this system knows the process that instances, and what they orphan, are children of.
    pub(crate) fn parent_of_instances(&self) -> Option<i32> {
        let own = self.child.id()?.cast_signed();
        match self.isolation {
            Isolation::Subreaper => Some(own),
            Isolation::Namespaces => children(own).first().copied(),
        }
    }

    /// Ends everything that is kept, and the keeper.
    pub(crate) async fn close(mut self) {
        drop(self.orders);
        let ended = tokio::time::timeout(END, self.child.wait()).await;
        if ended.is_err() {
            // It had its time.
            let _ = self.child.kill().await;
        }
        let in_good_order = matches!(ended, Ok(Ok(status)) if status.success());
        if !in_good_order && self.isolation == Isolation::Subreaper {
            // What it held outlives it only where there are no namespaces, and comes to us.
            end_all(Isolation::Subreaper, &[]);
        }
    }
}

impl Reports {
    /// The next report, or `None` once the keeper has ended.
    pub(crate) async fn next(&mut self) -> Option<Report> {
        let line = self.0.next_line().await.ok()??;
        serde_json::from_str(&line).ok()
    }
}

/// The number of a process as a keeper in a namespace sees it: the second, after ours.
fn keeper_pid(pid: i32) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("NSpid:"))?.split_whitespace().nth(1)?.parse().ok()
}
