//! Carries out runs: fresh shared state, fresh instances, the driver's traffic through the balancer, one journal. It
//! routes as the attack says and judges nothing.

mod live;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::attack::Attack;
use super::event::Event;
use super::journal::{DriverEnd, Journal};
use super::pattern::Patterns;
use super::plan::{Plan, Words, named_ports};
use crate::balancer::{Balancer, BodyLimits, Config, Dispatch, Observer};
use crate::exchange::Bodies;
use crate::fleet::{Apart, LaunchError, Launcher, Port, ProcessEnd, ProcessId, Spec, Waited};

/// No more instances than these are ready ahead: each takes memory.
const AHEAD_AT_MOST: usize = 16;

/// So much longer than in peace, and more, things may take under attack.
const LONGER: Duration = Duration::from_secs(20);

/// No more of a line is told.
const LONGEST_LINE: usize = 200;

/// Why a proof could not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProveError {
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the app cannot be started: `{program}`: {reason}")]
    NotStarted { program: String, reason: String },
    #[error("the app ended ({how}) before it was ready{}", port_or_last_of(.lines))]
    DiedAtStart { how: String, lines: Vec<String> },
    #[error(
        "the app was not ready within {} s (more with --start-limit): it must listen on the port in PORT or \
         {{port}}{}{}",
        .limit.as_secs_f32(), instead_of(.listens), last_of(.lines)
    )]
    NeverReady { limit: Duration, listens: Vec<SocketAddr>, lines: Vec<String> },
    #[error(
        "a second instance cannot start beside the first, which listens on {port} too: give that port by {{port:NAME}} in \
         an argument, --env or --file{}", last_of(.lines)
    )]
    SecondPort { port: u16, lines: Vec<String> },
    #[error(
        "{by} takes the ports that are chosen for instances before they can listen there ({times} times by now, last \
         {port}), and would answer in their place: end that program, then run the proof again"
    )]
    PortTaken { port: u16, by: String, times: usize },
    #[error("{option} `{command}` failed ({how}){}", last_of(.lines))]
    Helper { option: &'static str, command: String, how: String, lines: Vec<String> },
    #[error(
        "the {} s of --budget ended in the middle of run {run}, {attack}: it needs more, unless something hangs",
        .budget.as_secs_f32()
    )]
    OutOfTime { budget: Duration, run: usize, attack: &'static str },
    #[error("the driver cannot be started: {0}")]
    Driver(String),
    #[error(
        "the driver cannot be run: `{command}` ended with exit code {code} ({}), and no request arrived{}",
        if *.code == NOT_FOUND { "command not found" } else { "command cannot be executed" }, last_of(.lines)
    )]
    NoDriver { command: String, code: i32, lines: Vec<String> },
}

/// By these exit codes a shell says that it could not run a command.
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;

impl ProveError {
    /// What it means that the driver ended like this without a request: perhaps there is none.
    pub(super) fn of_driver(plan: &Plan, end: &DriverEnd, lines: &[String]) -> Option<ProveError> {
        match end {
            DriverEnd::Exited(code @ (NOT_FOUND | NOT_EXECUTABLE)) => {
                Some(ProveError::NoDriver { command: plan.drive.clone(), code: *code, lines: lines.to_vec() })
            }
            _ => None,
        }
    }
}

fn last_of(lines: &[String]) -> String {
    let last = lines.iter().rfind(|line| !line.trim().is_empty());
    last.map_or_else(String::new, |line| format!("; its last line: {}", cut(line)))
}

fn cut(line: &str) -> String {
    line.char_indices().nth(LONGEST_LINE).map_or_else(|| line.to_owned(), |(end, _)| format!("{}..", &line[..end]))
}

/// What to do about a port that is taken, with the line that says so: the last one may be the end of a stack trace.
fn port_or_last_of(lines: &[String]) -> String {
    let taken = lines.iter().rfind(|line| {
        let line = line.to_ascii_lowercase();
        let of_a_port = line.contains("address") || line.contains("port");
        line.contains("eaddrinuse") || (line.contains("in use") && of_a_port)
    });
    taken.map_or_else(
        || last_of(lines),
        |line| {
            format!(
                ": it wants a port that is taken; give it one of its own, {{port}} (or PORT) for the one that clients \
                 use, {{port:NAME}} for others; it says: {}",
                cut(line.trim())
            )
        },
    )
}

fn instead_of(listens: &[SocketAddr]) -> String {
    let named: Vec<String> = listens.iter().map(SocketAddr::to_string).collect();
    if named.is_empty() { String::new() } else { format!("; it listens on {} instead", named.join(", ")) }
}

