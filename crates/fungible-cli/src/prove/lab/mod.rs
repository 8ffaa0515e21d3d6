//! Carries out experiments: fresh shared state, fresh instances, the driver's traffic through the balancer, one journal. It
//! judges nothing.

mod archive;
mod ask;
mod dispatcher;
mod echo;
mod ends;
mod error;
mod health;
mod instances;
mod pseudonyms;
mod recorder;
mod run;
mod setup;
mod stand_in;
mod substitute;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

pub(crate) use archive::Archive;
pub(crate) use error::ProveError;
pub(crate) use recorder::Recorder;
pub(crate) use setup::KnownRequest;

use self::instances::Lasting;
use self::recorder::Refused;
use self::run::{Ended, Run, Tapped};
use self::setup::Setup;
use super::event::Event;
use super::journal::Journal;
use super::plan::Plan;
use super::request_key::{RequestKey, RequestPatterns};
use super::schedule::{Added, Experiment};
use crate::balancer::{Balancer, BodyLimits, Config, Dispatch, Observer};
use crate::exchange::Bodies;
use crate::fleet::{Apart, LaunchError, Launcher, ProcessId, Waited};

/// No more instances than these are ready ahead: each takes memory.
const AHEAD_AT_MOST: usize = 16;

/// So much longer than undisturbed, and more, things may take under attack.
const LONGER: Duration = Duration::from_secs(20);

/// Where runs take place, and how many there were.
pub(crate) struct Lab<'a> {
    plan: &'a Plan,
    source: Source<'a>,
    /// How many instances may start at once.
    cores: usize,
    began: Instant,
    runs: usize,
    starts: usize,
    /// Requests of the first run, once it is known.
    expected: Option<usize>,
    /// How long the longest run on one instance took, and the first start of an instance.
    usual: Duration,
    start: Option<Duration>,
    /// How long after the start of an instance the driver can be started, so that both are ready at once.
    driver_after: Option<Duration>,
    /// How long the driver needed until its first request.
    driver_start: Duration,
    patterns: RequestPatterns,
    known: Vec<KnownRequest>,
    /// What the runs to come add to the traffic.
    added: Added,
    /// How long after a write earlier requests are asked again.
    echo_after: Duration,
    /// How many instances are ready ahead.
    ahead: usize,
    /// Runs end with the answer to this one; with its number in the baseline.
    last_request: Option<(usize, RequestKey)>,
    /// How long the last run took.
    last: Duration,
    bodies: Bodies,
}

/// Where journals come from.
enum Source<'a> {
    Live(Live<'a>),
    /// Runs of an earlier proof: nothing is started.
    Recorded(Archive),
}

/// What runs of the app need.
struct Live<'a> {
    launcher: Arc<Launcher>,
    /// The same for all runs: clients see one address.
    listener: TcpListener,
    /// Of what `{run}` stands for: two proofs must not meet in one database.
    mark: String,
    lasting: Lasting<'a>,
    /// Keeps each run, where the user wants that.
    recorder: Option<Recorder>,
}

impl<'a> Lab<'a> {
    /// `mark` is a short word that differs from proof to proof; the budget counts from `began`.
    pub(crate) fn new(
        (plan, began, cores): (&'a Plan, Instant, usize),
        (launcher, listener, mark): (Launcher, TcpListener, String),
        recorder: Option<Recorder>,
        tell: &'a mut dyn FnMut(Event),
    ) -> Lab<'a> {
        let lasting = Lasting { tell, fixed_ports: None, ports_taken: 0 };
        let live = Live { launcher: Arc::new(launcher), listener, mark, lasting, recorder };
        Lab::with(plan, began, cores, Source::Live(live))
    }

    /// The runs of an earlier proof once more, of this plan.
    pub(crate) fn recorded(plan: &'a Plan, archive: Archive) -> Lab<'a> {
        Lab::with(plan, Instant::now(), archive.cores(), Source::Recorded(archive))
    }

    fn with(plan: &'a Plan, began: Instant, cores: usize, source: Source<'a>) -> Lab<'a> {
        Lab {
            plan,
            source,
            cores: cores.max(1),
            began,
            runs: 0,
            starts: 0,
            expected: None,
            usual: Duration::ZERO,
            start: None,
            driver_after: None,
            driver_start: Duration::ZERO,
            patterns: RequestPatterns::default(),
            known: Vec::new(),
            added: Added::Nothing,
            echo_after: Duration::ZERO,
            ahead: cores.max(1),
            last_request: None,
            last: Duration::ZERO,
            bodies: Bodies::default(),
        }
    }

