//! Turns a verdict into a view that is safe to display: hides secrets and escapes control characters, once for all
//! output formats.

use std::time::Duration;

use super::clues::clues;
use super::redact::{Redactor, is_readable, is_secret_header};
use super::view::{
    AgeView, AnswerView, AnsweredBy, AttackView, CarriedView, ConditionView, ControlView, CoverageView, DifferenceView,
    FindingView, HarmView, IgnoredView, KindView, LabelView, LossView, LossWord, MaskView, ReasonView, RenamingView,
    ResendView, ResendWord, StepView, StickyView, TrialView, UnstableView, VerdictView, VerdictWord, WayView,
};
use super::{advice, plain, words};
use crate::exchange::{Headers, Outcome};
use crate::prove::{
    Age, AttackRun, Condition, ControlTrial, Deviation, DeviationKind, Finding, FindingKind, Harm, Judgement, Loss,
    NotJudged, Resend, Resent, Step, Verdict, Way, WriteLoss,
};

pub(super) fn view_of(verdict: &Verdict) -> VerdictView {
    let mut safe = Safe { redactor: Redactor::new(verdict) };
    let (word, findings, reasons) = match &verdict.judgement {
        Judgement::Fungible => (VerdictWord::Fungible, &[][..], &[][..]),
        Judgement::NotFungible(findings) => (VerdictWord::NotFungible, &findings[..], &[][..]),
        Judgement::NotShown(reasons) => (VerdictWord::NotShown, &[][..], &reasons[..]),
    };
    let unstable: Vec<UnstableView> = verdict.not_judged.iter().map(|one| safe.unstable(one)).collect();
    VerdictView {
        schema_version: 1,
        verdict: word,
        requests: verdict.requests,
        writes: verdict.writes,
        runs: verdict.runs,
        starts: verdict.starts,
        milliseconds: u64::try_from(verdict.took.as_millis()).unwrap_or(u64::MAX),
        findings: findings.iter().map(|finding| safe.finding(finding)).collect(),
        reasons: reasons_of(safe.texts(reasons), &unstable, word),
        driver_lines: safe.texts(&verdict.driver_lines),
        app_lines: safe.texts(&verdict.app_lines),
        unstable,
        command: safe.text(&verdict.command),
        drive: safe.text(&verdict.drive),
        covered: CoverageView {
            attacks: verdict.covered.attacks.iter().map(|one| safe.attack(one)).collect(),
            losses: verdict.covered.losses.iter().map(|one| safe.loss(one)).collect(),
            resends: verdict.covered.resends.iter().map(|one| safe.resend(one)).collect(),
            not_covered: safe.texts(&verdict.covered.not_covered),
            limits: if verdict.judgement.is_acquittal() { verdict.covered.limits } else { 0 },
            notes: safe.texts(&verdict.covered.notes),
        },
        ignored: verdict
            .ignored
            .iter()
            .map(|one| IgnoredView { place: safe.text(&one.place), reason: safe.text(&one.reason), times: one.times })
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
            .map(|(baseline, attack)| RenamingView { baseline: safe.minted(baseline), attack: safe.minted(attack) })
            .collect(),
    }
}

/// These reasons and, if there is no verdict, the differences that are not judged.
fn reasons_of(texts: Vec<String>, unstable: &[UnstableView], word: VerdictWord) -> Vec<ReasonView> {
    let unstable = if word == VerdictWord::NotShown { unstable } else { &[] };
    let differences = unstable
        .iter()
        .enumerate()
        .map(|(place, one)| ReasonView { text: words::differs(&one.step, &one.why), unstable: Some(place) });
    texts.into_iter().map(|text| ReasonView { text, unstable: None }).chain(differences).collect()
}