/// Where runs take place, and how many there were.
pub(crate) struct Stage<'a> {
    plan: &'a Plan,
    launcher: Arc<Launcher>,
    /// The same for all runs: clients see one address.
    listener: TcpListener,
    /// Of what `{run}` stands for: two proofs must not meet in one database.
    mark: String,
    /// How many instances may start at once.
    cores: usize,
    tell: &'a mut dyn FnMut(Event),
    began: Instant,
    runs: usize,
    starts: usize,
    /// Requests of the first run, once it is known.
    expected: Option<usize>,
    /// How long the longest run on one instance took, and the first start of an instance.
    usual: Duration,
    start: Option<Duration>,
    patterns: Patterns,
    /// The ports that we did not give, on which the instance of each reference so far listened.
    fixed_ports: Option<BTreeSet<u16>>,
    /// How often another program had the port of an instance.
    ports_taken: usize,
    /// How many instances are ready ahead.
    ahead: usize,
    /// How long the last run took.
    last: Duration,
    bodies: Bodies,
}

impl<'a> Stage<'a> {
    /// `mark` is a short word that differs from proof to proof; the budget counts from `began`.
    pub(crate) fn new(
        plan: &'a Plan,
        began: Instant,
        launcher: Launcher,
        listener: TcpListener,
        mark: String,
        cores: usize,
        tell: &'a mut dyn FnMut(Event),
    ) -> Stage<'a> {
        Stage {
            plan,
            launcher: Arc::new(launcher),
            listener,
            mark,
            cores: cores.max(1),
            tell,
            began,
            runs: 0,
            starts: 0,
            expected: None,
            usual: Duration::ZERO,
            start: None,
            patterns: Patterns::default(),
            fixed_ports: None,
            ports_taken: 0,
            ahead: cores.max(1),
            last: Duration::ZERO,
            bodies: Bodies::default(),
        }
    }

    pub(crate) fn plan(&self) -> &Plan {
        self.plan
    }

    pub(crate) fn tell(&mut self, event: Event) {
        (self.tell)(event);
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs
    }

    pub(crate) fn starts(&self) -> usize {
        self.starts
    }

    /// Whether the budget allows so many more runs.
    pub(crate) fn may_run(&self, more: usize) -> bool {
        let longer = self.last.saturating_mul(u32::try_from(more).unwrap_or(u32::MAX));
        self.runs + more <= self.plan.runs && self.began.elapsed() + longer < self.plan.budget
    }

    /// What the requests of the runs to come look like, and how many of them are in flight at once.
    pub(crate) fn expect(&mut self, patterns: Patterns, together: usize) {
        self.patterns = patterns;
        self.ahead = together.clamp(self.cores, AHEAD_AT_MOST.max(self.cores));
    }

    pub(crate) fn patterns(&self) -> &Patterns {
        &self.patterns
    }

    /// How long an attack takes in which each of so many requests needs an instance of its own.
    pub(crate) fn expected_time(&self, starts: usize) -> Duration {
        let starts = u32::try_from(starts.div_ceil(self.cores)).unwrap_or(u32::MAX);
        self.usual.saturating_add(self.start.unwrap_or_default().saturating_mul(starts))
    }

    /// How long the driver may take before it counts as hanging: a trap may leave it waiting for what never comes.
    fn patience(&self, attack: &Attack) -> Duration {
        match attack {
            Attack::Reference { .. } => self.plan.drive_limit,
            _ => self.plan.drive_limit.min(self.usual * 3 + LONGER),
        }
    }

    /// How long an instance may take to become ready.
    fn start_limit(&self) -> Duration {
        match self.start {
            Some(first) => self.plan.start_limit.min(first * 20 + LONGER),
            None => self.plan.start_limit,
        }
    }

    /// Whether each instance has a view of the whole disk of its own.
    pub(crate) fn disk_is_private(&self) -> bool {
        self.launcher.world().disk != Apart::Copies
    }

    /// What is worth knowing of the world that instances live in.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.launcher.world().notes.clone()
    }

    /// Ends everything; nothing is left running, mounted, or on the disk.
    pub(crate) async fn close(self) {
        self.launcher.close().await;
    }

    /// One run of the traffic under `attack`. Where a client gave up because it had to wait for an instance, once more
    /// with more of them ready ahead.
    pub(crate) async fn run(&mut self, attack: &Attack) -> Result<Journal, ProveError> {
        let journal = self.run_once(attack).await?;
        let requests = self.expected.unwrap_or_default();
        if !journal.is_starved() || self.ahead >= requests.min(AHEAD_AT_MOST) || !self.may_run(1) {
            return Ok(journal);
        }
        self.ahead = requests.min(AHEAD_AT_MOST);
        self.run_once(attack).await
    }

    /// A run that ends with the budget, whatever hangs in it: the app, the driver, another command, a disk, the keeper. What
    /// it leaves is removed when the proof is closed.
    async fn run_once(&mut self, attack: &Attack) -> Result<Journal, ProveError> {
        self.runs += 1;
        let (budget, run, launcher) = (self.plan.budget, self.runs, Arc::clone(&self.launcher));
        let deadline = tokio::time::Instant::from_std(self.began + budget);
        tokio::select! {
            // The first one first: it is the reason for whatever else goes wrong then.
            biased;
            () = launcher.gone() => Err(LaunchError::KeeperGone.into()),
            journal = self.unlimited(attack) => journal,
            () = tokio::time::sleep_until(deadline) => Err(ProveError::OutOfTime { budget, run, attack: attack.word() }),
        }
    }

    async fn unlimited(&mut self, attack: &Attack) -> Result<Journal, ProveError> {
        let began = Instant::now();
        let requests = self.expected;
        self.tell(Event::Run { attack: attack.word().to_owned(), requests });
        let run = format!("{}{}", self.mark, self.runs);
        let journal = self.run_named(attack, &run).await;
        // Also after a failure: nothing of a run may reach the next one.
        let ended = self.launcher.end_run().await;
        // It may be the reason for whatever else went wrong, as a full disk is.
        ended?;
        let mut journal = journal?;
        self.bodies.share(&mut journal.exchanges, matches!(attack, Attack::Reference { .. }));
        self.expected.get_or_insert(journal.exchanges.len());
        self.last = began.elapsed();
        let first = journal.instances.first().and_then(|one| Some(one.ready?.saturating_sub(one.started)));
        self.start = self.start.or(first);
        if matches!(attack, Attack::Reference { .. }) {
            self.usual = self.usual.max(journal.took);
        }
        self.tell(Event::Ran { took: journal.took });
        Ok(journal)
    }

    async fn run_named(&mut self, attack: &Attack, run: &str) -> Result<Journal, ProveError> {
        let address = self.listener.local_addr()?;
        let words = Words { run: run.to_owned(), url: format!("http://{address}"), ..Words::default() };
        if let Some(reset) = &self.plan.reset {
            self.reset(&words.fill(reset), &words).await?;
        }
        self.launcher.begin_run().await?;
        let mut beside = Vec::new();
        for (number, command) in self.plan.beside.iter().enumerate() {
            let spec = self.shell(&format!("{run}-beside-{number}"), &words.fill(command), &words, false);
            beside.push((self.launcher.launch(spec).await?, command));
        }
        let (began, began_at) = (Instant::now(), SystemTime::now());
        let (ask, asked) = tokio::sync::mpsc::unbounded_channel();
        let (tap, tapped) = tokio::sync::mpsc::unbounded_channel();
        let mut config = Config::new([0; 32]);
        config.threads = 1;
        config.response_timeout = self.plan.drive_limit;
        // How slowly the driver sends is its own business, and an instance shall get what it sends when it does.
        config.limits.body = BodyLimits {
            buffer: 0,
            grace: self.plan.drive_limit,
            time: self.plan.drive_limit,
            ..BodyLimits::default()
        };
        config.dispatch = Dispatch::Directed(Observer::new(ask, tap, began));
        let balancer = Balancer::start(self.listener.try_clone()?, config)?;
        let mut live = live::Live::new(self, attack, run, &words, balancer, began);
        let ended = live.carry_out(asked, tapped).await?;
        for (id, command) in beside {
            // One that ended well may have put itself into the background.
            let how = match tokio::time::timeout(Duration::ZERO, self.launcher.ended(id)).await {
                Ok(Waited::Ended(end)) if !end.is_success() => Some(end.to_string()),
                Ok(Waited::NotStarted(reason)) => Some(reason),
                _ => None,
            };
            if let Some(how) = how {
                let lines = self.launcher.last_lines(id);
                return Err(ProveError::Helper { option: "--beside", command: command.clone(), how, lines });
            }
        }
        let live::Ended { exchanges, instances, driver, driver_lines, held, longest_hold, alone, starts } = ended;
        self.starts += starts;
        Ok(Journal {
            exchanges,
            instances,
            driver,
            run: run.to_owned(),
            address: address.to_string(),
            began: began_at,
            took: began.elapsed(),
            held,
            longest_hold,
            driver_lines,
            alone,
        })
    }

    /// Runs the user's `--reset` to its end. At the address that it may write down nobody answers yet.
    async fn reset(&self, command: &str, words: &Words) -> Result<(), ProveError> {
        let id = self.launcher.launch(self.shell("reset", command, words, true)).await?;
        let ended = tokio::time::timeout(self.plan.drive_limit, self.launcher.ended(id)).await;
        let how = match ended {
            Ok(Waited::Ended(end)) if end.is_success() => return Ok(()),
            Ok(Waited::Ended(end)) => end.to_string(),
            Ok(Waited::NotStarted(reason)) => reason,
            Ok(Waited::Ready | Waited::PortTaken(_) | Waited::Late(_)) | Err(_) => "it did not end".to_owned(),
        };
        self.launcher.kill(id).await?;
        let lines = self.launcher.last_lines(id);
        Err(ProveError::Helper { option: "--reset", command: command.to_owned(), how, lines })
    }

    /// A command line of the user's, for the shell.
    fn shell(&self, name: &str, command: &str, words: &Words, outside: bool) -> Spec {
        let mut env = self.environment(words);
        env.extend(["BASE_URL", "FUNGIBLE_URL"].map(|name| (name.to_owned(), words.url.clone())));
        Spec {
            name: name.to_owned(),
            program: "sh".to_owned(),
            args: vec!["-c".to_owned(), command.to_owned()],
            env,
            outside,
            own_share_copies: false,
        }
    }

    fn environment(&self, words: &Words) -> Vec<(String, String)> {
        self.plan.env.iter().map(|(key, value)| (key.clone(), words.fill(value))).collect()
    }

    /// How the driver ended.
    fn driver_end(end: ProcessEnd) -> DriverEnd {
        match end {
            ProcessEnd::Exited(code) => DriverEnd::Exited(code),
            ProcessEnd::Killed(_) | ProcessEnd::KeeperKilled => DriverEnd::Killed(end.to_string()),
        }
    }

    /// The further ports of an instance, wherever their names stand.
    fn named_ports(&self) -> Result<Vec<String>, ProveError> {
        let plan = self.plan;
        let templates = plan.files.iter().map(|(path, _)| std::fs::read_to_string(path));
        let templates = templates.collect::<io::Result<Vec<String>>>()?;
        let words = std::iter::once(&plan.program).chain(&plan.args).chain(plan.env.iter().map(|(_, value)| value));
        let files = plan.files.iter().map(|(_, place)| place).chain(&templates);
        Ok(named_ports(words.chain(files).map(String::as_str)))
    }

    /// What one instance is started with: its command in a shell that first puts its files in place, where it has any.
    fn instance(&self, name: &str, run: &str, ports: &Ports, own_copies: bool) -> Result<(Spec, PathBuf), ProveError> {
        let dir = self.launcher.world().private_folder(name);
        std::fs::create_dir_all(&dir)?;
        let words = Words {
            port: Some(ports.own.number()),
            ports: ports.named.iter().map(|(name, port)| (name.clone(), port.number())).collect(),
            dir: Some(dir.clone()),
            run: run.to_owned(),
            url: format!("http://{}", self.listener.local_addr()?),
        };
        let mut env = vec![
            ("PORT".to_owned(), ports.own.number().to_string()),
            ("FUNGIBLE_INSTANCE".to_owned(), name.to_owned()),
        ];
        env.extend(self.environment(&words));
        let (mut program, mut args) =
            (words.fill(&self.plan.program), self.plan.args.iter().map(|one| words.fill(one)).collect::<Vec<_>>());
        if !self.plan.files.is_empty() {
            // On its private disk, which only the instance sees: so it is the instance that copies them.
            let mut script = String::new();
            let mut places = Vec::new();
            for (number, (template, place)) in self.plan.files.iter().enumerate() {
                let filled = dir.join(format!(".file-{number}"));
                std::fs::write(&filled, words.fill(&std::fs::read_to_string(template)?))?;
                places.extend([filled.display().to_string(), words.fill(place)]);
                script.push_str("mkdir -p \"$(dirname \"$2\")\" && cp \"$1\" \"$2\" && chmod u+w \"$2\" || { echo \"--file cannot be put in place at $2\" >&2; exit 1; }; shift 2; ");
            }
            script.push_str("exec \"$@\"");
            let mut wrapped = vec!["-c".to_owned(), script, "sh".to_owned()];
            wrapped.append(&mut places);
            wrapped.push(std::mem::replace(&mut program, "sh".to_owned()));
            wrapped.append(&mut args);
            args = wrapped;
        }
        let spec = Spec { name: name.to_owned(), program, args, env, outside: false, own_share_copies: own_copies };
        Ok((spec, dir))
    }
}

/// The ports of one instance.
#[derive(Debug)]
struct Ports {
    own: Port,
    named: BTreeMap<String, Port>,
}

/// What started, and what came of it.
#[derive(Debug)]
struct Started {
    id: ProcessId,
    name: String,
    ports: Ports,
    since: Duration,
    waited: Waited,
}
