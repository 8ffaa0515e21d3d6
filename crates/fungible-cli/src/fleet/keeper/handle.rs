//! The keeper as its parent process sees it: orders go in, reports come out.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::end::{adopt_orphans, end_all};
use super::protocol::{Isolation, Launch, Order, ProcessId, Report, Signal, Task};
use crate::fleet::process_tree::children;

/// How long a keeper may take to end after its socket is closed; it only prints its last lines.
const END: Duration = Duration::from_secs(5);

/// A running keeper. When this and its reports are dropped, it ends all its processes, then itself.
pub(crate) struct Keeper {
    /// Handled by a separate task, because a caller that waited for the keeper to accept an order would not read the
    /// reports that the keeper must send first.
    orders: mpsc::UnboundedSender<Vec<u8>>,
    child: Child,
    isolation: Isolation,
    /// Why namespaces are not available, if they were requested.
    problem: Option<String>,
    processes: ProcessId,
    tasks: u64,
}

/// A keeper that has not yet reported that it is ready. It has no instances, and is killed if this is dropped.
struct Starting(Option<Child>);

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            let _ = child.start_kill();
        }
    }
}

/// The reports of a keeper, in order. They end when the keeper ends.
pub(crate) struct Reports(Lines<BufReader<Box<dyn AsyncRead + Send + Unpin>>>);

impl Keeper {
    /// Starts a keeper from this same executable: in namespaces if they are requested and available, else as a
    /// subreaper.
    ///
    /// # Errors
    /// When neither can be started.
    pub(crate) async fn start(executable: &Path, namespaces: bool) -> io::Result<(Keeper, Reports)> {
        let mut problem = None;
        if namespaces {
            match Keeper::start_as(executable, "namespaces").await {
                Ok(kept) => return Ok(kept),
                Err(error) => problem = Some(error.to_string()),
            }
        }
        // If a keeper without namespaces is killed, the processes that it leaves become our children.
        adopt_orphans()?;
        let (keeper, reports) = Keeper::start_as(executable, "subreaper").await?;
        Ok((Keeper { problem, ..keeper }, reports))
    }

    async fn start_as(executable: &Path, stage: &str) -> io::Result<(Keeper, Reports)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let child = Command::new(executable)
            .args(["keeper", stage])
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            // A separate process group, so that Ctrl-C in the terminal reaches only us; we then end the instances in
            // order.
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
        let mut reports = Reports::new(reports);
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

    /// One for simulations, whose process has nothing to do: `orders` gets the orders, and the reports are those in `reports`.
    #[cfg(test)]
    pub(crate) fn simulated(
        orders: mpsc::UnboundedSender<Vec<u8>>,
        reports: impl AsyncRead + Send + Unpin + 'static,
    ) -> io::Result<(Keeper, Reports)> {
        let child = Command::new("true").spawn()?;
        let isolation = Isolation::Subreaper;
        Ok((Keeper { orders, child, isolation, problem: None, processes: 0, tasks: 0 }, Reports::new(reports)))
    }

    /// What ends the instances if the keeper dies.
    pub(crate) fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Why namespaces are not available, if they were requested.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// The number that the next process gets.
    pub(crate) fn next_process(&self) -> ProcessId {
        self.processes + 1
    }

    /// The number that the next task gets.
    pub(crate) fn next_task(&self) -> u64 {
        self.tasks + 1
    }

    /// Asks for a task concerning private disks. The outcome comes as a report under its number.
    ///
    /// # Errors
    /// When the keeper is gone.
    pub(crate) fn ask(&mut self, task: Task) -> io::Result<()> {
        self.tasks += 1;
        let number = self.tasks;
        self.order(&Order::Do { number, task })
    }

    /// Asks to start a process. The outcome comes as a report under the number that this returns.
    ///
    /// # Errors
    /// When the keeper is gone.
    pub(crate) fn launch(&mut self, launch: Launch) -> io::Result<ProcessId> {
        self.processes += 1;
        let id = self.processes;
        self.order(&Order::Start { id, launch })?;
        Ok(id)
    }

    /// Sends a signal to the whole process group of a process. Nothing happens if it has ended.
    ///
    /// # Errors
    /// When the keeper is gone.
    pub(crate) fn signal(&mut self, id: ProcessId, signal: Signal) -> io::Result<()> {
        self.order(&Order::Signal { id, signal })
    }

    fn order(&mut self, order: &Order) -> io::Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        self.orders.send(line).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Translates a process id of the keeper's namespace to ours; `None` if the process has ended or cannot be found.
    pub(crate) fn host_pid(&self, pid: i32) -> Option<i32> {
        match self.isolation {
            Isolation::Subreaper => Some(pid),
            Isolation::Namespaces => {
                children(self.parent_of_instances()?).into_iter().find(|child| keeper_pid(*child) == Some(pid))
            }
        }
    }

    /// The process id, in our namespace, of the parent of all instances and of their orphaned processes.
    pub(crate) fn parent_of_instances(&self) -> Option<i32> {
        let own = self.child.id()?.cast_signed();
        match self.isolation {
            Isolation::Subreaper => Some(own),
            Isolation::Namespaces => children(own).first().copied(),
        }
    }

    /// Ends all processes of the keeper, and the keeper itself.
    pub(crate) async fn close(mut self) {
        drop(self.orders);
        let ended = tokio::time::timeout(END, self.child.wait()).await;
        if ended.is_err() {
            // It exceeded the time limit.
            let _ = self.child.kill().await;
        }
        let in_good_order = matches!(ended, Ok(Ok(status)) if status.success());
        if !in_good_order && self.isolation == Isolation::Subreaper {
            // Only without namespaces can its processes outlive it; they have become our children.
            end_all(Isolation::Subreaper, &[]);
        }
    }
}

impl Reports {
    fn new(reports: impl AsyncRead + Send + Unpin + 'static) -> Reports {
        let reports: Box<dyn AsyncRead + Send + Unpin> = Box::new(reports);
        Reports(BufReader::new(reports).lines())
    }

    /// The next report, or `None` once the keeper has ended.
    pub(crate) async fn next(&mut self) -> Option<Report> {
        let line = self.0.next_line().await.ok()??;
        serde_json::from_str(&line).ok()
    }
}

/// The process id that a keeper in a namespace sees: the second in the list, after ours.
fn keeper_pid(pid: i32) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("NSpid:"))?.split_whitespace().nth(1)?.parse().ok()
}
