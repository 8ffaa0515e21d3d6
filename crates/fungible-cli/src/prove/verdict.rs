//! The verdict: everything that a proof found, as one complete value. Reports are functions of it.

use std::path::PathBuf;
use std::time::Duration;

use super::deviation::Deviation;
use super::schedule::Way;
use crate::exchange::Exchange;

/// The outcome of a proof, and what it covered. Never a bare pass.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) judgement: Judgement,
    /// Of the baseline.
    pub(crate) requests: usize,
    pub(crate) writes: usize,
    /// Runs of the traffic in all.
    pub(crate) runs: usize,
    /// Processes of the app that were started in all.
    pub(crate) starts: usize,
    pub(crate) took: Duration,
    /// The traffic, as it was asked for.
    pub(crate) drive: String,
    /// The app's command, as it was asked for.
    pub(crate) command: String,
    pub(crate) covered: Coverage,
    pub(crate) ignored: Vec<Ignored>,
    /// The last lines that the driver printed, where it fails on one instance undisturbed.
    pub(crate) driver_lines: Vec<String>,
    /// The last lines that the app printed, where it dies on one instance undisturbed.
    pub(crate) app_lines: Vec<String>,
    /// Deviations that did not hold, or that nothing healed.
    pub(crate) not_judged: Vec<NotJudged>,
    /// Values that differ from instance to instance and were not judged: place and examples.
    pub(crate) labels: Vec<(String, Vec<String>)>,
    /// Places that differ from baseline to baseline, and how they were compared.
    pub(crate) masks: Vec<(String, String)>,
    /// Values of the baseline and what stood for them in the last attack.
    pub(crate) renaming: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Judgement {
    Fungible,
    /// At least one, those that do the most harm first.
    NotFungible(Vec<Finding>),
    /// It could not be told, and why: each a sentence. Each of [`Verdict::not_judged`] is a reason, too.
    NotShown(Vec<String>),
}

impl Judgement {
    pub(crate) fn is_acquittal(&self) -> bool {
        matches!(self, Judgement::Fungible)
    }
}

/// What was tried, and what was not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage {
    /// Each attack that was carried out.
    pub(crate) attacks: Vec<AttackRun>,
    /// For each request that writes: whether its loss would be noticed.
    pub(crate) losses: Vec<WriteLoss>,
    /// For each request that is not safe: what becomes of it if its instance is killed in the middle of it and it is sent again.
    pub(crate) resends: Vec<Resend>,
    /// Sentences about what was not covered: "kill in the middle of a request". The most important first.
    pub(crate) not_covered: Vec<String>,
    /// So many of these, the first ones, make an acquittal say less than it seems to.
    pub(crate) limits: usize,
    /// Sentences about the world: "the disk of each instance was private except /home, because ..".
    pub(crate) notes: Vec<String>,
}

/// A request that writes, and what became of it when its effect was withheld from all requests after it.
#[derive(Clone, Debug)]
pub(crate) struct WriteLoss {
    pub(crate) write: Step,
    pub(crate) loss: Loss,
}

/// Whether the loss of a write would be noticed.
#[derive(Clone, Debug)]
pub(crate) enum Loss {
    /// This later request deviates, at this place.
    Noticed { reader: Box<Step>, place: String, way: Way },
    /// Nothing deviates, in whichever of these ways it is withheld.
    Unnoticed { ways: Vec<Way> },
    /// The budget ended before.
    NotTried,
    /// There is no way to withhold it: it is part of a stream, or is answered otherwise by an instance of its own.
    CannotBeWithheld,
}

/// A request in the middle of which its instance was killed, and which was sent again.
#[derive(Clone, Debug)]
pub(crate) struct Resend {
    pub(crate) request: Step,
    pub(crate) resent: Resent,
}