    pub(crate) fn plan(&self) -> &'a Plan {
        self.plan
    }

    pub(crate) fn tell(&mut self, event: Event) {
        if let Source::Live(live) = &mut self.source {
            (live.lasting.tell)(event);
        }
    }

    /// How many runs there were.
    pub(crate) fn runs(&self) -> usize {
        self.runs
    }

    /// How many processes of the app were started in all.
    pub(crate) fn starts(&self) -> usize {
        self.starts
    }

    /// Whether the budget allows so many more runs.
    pub(crate) fn may_run(&mut self, more: usize) -> bool {
        let wanted = Refused { after: self.runs, more };
        match &mut self.source {
            Source::Live(live) => {
                let longer = self.last.saturating_mul(u32::try_from(more).unwrap_or(u32::MAX));
                let may = self.runs + more <= self.plan.runs && self.began.elapsed() + longer < self.plan.budget;
                if let (false, Some(recorder)) = (may, &mut live.recorder) {
                    recorder.refuse(wanted);
                }
                may
            }
            Source::Recorded(archive) => archive.may_run(wanted),
        }
    }

    /// What the requests of the runs to come look like, and how many of them are in flight at once.
    pub(crate) fn expect(&mut self, patterns: RequestPatterns, together: usize) {
        self.patterns = patterns;
        self.ahead = together.clamp(self.cores, AHEAD_AT_MOST.max(self.cores));
    }

    /// What the baselines know of each of their requests, for the experiments that withhold some.
    pub(crate) fn know(&mut self, known: Vec<KnownRequest>) {
        self.known = known;
    }

    /// What the runs to come add to the traffic, whatever experiment they are.
    pub(crate) fn add_to_traffic(&mut self, added: Added) {
        self.added = added;
    }

    /// How long after a write earlier requests are asked again.
    pub(crate) fn ask_again_after(&mut self, pause: Duration) {
        self.echo_after = pause;
    }

    /// The experiment with what is added to the traffic.
    pub(crate) fn with_additions(&self, experiment: &Experiment) -> Experiment {
        Experiment { added: self.added, ..experiment.clone() }
    }

    pub(crate) fn patterns(&self) -> &RequestPatterns {
        &self.patterns
    }

    /// Whether a client gave up because we had no instance for its request: what came after that says nothing about the app.
    /// A request that is given up also undisturbed is given up by itself.
    pub(crate) fn is_starved(&self, journal: &Journal) -> bool {
        journal.starved().any(|request| !self.patterns.is_given_up(request))
    }

    /// How long an attack takes in which each of so many requests needs an instance of its own.
    pub(crate) fn expected_time(&self, starts: usize) -> Duration {
        let starts = u32::try_from(starts.div_ceil(self.cores)).unwrap_or(u32::MAX);
        self.usual.saturating_add(self.start.unwrap_or_default().saturating_mul(starts))
    }

    /// How long the driver may take before it counts as hanging: a trap may leave it waiting for what never comes.
    fn patience(&self, experiment: &Experiment) -> Duration {
        if experiment.is_baseline() {
            return self.plan.drive_limit;
        }
        self.plan.drive_limit.min(self.usual * 3 + LONGER)
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
        match &self.source {
            Source::Live(live) => live.launcher.world().disk != Apart::Copies,
            Source::Recorded(archive) => archive.disk_is_private(),
        }
    }

    /// What is worth knowing of the world that instances live in.
    pub(crate) fn notes(&self) -> Vec<String> {
        match &self.source {
            Source::Live(live) => live.launcher.world().notes.clone(),
            Source::Recorded(archive) => archive.notes().to_vec(),
        }
    }

    /// Ends everything; nothing is left running, mounted, or on the disk. A recording is completed where there is a
    /// verdict: without one nobody shall take it for whole.
    ///
    /// # Errors
    /// When a recording cannot be completed.
    pub(crate) async fn close(self, has_verdict: bool) -> Result<(), ProveError> {
        let Source::Live(live) = self.source else { return Ok(()) };
        let (private, notes) = (live.launcher.world().disk != Apart::Copies, live.launcher.world().notes.clone());
        live.launcher.close().await;
        match live.recorder {
            Some(recorder) if has_verdict => {
                recorder.close(self.plan, self.cores, private, notes).map_err(ProveError::Recording)
            }
            _ => Ok(()),
        }
    }

    /// One run of the traffic. Where a client gave up because it had to wait for an instance, once more with more of them
    /// ready ahead.
    pub(crate) async fn run(&mut self, experiment: &Experiment) -> Result<Journal, ProveError> {
        let journal = self.run_once(experiment).await?;
        let requests = self.expected.unwrap_or_default();
        if !self.is_starved(&journal) || self.ahead >= requests.min(AHEAD_AT_MOST) || !self.may_run(1) {
            return Ok(journal);
        }
        self.ahead = requests.min(AHEAD_AT_MOST);
        self.run_once(experiment).await
    }

    /// One run that ends with the answer to this request, given with its number in the baseline.
    pub(crate) async fn run_until(
        &mut self,
        experiment: &Experiment,
        last: (usize, RequestKey),
    ) -> Result<Journal, ProveError> {
        self.last_request = Some(last);
        let journal = self.run(experiment).await;
        self.last_request = None;
        journal
    }

    async fn run_once(&mut self, experiment: &Experiment) -> Result<Journal, ProveError> {
        self.runs += 1;
        let experiment = &self.with_additions(experiment);
        self.tell(Event::Run { experiment: experiment.name(), requests: self.expected });
        let began = Instant::now();
        let setup = Settings {
            run: self.runs,
            cores: self.cores,
            ahead: self.ahead,
            requests: self.last_request.as_ref().map(|(number, _)| *number).or(self.expected),
            last_request: self.last_request.as_ref().map(|(_, key)| key.clone()),
            driver_after: self.driver_after,
            echo_after: self.echo_after,
            start_limit: self.start_limit(),
            patience: self.patience(experiment),
            deadline: self.began + self.plan.budget,
        };
        let Ended { mut journal, starts } = match &mut self.source {
            Source::Live(live) => live.run(self.plan, experiment, &setup, (&self.patterns, &self.known)).await?,
            Source::Recorded(archive) => archive.next(experiment, self.runs)?,
        };
        self.starts += starts;
        self.bodies.share(&mut journal.exchanges, experiment.is_baseline());
        self.expected.get_or_insert(journal.exchanges.len());
        self.last = began.elapsed();
        if let Source::Live(Live { recorder: Some(recorder), .. }) = &mut self.source {
            recorder.add(experiment, &journal, starts);
        }
        self.learn_starts(&journal);
        if experiment.is_baseline() {
            self.usual = self.usual.max(journal.took);
        }
        self.tell(Event::Ran { took: journal.took });
        Ok(journal)
    }

    /// How long instances and the driver need until they are ready; the first run starts the driver after the instance.
    fn learn_starts(&mut self, journal: &Journal) {
        let Some((first, ready)) = journal.instances.first().and_then(|one| Some((one, one.ready?))) else { return };
        let start = ready.saturating_sub(first.started);
        if self.start.is_none() {
            let asked = journal.exchanges.iter().map(|one| one.arrived).min();
            self.driver_start = asked.map_or(Duration::ZERO, |asked| asked.saturating_sub(ready));
        }
        self.start.get_or_insert(start);
        let after = start.saturating_sub(self.driver_start);
        self.driver_after = Some(self.driver_after.map_or(after, |before| before.min(after)));
    }
}

