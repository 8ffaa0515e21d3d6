//! What reports show of a verdict, with secrets hidden and control characters spelt out: every text in here is safe to
//! print. As JSON it is what `docs/verdict.schema.json` describes.

use serde::Serialize;

use super::redact::{Redactor, is_readable, is_secret_header};
use super::{plain, words};
use crate::exchange::{Headers, Outcome};
use crate::prove::{Difference, Finding, Outcome as Judgement, Step, Unstable, Verdict};

#[derive(Debug, Serialize)]
pub(super) struct View {
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

impl View {
    pub(super) fn new(verdict: &Verdict) -> View {
        let mut safe = Safe { redactor: Redactor::new(verdict) };
        let (findings, reasons) = match &verdict.outcome {
            Judgement::Fungible => (&[][..], &[][..]),
            Judgement::NotFungible(findings) => (&findings[..], &[][..]),
            Judgement::NotShown(reasons) => (&[][..], &reasons[..]),
        };
        View {
            schema_version: 1,
            verdict: verdict.word(),
            requests: verdict.requests,
            writes: verdict.writes,
            runs: verdict.runs,
            starts: verdict.starts,
            milliseconds: u64::try_from(verdict.took.as_millis()).unwrap_or(u64::MAX),
            findings: findings.iter().map(|finding| safe.finding(finding)).collect(),
            reasons: safe.texts(reasons),
            driver_lines: safe.texts(&verdict.driver_lines),
            unstable: verdict.unstable.iter().map(|one| safe.unstable(one)).collect(),
            command: safe.text(&verdict.command),
            drive: safe.text(&verdict.drive),
            covered: CoverageView {
                attacks: safe.texts(&verdict.covered.attacks),
                control: verdict.covered.control.as_deref().map(|control| safe.text(control)),
                not_covered: safe.texts(&verdict.covered.not_covered),
                limits: if verdict.outcome.is_acquittal() { verdict.covered.limits } else { 0 },
                notes: safe.texts(&verdict.covered.notes),
            },
            ignored: verdict
                .ignored
                .iter()
                .map(|one| IgnoredView {
                    place: safe.text(&one.place),
                    reason: safe.text(&one.reason),
                    times: one.times,
                })
                .collect(),
            labels: verdict
                .labels
                .iter()
                .map(|(place, values)| LabelView {
                    place: safe.text(place),
                    values: values.iter().map(|value| safe.at(place, value)).collect(),
                })
                .collect(),
            masks: verdict
                .masks
                .iter()
                .map(|(place, compared)| MaskView { place: safe.text(place), compared: safe.text(compared) })
                .collect(),
            renaming: verdict
                .renaming
                .iter()
                .map(|(reference, attack)| RenamingView {
                    reference: safe.minted(reference),
                    attack: safe.minted(attack),
                })
                .collect(),
        }
    }
}

impl View {
    /// What an acquittal says less about than it seems to, to be told first.
    pub(super) fn limits(&self) -> &[String] {
        &self.covered.not_covered[..self.covered.limits]
    }

    /// All but the [`View::limits`].
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

/// Makes texts safe to show.
struct Safe {
    redactor: Redactor,
}

impl Safe {
    fn text(&mut self, text: &str) -> String {
        self.at("", text)
    }

    fn texts(&mut self, texts: &[String]) -> Vec<String> {
        texts.iter().map(|text| self.text(text)).collect()
    }

    fn at(&mut self, place: &str, text: &str) -> String {
        plain::line(&self.redactor.at(place, &plain::without_colours(text)))
    }

    fn minted(&mut self, text: &str) -> String {
        plain::line(&self.redactor.minted(&plain::without_colours(text)))
    }

    fn finding(&mut self, finding: &Finding) -> FindingView {
        let writers = self.steps(&finding.writers);
        let reader = self.step(&finding.reader);
        let mut files: Vec<String> = finding.files.iter().map(|file| self.text(&file.to_string_lossy())).collect();
        files.sort_by_key(|file| words::worth(file));
        let differences = self.differences(&finding.differences);
        FindingView {
            kind: words::key(finding.kind),
            summary: words::summary(finding.kind, &writers, &reader),
            remedy: words::remedy(finding.kind, &writers, &reader, (&files, &differences)),
            attack: self.text(&finding.attack),
            writers,
            reader,
            together: trial(finding.together),
            apart: trial(finding.apart),
            differences,
            files,
            last_lines: self.texts(&finding.last_lines),
            failing: self.steps(&finding.failing),
            sound: self.steps(&finding.sound),
            also: self.steps(&finding.also),
        }
    }

    fn unstable(&mut self, unstable: &Unstable) -> UnstableView {
        UnstableView {
            step: self.step(&unstable.step),
            differences: self.differences(&unstable.differences),
            why: self.text(&unstable.why),
            last_lines: self.texts(&unstable.last_lines),
        }
    }

    fn differences(&mut self, differences: &[Difference]) -> Vec<DifferenceView> {
        differences
            .iter()
            .map(|one| DifferenceView {
                place: self.text(&one.place),
                reference: self.at(&one.place, &one.reference),
                attack: self.at(&one.place, &one.attack),
            })
            .collect()
    }

    fn steps(&mut self, steps: &[Step]) -> Vec<StepView> {
        steps.iter().map(|step| self.step(step)).collect()
    }

    fn step(&mut self, step: &Step) -> StepView {
        let exchange = &step.exchange;
        let (answer, sets) = match &exchange.outcome {
            Outcome::Answered { status, headers, complete, .. } => {
                let (complete, left) = (*complete, exchange.left && !*complete);
                let answer = AnswerView { from: "instance", status: Some(*status), complete, left, reason: None };
                (answer, self.carried(headers))
            }
            Outcome::Ours { status, reason } | Outcome::Failed { status, reason } => {
                let reason = Some(self.text(reason));
                (
                    AnswerView { from: "balancer", status: Some(*status), complete: true, left: false, reason },
                    Vec::new(),
                )
            }
            Outcome::Abandoned => {
                (AnswerView { from: "nobody", status: None, complete: false, left: true, reason: None }, Vec::new())
            }
        };
        StepView {
            number: step.number,
            method: self.text(&exchange.request.method),
            target: self.text(&exchange.request.target),
            instance: exchange.instance.as_deref().map(|name| self.text(name)),
            answer,
            carries: self.carried(&exchange.request.headers),
            sets,
        }
    }

    /// The cookies among the fields, and the other fields that hold secrets.
    fn carried(&mut self, headers: &Headers) -> Vec<CarriedView> {
        let mut carried = Vec::new();
        for (name, value) in headers {
            let pairs = match name.as_str() {
                "cookie" => usize::MAX,
                "set-cookie" => 1,
                _ if is_secret_header(name) && !is_readable(name, value) => 0,
                _ => continue,
            };
            // Hidden as a whole first: what looks like two cookies may be one secret.
            let shown = self.at(&format!("header {name}"), &String::from_utf8_lossy(value));
            if pairs == 0 {
                carried.push(CarriedView { name: self.text(name), value: shown });
                continue;
            }
            for (cookie, value) in shown.split(';').take(pairs).filter_map(|pair| pair.split_once('=')) {
                carried.push(CarriedView { name: cookie.trim().to_owned(), value: value.trim().to_owned() });
            }
        }
        carried
    }
}

fn trial((as_reference, runs): (usize, usize)) -> TrialView {
    TrialView { runs, as_reference }
}
