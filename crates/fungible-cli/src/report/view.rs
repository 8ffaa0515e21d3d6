//! The content of a report: a verdict with secrets hidden and control characters escaped. Every text in it is safe to
//! print. As JSON it is described by `docs/verdict.schema.json`.

use std::fmt::{self, Display, Formatter};

use serde::{Serialize, Serializer};

/// A whole report.
#[derive(Debug, Serialize)]
pub(super) struct VerdictView {
    pub(super) schema_version: u32,
    pub(super) verdict: VerdictWord,
    /// Requests of the baseline.
    pub(super) requests: usize,
    /// How many of them may have changed something.
    pub(super) writes: usize,
    /// Runs of the traffic in total.
    pub(super) runs: usize,
    /// Processes of the app that were started in total.
    pub(super) starts: usize,
    /// How long the proof took.
    pub(super) milliseconds: u64,
    /// The command that starts an instance.
    pub(super) command: String,
    /// The command that drives the traffic.
    pub(super) drive: String,
    pub(super) findings: Vec<FindingView>,
    pub(super) reasons: Vec<ReasonView>,
    /// The last lines that the driver printed, if it fails on one undisturbed instance.
    pub(super) driver_lines: Vec<String>,
    /// The last lines that the app printed, if it dies on one undisturbed instance.
    pub(super) app_lines: Vec<String>,
    pub(super) unstable: Vec<UnstableView>,
    pub(super) covered: CoverageView,
    pub(super) ignored: Vec<IgnoredView>,
    pub(super) labels: Vec<LabelView>,
    pub(super) masks: Vec<MaskView>,
    pub(super) renaming: Vec<RenamingView>,
}

/// The verdict in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum VerdictWord {
    #[serde(rename = "FUNGIBLE")]
    Fungible,
    #[serde(rename = "NOT FUNGIBLE")]
    NotFungible,
    #[serde(rename = "NOT SHOWN")]
    NotShown,
}

/// Why no verdict is possible.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct ReasonView {
    pub(super) text: String,
    /// The index in `unstable` of the difference that is the reason.
    #[serde(skip)]
    pub(super) unstable: Option<usize>,
}

/// What was tried, and what was not.
#[derive(Debug, Serialize)]
pub(super) struct CoverageView {
    pub(super) attacks: Vec<AttackView>,
    /// For each request that writes: whether its loss would be noticed.
    pub(super) losses: Vec<LossView>,
    /// For each request that is not safe: what becomes of it when its instance is killed and it is sent again.
    pub(super) resends: Vec<ResendView>,
    /// The most important first.
    pub(super) not_covered: Vec<String>,
    /// How many of `not_covered` restrict what FUNGIBLE means.
    #[serde(skip)]
    pub(super) limits: usize,
    /// What else is worth knowing, such as a disk that is not private.
    pub(super) notes: Vec<String>,
}

/// Whether the loss of a write would be noticed.
#[derive(Debug, Serialize)]
pub(super) struct LossView {
    pub(super) write: StepView,
    pub(super) loss: LossWord,
    /// The later request that deviates.
    pub(super) noticed_by: Option<StepView>,
    /// Where it deviates.
    pub(super) place: Option<String>,
    /// How the effect of the write was withheld: in the last of these ways, where it was noticed.
    pub(super) ways: Vec<WayView>,
}

/// What became of a request whose instance was killed in the middle of it, and which was sent again.
#[derive(Debug, Serialize)]
pub(super) struct ResendView {
    pub(super) request: StepView,
    pub(super) outcome: ResendWord,
    /// The request that shows it.
    pub(super) seen_at: Option<StepView>,
    /// Where it shows.
    pub(super) place: Option<String>,
    /// What is other in its answer: the status, or the header fields.
    pub(super) with: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ResendWord {
    Safe,
    DoneTwice,
    AnsweredOtherwise,
    HalfDone,
    NotTried,
}

/// What became of a write whose effect is withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LossWord {
    Noticed,
    Unnoticed,
    NotTried,
    CannotBeWithheld,
}

/// How the effect of a write was withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WayView {
    Fork,
    Recorded,
    Replaced,
}