/// How one run is to be carried out.
struct Settings {
    /// Its number in the proof, from 1.
    run: usize,
    cores: usize,
    ahead: usize,
    requests: Option<usize>,
    last_request: Option<RequestKey>,
    driver_after: Option<Duration>,
    echo_after: Duration,
    start_limit: Duration,
    patience: Duration,
    deadline: Instant,
}

impl Live<'_> {
    /// A run that ends with the budget, whatever hangs in it: the app, the driver, another command, a disk, the keeper. What
    /// it leaves is removed when the proof is closed.
    async fn run(
        &mut self,
        plan: &Plan,
        experiment: &Experiment,
        settings: &Settings,
        expected: (&RequestPatterns, &[KnownRequest]),
    ) -> Result<Ended, ProveError> {
        let launcher = Arc::clone(&self.launcher);
        let deadline = tokio::time::Instant::from_std(settings.deadline);
        let (budget, run, name) = (plan.budget, settings.run, experiment.name());
        let ended = tokio::select! {
            // The first one first: it is the reason for whatever else goes wrong then.
            biased;
            () = launcher.gone() => return Err(LaunchError::KeeperGone.into()),
            ended = self.unlimited(plan, experiment, settings, expected) => ended?,
            () = tokio::time::sleep_until(deadline) => {
                if let Some(recorder) = &mut self.recorder {
                    recorder.run_out_of_time();
                }
                return Err(ProveError::OutOfTime { budget, run, experiment: name });
            }
        };
        Ok(ended)
    }

    async fn unlimited(
        &mut self,
        plan: &Plan,
        experiment: &Experiment,
        settings: &Settings,
        expected: (&RequestPatterns, &[KnownRequest]),
    ) -> Result<Ended, ProveError> {
        let ended = self.carry_out(plan, experiment, settings, expected).await;
        // Also after a failure: nothing of a run may reach the next one.
        let closed = self.launcher.end_run().await;
        // It may be the reason for whatever else went wrong, as a full disk is.
        closed?;
        ended
    }

    async fn carry_out(
        &mut self,
        plan: &Plan,
        experiment: &Experiment,
        settings: &Settings,
        expected: (&RequestPatterns, &[KnownRequest]),
    ) -> Result<Ended, ProveError> {
        let mut setup = Setup {
            plan,
            experiment,
            known: expected.1,
            run: format!("{}{}", self.mark, settings.run),
            address: self.listener.local_addr()?,
            launcher: Arc::clone(&self.launcher),
            cores: settings.cores,
            ahead: settings.ahead,
            requests: settings.requests,
            last_request: settings.last_request.as_ref(),
            driver_after: settings.driver_after,
            echo_after: settings.echo_after,
            start_limit: settings.start_limit,
            patience: settings.patience,
            began: Instant::now(),
        };
        if let Some(command) = &plan.reset {
            reset(&setup, command, &self.listener).await?;
        }
        self.launcher.begin_run(experiment.has_one_disk()).await?;
        let beside = start_beside(&setup).await?;
        setup.began = Instant::now();
        let (ask, asked) = tokio::sync::mpsc::unbounded_channel();
        let (tap, ended) = tokio::sync::mpsc::unbounded_channel();
        let mut config = Config::new([0; 32]);
        config.threads = 1;
        config.response_timeout = plan.drive_limit;
        // How slowly the driver sends is its own business, and an instance shall get what it sends when it does.
        config.limits.body =
            BodyLimits { buffer: 0, grace: plan.drive_limit, time: plan.drive_limit, ..BodyLimits::default() };
        config.dispatch = Dispatch::Directed(Observer::new(ask, tap, setup.began));
        let balancer = Balancer::start(self.listener.try_clone()?, config)?;
        let run = Run::new(&setup, &mut self.lasting, balancer, expected.0.clone());
        let over = run.carry_out(Tapped { asked, ended }).await?;
        check_beside(&setup, beside).await?;
        Ok(over)
    }
}

