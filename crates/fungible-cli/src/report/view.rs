//! What reports show of a verdict, with secrets hidden and control characters spelt out: every text in here is safe to
//! print. As JSON it is what `docs/verdict.schema.json` describes.

use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct VerdictView {
    pub(super) schema_version: u32,
    pub(super) verdict: &'static str,
    pub(super) requests: usize,
    pub(super) writes: usize,
    pub(super) runs: usize,
    pub(super) starts: usize,
    pub(super) milliseconds: u64,
    pub(super) command: String,
    pub(super) drive: String,
    pub(super) findings: Vec<FindingView>,
    /// Why it could not be told.
    pub(super) reasons: Vec<String>,
    /// The last lines that the driver printed, where it fails on one instance left in peace.
    pub(super) driver_lines: Vec<String>,
    pub(super) unstable: Vec<UnstableView>,
    pub(super) covered: CoverageView,
    pub(super) ignored: Vec<IgnoredView>,
    pub(super) labels: Vec<LabelView>,
    pub(super) masks: Vec<MaskView>,
    pub(super) renaming: Vec<RenamingView>,
}

#[derive(Debug, Serialize)]
pub(super) struct CoverageView {
    pub(super) attacks: Vec<String>,
    pub(super) control: Option<String>,
    pub(super) not_covered: Vec<String>,
    #[serde(skip)]
    pub(super) limits: usize,
    pub(super) notes: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct FindingView {
    pub(super) kind: &'static str,
    pub(super) summary: String,
    pub(super) remedy: String,
    pub(super) attack: String,
    pub(super) writers: Vec<StepView>,
    pub(super) reader: StepView,
    pub(super) together: TrialView,
    pub(super) apart: TrialView,
    pub(super) differences: Vec<DifferenceView>,
    pub(super) files: Vec<String>,
    pub(super) last_lines: Vec<String>,
    pub(super) failing: Vec<StepView>,
    pub(super) sound: Vec<StepView>,
    pub(super) also: Vec<StepView>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct TrialView {
    pub(super) runs: usize,
    pub(super) as_reference: usize,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct StepView {
    pub(super) number: usize,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) instance: Option<String>,
    pub(super) answer: AnswerView,
    /// Cookies and other secrets of the client that the request carries, by name.
    pub(super) carries: Vec<CarriedView>,
    /// Those that the answer gives to the client.
    pub(super) sets: Vec<CarriedView>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct AnswerView {
    /// `instance`, `balancer` or `nobody`.
    pub(super) from: &'static str,
    pub(super) status: Option<u16>,
    pub(super) complete: bool,
    /// The client hung up before the end.
    pub(super) left: bool,
    /// Why the balancer answered by itself.
    pub(super) reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct CarriedView {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Debug, Serialize)]
pub(super) struct DifferenceView {
    pub(super) place: String,
    pub(super) reference: String,
    pub(super) attack: String,
}

#[derive(Debug, Serialize)]
pub(super) struct UnstableView {
    pub(super) step: StepView,
    pub(super) differences: Vec<DifferenceView>,
    pub(super) why: String,
    pub(super) last_lines: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct IgnoredView {
    pub(super) place: String,
    pub(super) reason: String,
    pub(super) times: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct LabelView {
    pub(super) place: String,
    pub(super) values: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct MaskView {
    pub(super) place: String,
    pub(super) compared: String,
}

#[derive(Debug, Serialize)]
pub(super) struct RenamingView {
    pub(super) reference: String,
    pub(super) attack: String,
}

impl VerdictView {
    /// What an acquittal says less about than it seems to, to be told first.
    pub(super) fn limits(&self) -> &[String] {
        &self.covered.not_covered[..self.covered.limits]
    }

    /// All but the [`VerdictView::limits`].
    pub(super) fn not_covered(&self) -> &[String] {
        &self.covered.not_covered[self.covered.limits..]
    }

    /// The evidence for a reason that speaks of a difference which is not judged.
    pub(super) fn unstable_of(&self, reason: &str) -> Option<&UnstableView> {
        self.unstable.iter().find(|one| one.is_meant_by(reason))
    }

    /// What no reason speaks of.
    pub(super) fn other_unstable(&self) -> Vec<&UnstableView> {
        let meant = |one: &UnstableView| self.reasons.iter().any(|reason| one.is_meant_by(reason));
        self.unstable.iter().filter(|one| !meant(one)).collect()
    }
}

impl UnstableView {
    fn is_meant_by(&self, reason: &str) -> bool {
        reason.starts_with(&format!("#{} ", self.step.number)) && reason.ends_with(&self.why)
    }
}