/// An attack that was carried out, printed as `name: covers`.
#[derive(Debug)]
pub(super) struct AttackView {
    pub(super) name: &'static str,
    pub(super) covers: String,
}

impl Display for AttackView {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.covers)
    }
}

impl Serialize for AttackView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A finding with its evidence.
#[derive(Debug, Serialize)]
pub(super) struct FindingView {
    pub(super) kind: KindView,
    /// The state is on the disk of the instance: where all have one disk, nothing is trapped.
    pub(super) local_file: bool,
    /// What it does to users.
    pub(super) harm: HarmView,
    /// What happened, in one sentence.
    pub(super) summary: String,
    /// What helps.
    pub(super) remedy: String,
    /// The attack that showed it.
    pub(super) attack: String,
    pub(super) writers: Vec<StepView>,
    pub(super) reader: StepView,
    /// Equal requests right before the reader that shared its instance in each experiment.
    pub(super) polled: Vec<StepView>,
    /// The request whose answer differs, if it is not that of the reader.
    pub(super) seen_at: Option<StepView>,
    /// How long an old copy was still there, and when it was gone, in milliseconds after the write; null if that was not measured.
    pub(super) age: Option<AgeView>,
    /// What becomes of it where each client stays with one instance; `None`: not tried.
    pub(super) sticky: Option<StickyView>,
    /// Runs with writer and reader on one instance.
    pub(super) together: TrialView,
    /// Runs with writer and reader on two instances.
    pub(super) apart: TrialView,
    /// Further runs that tell where the state is, each as those apart but for one condition.
    pub(super) controls: Vec<ControlView>,
    /// Whether shared files changed while the writer was answered, if that was watched.
    pub(super) stored: Option<bool>,
    pub(super) differences: Vec<DifferenceView>,
    /// Files that the instance of the writer wrote, those of most value first.
    pub(super) files: Vec<String>,
    /// How the instance of the reader ended, if it died by itself.
    pub(super) ended: Option<String>,
    /// The last lines of the instance of the reader.
    pub(super) last_lines: Vec<String>,
    /// All requests of a run apart.
    pub(super) failing: Vec<StepView>,
    /// All requests of a run together.
    pub(super) sound: Vec<StepView>,
    /// Other requests with the same finding.
    pub(super) also: Vec<StepView>,
}

/// What sticky routing does about a finding.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct StickyView {
    /// It is not seen while all instances live.
    pub(super) hidden: bool,
    /// So many of the clients got other answers once the writer's instance was killed.
    pub(super) affected_clients: usize,
    pub(super) clients: usize,
}

/// How old a copy may be, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct AgeView {
    pub(super) still_there_after_ms: u64,
    pub(super) gone_after_ms: Option<u64>,
}

/// The kind of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum KindView {
    Trapped,
    /// Trapped as well; [`FindingView::local_file`] says where.
    #[serde(rename = "trapped")]
    LocalFile,
    Replicated,
    NotReady,
    Stale,
    Collision,
    AnsweredTooEarly,
    NamesItself,
    Race,
    OneAtATime,
    StartRace,
    ColdStart,
    RemovedAtEnd,
    LimitPerInstance,
    Skew,
    Crowd,
    DoneTwice,
}

/// What a finding does to users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum HarmView {
    DataLost,
    FailsOpen,
    LoggedOut,
    NotServed,
    WrongAnswer,
    WrongNumber,
    Cosmetic,
}

/// Runs under another condition.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct ControlView {
    pub(super) condition: ConditionView,
    pub(super) runs: usize,
    /// In how many of these runs the reader was answered as in the baseline.
    pub(super) as_baseline: usize,
}

/// What is different in a control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ConditionView {
    OneDisk,
    ReadyForLonger,
    KilledLater,
    Live,
}

/// The result of one experiment.
#[derive(Clone, Debug, Serialize)]
pub(super) struct TrialView {
    pub(super) runs: usize,
    /// In how many of these runs the reader was answered as in the baseline.
    pub(super) as_baseline: usize,
}