/// What became of a request that was sent again.
#[derive(Clone, Debug)]
pub(crate) enum Resent {
    /// It was done once, and answered as if nothing had happened.
    Safe,
    /// Its work was done when the instance was killed, and then once more, as this request shows at this place.
    DoneTwice { seen_at: Box<Step>, place: String },
    /// Its work was done once; sent again it was answered otherwise: with this status, or with other header fields.
    AnsweredOtherwise { with: String },
    /// Killed halfway, it left part of its work, as this request shows.
    HalfDone { seen_at: Box<Step>, place: String },
    /// The budget ended before.
    NotTried,
}

/// One attack that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttackRun {
    /// Its name: "amnesia".
    pub(crate) name: &'static str,
    /// What it covered: "each of 31 requests on an instance that had served nothing".
    pub(crate) covers: String,
}

impl Coverage {
    /// Notes what an acquittal says less about than it seems to.
    pub(crate) fn limit(&mut self, what: &str) {
        self.not_covered.insert(self.limits, what.to_owned());
        self.limits += 1;
    }
}

/// State that is trapped in an instance.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) kind: FindingKind,
    /// What it does to users.
    pub(crate) harm: Harm,
    /// The request that kept state in its own instance; several where it takes all of them together; none where there is
    /// nothing to be kept.
    pub(crate) writers: Vec<Step>,
    /// The request that could not see it.
    pub(crate) reader: Step,
    /// Equal requests right before the reader, as a driver polls: they shared its instance in each experiment.
    pub(crate) polled: Vec<Step>,
    /// The request whose answer shows that the reader could not see it, where the reader's own answer does not.
    pub(crate) seen_at: Option<Step>,
    /// What the reader (or the request that shows it) got where the writer's instance served it, and what it got elsewhere.
    pub(crate) deviations: Vec<Deviation>,
    /// Reader and writer on one instance, nothing else changed: as the baseline so often, out of so many.
    pub(crate) together: (usize, usize),
    /// On two instances: as the baseline so often, out of so many.
    pub(crate) apart: (usize, usize),
    /// The attack that showed it.
    pub(crate) attack: String,
    /// How long after the write the reader still got an old copy, as far as that was measured.
    pub(crate) age: Option<Age>,
    /// What sticky routing does about it, as far as that was tried.
    pub(crate) sticky: Option<Sticky>,
    /// Files that the writer's instance wrote to its private disk.
    pub(crate) files: Vec<PathBuf>,
    /// How the reader's instance ended, where it died by itself.
    pub(crate) ended: Option<String>,
    /// The last lines of the reader's instance.
    pub(crate) last_lines: Vec<String>,
    /// What was tried to tell where the state is.
    pub(crate) controls: Vec<ControlTrial>,
    /// Whether what is shared changed while the writer was answered; `None` where nobody looked.
    pub(crate) stored: Option<bool>,
    /// The whole story apart (the failing one) and together (the sound one), for the diagrams.
    pub(crate) failing: Vec<Step>,
    pub(crate) sound: Vec<Step>,
    /// Further requests that could not see it.
    pub(crate) also: Vec<Step>,
}

impl Finding {
    /// Of an attack that is judged by itself: wrong in so many runs of it, and in none of as many others. Nobody left anything behind.
    pub(crate) fn of_an_attack(
        kind: FindingKind,
        harm: Harm,
        (attack, times): (&str, usize),
        reader: Step,
        deviation: Deviation,
    ) -> Finding {
        Finding {
            kind,
            harm,
            writers: Vec::new(),
            reader,
            polled: Vec::new(),
            seen_at: None,
            deviations: vec![deviation],
            together: (times, times),
            apart: (0, times),
            attack: attack.to_owned(),
            age: None,
            sticky: None,
            files: Vec::new(),
            ended: None,
            last_lines: Vec::new(),
            controls: Vec::new(),
            stored: None,
            failing: Vec::new(),
            sound: Vec::new(),
            also: Vec::new(),
        }
    }
}