/// How a command ended, if it did: an error says why it failed.
fn end_of(waited: Waited) -> Option<Result<(), String>> {
    match waited {
        Waited::Ended(end) if end.is_success() => Some(Ok(())),
        Waited::Ended(end) => Some(Err(end.to_string())),
        Waited::NotStarted(reason) => Some(Err(reason)),
        Waited::Ready | Waited::PortTaken(_) | Waited::Late(_) => None,
    }
}

/// Runs the user's `--reset` to its end. Whoever asks the app meanwhile is refused.
async fn reset(setup: &Setup<'_>, command: &str, listener: &TcpListener) -> Result<(), ProveError> {
    let launcher = &setup.launcher;
    let id = launcher.launch(setup.shell("reset", command, true)).await?;
    let ends = tokio::time::timeout(setup.plan.drive_limit, launcher.ended(id));
    let ended = tokio::select! {
        ended = ends => ended,
        error = refuse_all(listener) => return Err(error.into()),
    };
    let how = match ended.ok().and_then(end_of) {
        Some(Ok(())) => return Ok(()),
        Some(Err(how)) => how,
        None => "it did not end".to_owned(),
    };
    launcher.kill(id).await?;
    let lines = launcher.last_lines(id);
    let asks = ["{url}", "BASE_URL", "FUNGIBLE_URL"].iter().any(|word| command.contains(word));
    let command = setup.words().fill(command);
    Err(if asks {
        ProveError::ResetAsks { command, how, lines }
    } else {
        ProveError::Helper { option: "--reset", command, how, lines }
    })
}

/// Says to each client that no instance is up, for ever.
async fn refuse_all(listener: &TcpListener) -> io::Error {
    let refuse = async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener.try_clone()?)?;
        loop {
            let (mut client, _) = listener.accept().await?;
            tokio::spawn(async move {
                // It may have gone.
                let _ = client.read(&mut [0; 4096]).await;
                let _ = client.write_all(NO_INSTANCE).await;
            });
        }
    };
    let Err::<std::convert::Infallible, io::Error>(error) = refuse.await;
    error
}

const NO_INSTANCE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 42\r\n\r\nno instance is up while --reset is running";

/// Starts the user's `--beside` commands, each with its process.
async fn start_beside(setup: &Setup<'_>) -> Result<Vec<(ProcessId, String)>, ProveError> {
    let mut beside = Vec::new();
    for (number, command) in setup.plan.beside.iter().enumerate() {
        let spec = setup.shell(&format!("{}-beside-{number}", setup.run), command, false);
        beside.push((setup.launcher.launch(spec).await?, command.clone()));
    }
    Ok(beside)
}

/// Whether they went well. One that ended well may have put itself into the background.
async fn check_beside(setup: &Setup<'_>, beside: Vec<(ProcessId, String)>) -> Result<(), ProveError> {
    for (id, command) in beside {
        let ended = tokio::time::timeout(Duration::ZERO, setup.launcher.ended(id)).await;
        let Some(Err(how)) = ended.ok().and_then(end_of) else { continue };
        let lines = setup.launcher.last_lines(id);
        return Err(ProveError::Helper { option: "--beside", command, how, lines });
    }
    Ok(())
}