/// A request with its response.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StepView {
    /// Its number in the baseline, from 1.
    pub(super) number: usize,
    pub(super) method: String,
    pub(super) target: String,
    /// What it asks for, if its method and target do not say it: `tools/call append_insight`, `mutation addTask`.
    pub(super) operation: Option<String>,
    /// No client sent it: the proof asked an instance again what an earlier request had asked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) again: bool,
    /// The instance that got it, if one did.
    pub(super) instance: Option<String>,
    pub(super) answer: AnswerView,
    /// Cookies and other secrets that the request carries, by name.
    pub(super) carries: Vec<CarriedView>,
    /// Those that the response gives to the client.
    pub(super) sets: Vec<CarriedView>,
}

impl StepView {
    /// Whether both are the same request of the traffic, or the same asked again.
    pub(super) fn is_same(&self, other: &StepView) -> bool {
        self.number == other.number && self.again == other.again
    }
}

/// What the client got.
#[derive(Clone, Debug, Serialize)]
pub(super) struct AnswerView {
    pub(super) from: AnsweredBy,
    pub(super) status: Option<u16>,
    pub(super) complete: bool,
    /// The client disconnected before the end.
    pub(super) left: bool,
    /// Why the balancer answered by itself.
    pub(super) reason: Option<String>,
}

/// Who answered a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AnsweredBy {
    Instance,
    Balancer,
    /// The client disconnected before there was a response.
    Nobody,
}

/// A cookie or a header field that contains a secret; its value is hidden.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct CarriedView {
    pub(super) name: String,
    pub(super) value: String,
}

/// A place where two responses differ.
#[derive(Debug, Serialize)]
pub(super) struct DifferenceView {
    pub(super) place: String,
    /// The value in the baseline, or in the response that this one contradicts.
    pub(super) baseline: String,
    pub(super) attack: String,
    /// Two responses of one run contradict each other.
    #[serde(skip)]
    pub(super) is_contradiction: bool,
}

/// A difference that is not judged.
#[derive(Debug, Serialize)]
pub(super) struct UnstableView {
    pub(super) step: StepView,
    pub(super) differences: Vec<DifferenceView>,
    /// Why it is not judged.
    pub(super) why: String,
    /// How the instance that served it ended, if it died by itself.
    pub(super) ended: Option<String>,
    /// The last lines of the instance that served it, if it failed (5xx).
    pub(super) last_lines: Vec<String>,
}

/// A place that the user excluded.
#[derive(Debug, Serialize)]
pub(super) struct IgnoredView {
    pub(super) place: String,
    pub(super) reason: String,
    /// How often it would have been a difference.
    pub(super) times: usize,
}

/// Values that differ from instance to instance, which are not judged.
#[derive(Debug, Serialize)]
pub(super) struct LabelView {
    pub(super) place: String,
    pub(super) values: Vec<String>,
}

/// A place that differs between baselines.
#[derive(Debug, Serialize)]
pub(super) struct MaskView {
    pub(super) place: String,
    /// How it is compared.
    pub(super) compared: String,
}

/// A value of the baseline, and its counterpart in the last attack.
#[derive(Debug, Serialize)]
pub(super) struct RenamingView {
    pub(super) baseline: String,
    pub(super) attack: String,
}

impl FindingView {
    /// The request whose answer differs.
    pub(super) fn shown_by(&self) -> &StepView {
        self.seen_at.as_ref().unwrap_or(&self.reader)
    }
}

impl VerdictView {
    /// Restrictions on FUNGIBLE, which are shown first.
    pub(super) fn limits(&self) -> &[String] {
        &self.covered.not_covered[..self.covered.limits]
    }

    /// What else was not covered.
    pub(super) fn not_covered(&self) -> &[String] {
        &self.covered.not_covered[self.covered.limits..]
    }

    /// The difference that is not judged and that is this reason.
    pub(super) fn unstable_of(&self, reason: &ReasonView) -> Option<&UnstableView> {
        self.unstable.get(reason.unstable?)
    }

    /// The differences that are not judged and are no reason.
    pub(super) fn other_unstable(&self) -> Vec<&UnstableView> {
        let is_reason = |place: usize| self.reasons.iter().any(|reason| reason.unstable == Some(place));
        self.unstable.iter().enumerate().filter(|(place, _)| !is_reason(*place)).map(|(_, one)| one).collect()
    }
}