/// What becomes of a finding where each client stays with one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sticky {
    /// It is not seen while all instances live.
    pub(crate) hidden: bool,
    /// So many clients got other answers once the writer's instance was killed, of so many; at least, where the driver stopped at the
    /// first of them.
    pub(crate) affected: usize,
    pub(crate) clients: usize,
}

/// How old a copy may be: it was still there so long after the write, and gone so long after it; `None`: it stayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age {
    pub(crate) still: Duration,
    pub(crate) gone: Option<Duration>,
}

/// What is wrong, as far as it can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FindingKind {
    /// A later request did not see what an earlier one wrote.
    Trapped,
    /// It would have seen it, if all instances had one disk.
    LocalFile,
    /// Instances that live see it, wherever it was written; it is gone with them.
    Replicated,
    /// An instance says that it is ready, and answers otherwise than a while later.
    NotReady,
    /// A live instance went on with an old copy.
    Stale,
    /// Two things got one identifier.
    Collision,
    /// An answer was given before what it acknowledged was stored.
    AnsweredTooEarly,
    /// An answer sends clients to one instance.
    NamesItself,
    /// Requests in flight at once on several instances disturb each other; one after another they do not.
    Race,
    /// An instance cannot start beside another.
    OneAtATime,
    /// Instances that start at once disturb each other; one after another they start.
    StartRace,
    /// Instances that start at once on an empty store differ in what they made of it.
    ColdStart,
    /// An instance that is asked to end (SIGTERM) takes away what others need; one that is killed does not.
    RemovedAtEnd,
    /// Each instance counts for a limit by itself: several let more pass than one.
    LimitPerInstance,
    /// The old version beside the new one refuses what either does alone.
    Skew,
    /// Several clients at once succeed on one instance, and not on two.
    Crowd,
    /// A request that may be sent again, by its method or its key, does its work once more.
    DoneTwice,
}

/// Runs that tell kinds of findings apart: as those apart, but for one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ControlTrial {
    pub(crate) condition: Condition,
    /// As the baseline so often, out of so many.
    pub(crate) right: usize,
    pub(crate) runs: usize,
}

impl ControlTrial {
    pub(crate) fn went_right(&self) -> bool {
        self.right == self.runs
    }
}

/// What is changed in a control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// All instances have one disk.
    OneDisk,
    /// The reader's instance has been ready for a while.
    ReadyForLonger,
    /// The writer's instance is killed only after a pause.
    KilledLater,
    /// Both instances live all the time.
    Live,
}

/// What a finding does to users, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Harm {
    /// What was written is not there.
    DataLost,
    /// What is refused undisturbed is served.
    FailsOpen,
    /// What is served undisturbed is refused, as to somebody who is not logged in.
    LoggedOut,
    /// There is an error, half an answer, or none.
    NotServed,
    /// Another answer, with nothing missing.
    WrongAnswer,
    /// Another number.
    WrongNumber,
    /// Nothing that a client acts on.
    Cosmetic,
}

/// One exchange of a finding.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// As in the baseline, from 1.
    pub(crate) number: usize,
    pub(crate) exchange: Exchange,
}

/// A deviation that counts for nothing: it did not hold, or nothing healed it.
#[derive(Clone, Debug)]
pub(crate) struct NotJudged {
    pub(crate) step: Step,
    pub(crate) deviations: Vec<Deviation>,
    /// "there in 2 of 3 runs"; "there in 3 of 3 runs, and no earlier request's instance heals it".
    pub(crate) why: String,
    /// It is there in all runs of the attack.
    pub(crate) holds: bool,
    /// How the instance that served it ended, where it died by itself.
    pub(crate) ended: Option<String>,
    /// The last lines of the instance that served it, where it failed (5xx).
    pub(crate) last_lines: Vec<String>,
}

/// A place that the user told us not to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ignored {
    pub(crate) place: String,
    pub(crate) reason: String,
    /// How often it would have been a difference.
    pub(crate) times: usize,
}