/// Makes texts safe to display.
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

    fn attack(&mut self, attack: &AttackRun) -> AttackView {
        AttackView { name: attack.name, covers: self.text(&attack.covers) }
    }

    fn loss(&mut self, of: &WriteLoss) -> LossView {
        let (loss, noticed, ways) = match &of.loss {
            Loss::Noticed { reader, place, way } => (LossWord::Noticed, Some((reader, place)), vec![*way]),
            Loss::Unnoticed { ways } => (LossWord::Unnoticed, None, ways.clone()),
            Loss::NotTried => (LossWord::NotTried, None, Vec::new()),
            Loss::CannotBeWithheld => (LossWord::CannotBeWithheld, None, Vec::new()),
        };
        LossView {
            write: self.step(&of.write),
            loss,
            noticed_by: noticed.map(|(reader, _)| self.step(reader)),
            place: noticed.map(|(_, place)| self.text(place)),
            ways: ways.into_iter().map(way_of).collect(),
        }
    }

    fn resend(&mut self, of: &Resend) -> ResendView {
        let (outcome, seen, with) = match &of.resent {
            Resent::Safe => (ResendWord::Safe, None, None),
            Resent::DoneTwice { seen_at, place } => (ResendWord::DoneTwice, Some((seen_at, place)), None),
            Resent::AnsweredOtherwise { with } => (ResendWord::AnsweredOtherwise, None, Some(with)),
            Resent::HalfDone { seen_at, place } => (ResendWord::HalfDone, Some((seen_at, place)), None),
            Resent::NotTried => (ResendWord::NotTried, None, None),
        };
        ResendView {
            request: self.step(&of.request),
            outcome,
            seen_at: seen.map(|(step, _)| self.step(step)),
            place: seen.map(|(_, place)| self.text(place)),
            with: with.map(|with| self.text(with)),
        }
    }

    fn finding(&mut self, finding: &Finding) -> FindingView {
        let writers = self.steps(&finding.writers);
        let reader = self.step(&finding.reader);
        let polled = self.steps(&finding.polled);
        let seen_at = finding.seen_at.as_ref().map(|step| self.step(step));
        let mut files: Vec<String> = finding.files.iter().map(|file| self.text(&file.to_string_lossy())).collect();
        files.sort_by_key(|file| advice::worth(file));
        let differences = self.differences(&finding.deviations);
        let mut view = FindingView {
            kind: kind_of(finding.kind),
            local_file: finding.kind == FindingKind::LocalFile,
            harm: harm_of(finding.harm),
            summary: String::new(),
            remedy: String::new(),
            attack: self.text(&finding.attack),
            writers,
            reader,
            polled,
            seen_at,
            age: finding.age.map(age_of),
            sticky: finding.sticky.map(|one| StickyView {
                hidden: one.hidden,
                affected_clients: one.affected,
                clients: one.clients,
            }),
            together: trial(finding.together),
            apart: trial(finding.apart),
            controls: finding.controls.iter().map(control_of).collect(),
            stored: finding.stored,
            differences,
            files,
            ended: finding.ended.as_deref().map(|how| self.text(how)),
            last_lines: self.texts(&finding.last_lines),
            failing: self.steps(&finding.failing),
            sound: self.steps(&finding.sound),
            also: self.steps(&finding.also),
        };
        view.summary = words::summary(&view);
        view.remedy = advice::remedy(&view, clues(&finding.reader.exchange.request));
        view
    }

    fn unstable(&mut self, unstable: &NotJudged) -> UnstableView {
        UnstableView {
            step: self.step(&unstable.step),
            differences: self.differences(&unstable.deviations),
            why: self.text(&unstable.why),
            ended: unstable.ended.as_deref().map(|how| self.text(how)),
            last_lines: self.texts(&unstable.last_lines),
        }
    }

    fn differences(&mut self, differences: &[Deviation]) -> Vec<DifferenceView> {
        differences
            .iter()
            .map(|one| {
                let baseline = self.at(&one.place, &one.baseline);
                DifferenceView {
                    place: self.text(&one.place),
                    baseline: match one.kind {
                        DeviationKind::Unequal { shown_at } => format!("{baseline} (as #{shown_at} shows)"),
                        DeviationKind::Repeats { shown_at } => format!("(not what #{shown_at} shows)"),
                        _ => baseline,
                    },
                    attack: self.at(&one.place, &one.attack),
                    is_contradiction: one.kind.contradicts().is_some(),
                }
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
                let answer =
                    AnswerView { from: AnsweredBy::Instance, status: Some(*status), complete, left, reason: None };
                (answer, self.carried(headers))
            }
            Outcome::Ours { status, reason } | Outcome::Failed { status, reason } => {
                let reason = Some(self.text(reason));
                (
                    AnswerView {
                        from: AnsweredBy::Balancer,
                        status: Some(*status),
                        complete: true,
                        left: false,
                        reason,
                    },
                    Vec::new(),
                )
            }
            Outcome::Abandoned => (
                AnswerView { from: AnsweredBy::Nobody, status: None, complete: false, left: true, reason: None },
                Vec::new(),
            ),
        };
        StepView {
            number: step.number,
            method: self.text(&exchange.request.method),
            target: self.text(&exchange.request.target),
            operation: exchange.request.operation().map(|operation| self.text(&operation.name)),
            again: exchange.again.is_some(),
            instance: exchange.instance.as_deref().map(|name| self.text(name)),
            answer,
            carries: self.carried(&exchange.request.headers),
            sets,
        }
    }

    /// The cookies among the header fields, and the other fields that contain secrets.
    fn carried(&mut self, headers: &Headers) -> Vec<CarriedView> {
        let mut carried = Vec::new();
        for (name, value) in headers {
            let pairs = match name.as_str() {
                "cookie" => usize::MAX,
                "set-cookie" => 1,
                _ if is_secret_header(name) && !is_readable(name, value) => 0,
                _ => continue,
            };
            // The whole field is redacted first: what looks like two cookies may be one secret.
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

fn way_of(way: Way) -> WayView {
    match way {
        Way::Fork => WayView::Fork,
        Way::Recorded => WayView::Recorded,
        Way::Replaced => WayView::Replaced,
    }
}

fn kind_of(kind: FindingKind) -> KindView {
    match kind {
        FindingKind::Trapped => KindView::Trapped,
        FindingKind::LocalFile => KindView::LocalFile,
        FindingKind::Replicated => KindView::Replicated,
        FindingKind::NotReady => KindView::NotReady,
        FindingKind::Stale => KindView::Stale,
        FindingKind::Collision => KindView::Collision,
        FindingKind::AnsweredTooEarly => KindView::AnsweredTooEarly,
        FindingKind::NamesItself => KindView::NamesItself,
        FindingKind::Race => KindView::Race,
        FindingKind::OneAtATime => KindView::OneAtATime,
        FindingKind::StartRace => KindView::StartRace,
        FindingKind::ColdStart => KindView::ColdStart,
        FindingKind::RemovedAtEnd => KindView::RemovedAtEnd,
        FindingKind::LimitPerInstance => KindView::LimitPerInstance,
        FindingKind::Skew => KindView::Skew,
        FindingKind::Crowd => KindView::Crowd,
        FindingKind::DoneTwice => KindView::DoneTwice,
    }
}

fn age_of(age: Age) -> AgeView {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    AgeView { still_there_after_ms: milliseconds(age.still), gone_after_ms: age.gone.map(milliseconds) }
}

fn harm_of(harm: Harm) -> HarmView {
    match harm {
        Harm::DataLost => HarmView::DataLost,
        Harm::FailsOpen => HarmView::FailsOpen,
        Harm::LoggedOut => HarmView::LoggedOut,
        Harm::NotServed => HarmView::NotServed,
        Harm::WrongAnswer => HarmView::WrongAnswer,
        Harm::WrongNumber => HarmView::WrongNumber,
        Harm::Cosmetic => HarmView::Cosmetic,
    }
}

fn control_of(control: &ControlTrial) -> ControlView {
    let condition = match control.condition {
        Condition::OneDisk => ConditionView::OneDisk,
        Condition::ReadyForLonger => ConditionView::ReadyForLonger,
        Condition::KilledLater => ConditionView::KilledLater,
        Condition::Live => ConditionView::Live,
    };
    ControlView { condition, runs: control.runs, as_baseline: control.right }
}

fn trial((as_baseline, runs): (usize, usize)) -> TrialView {
    TrialView { runs, as_baseline }
}
