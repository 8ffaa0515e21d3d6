//! The verdict from what was found out, and why nothing can be said, or no acquittal is possible though nothing was found:
//! each reason a sentence.

use std::time::Instant;

use super::baselines::Baselines;
use super::investigate::Proof;
use super::journal::{DriverEnd, Journal};
use super::lab::ProveError;
use super::parse::path_and_query;
use super::plan::Plan;
use super::results::Results;
use super::verdict::{Judgement, Loss, Step, Verdict, WriteLoss};
use crate::exchange::Request;

/// The verdict; `reasons`: why nothing can be said.
pub(super) fn verdict(proof: Proof<'_, '_>, began: Instant, reasons: Vec<String>) -> Verdict {
    let Proof { lab, baselines, results, .. } = proof;
    let failed = baselines.journals().find(|one| how_it_failed(one).is_some());
    let driver_lines = failed.map(|one| one.driver_lines.clone()).unwrap_or_default();
    let judgement = match (results.findings, reasons) {
        (findings, _) if !findings.is_empty() => Judgement::NotFungible(findings),
        (_, reasons) if !reasons.is_empty() || !results.not_judged.is_empty() => Judgement::NotShown(reasons),
        _ => Judgement::Fungible,
    };
    let mut covered = results.covered;
    if !lab.disk_is_private() {
        covered.limit(
            "what an instance keeps on the disk outside of its working directory, HOME and TMPDIR: without \
             namespaces all instances have that in common",
        );
    }
    covered.notes.extend(lab.notes());
    let unnoticed: Vec<String> = covered
        .losses
        .iter()
        .filter(|one| matches!(one.loss, Loss::Unnoticed { .. }))
        .map(|one| read_back(&one.write))
        .collect();
    unnoticed.iter().for_each(|what| covered.limit(what));
    covered.not_covered.extend(["what is done after a log-out on the other instances".to_owned()]);
    if matches!(judgement, Judgement::NotFungible(_)) {
        let hidden = if results.hides_more {
            "what comes after the first finding"
        } else {
            "what only live instances get wrong: after a finding, the rest of rotate is not tried"
        };
        covered.not_covered.push(hidden.to_owned());
    }
    Verdict {
        judgement,
        requests: baselines.model().exchanges().len(),
        writes: baselines.model().writes(),
        runs: lab.runs(),
        starts: lab.starts(),
        took: began.elapsed(),
        drive: lab.plan().drive.clone(),
        command: lab.plan().command(),
        covered,
        ignored: results.passed.ignored(baselines.ignores()),
        driver_lines,
        not_judged: results.not_judged,
        labels: results.passed.labels,
        masks: results.passed.masks,
        renaming: results.passed.renaming,
    }
}

/// Why the first baseline shows nothing at all.
///
/// # Errors
/// Where there is no driver.
pub(super) fn no_traffic(plan: &Plan, first: &Journal) -> Result<Option<String>, ProveError> {
    if first.exchanges.is_empty()
        && let Some(error) = ProveError::of_driver(&plan.drive, &first.driver, &first.driver_lines)
    {
        return Err(error);
    }
    let nothing = if first.exchanges.is_empty() {
        format!(", and none of its requests arrived at {}", first.address)
    } else {
        String::new()
    };
    Ok(match how_it_failed(first) {
        None if first.exchanges.is_empty() => Some(format!(
            "none of the driver's requests arrived at {}: it must use the address in BASE_URL (also in \
             FUNGIBLE_URL, for test runners that set BASE_URL themselves, as Vitest does)",
            first.address
        )),
        Some(how) if first.driver == DriverEnd::Hung => {
            let limit = plan.drive_limit.as_secs_f32();
            Some(format!("{how} within {limit} s (more time with --drive-limit){nothing}"))
        }
        Some(how) if first.exchanges.is_empty() => Some(format!("{how}{nothing}")),
        _ => None,
    })
}

/// Why the baselines cannot be compared with anything.
pub(super) fn unsteady_traffic(baselines: &Baselines) -> Option<String> {
    let mut journals = baselines.journals();
    let (first, last) = (journals.next()?, journals.next_back()?);
    if first.driver == last.driver {
        return None;
    }
    let how = how_it_failed(last).or_else(|| how_it_failed(first))?;
    Some(format!("{how} intermittently; fix it first, then run again"))
}

/// A driver that fails on one instance, too, can show what differs, but not that nothing does.
pub(super) fn fails_undisturbed(baselines: &Baselines) -> Option<String> {
    let how = how_it_failed(baselines.journals().next()?)?;
    Some(format!("{how}: what it would do after that was not tried; fix it first, then run again"))
}

/// Why no acquittal is possible although nothing was found, besides the deviations that were not judged.
pub(super) fn inconclusive(baselines: &Baselines, results: &Results, strict: bool) -> Vec<String> {
    let model = baselines.model();
    let mut reasons = results.reasons.clone();
    reasons.extend(fails_undisturbed(baselines));
    reasons.extend(nothing_noticed(baselines, results, strict));
    let unused = model.cookies_never_sent_back();
    if !unused.is_empty() {
        reasons.push(format!("the driver never sends back the cookie {}: let it keep its cookies", unused.join(", ")));
    }
    if !model.leftovers().is_empty() {
        reasons.push(
            "a run answered a value that an earlier run had made: the shared state was not fresh; use {run} in its \
             name, or --reset"
                .to_owned(),
        );
    }
    if model.writes() > 0 {
        reasons.extend(results.passed.not_compared.first().map(|one| {
            let request = &baselines.step(Some(one.exchange)).exchange.request;
            format!(
                "#{} {} {}: {}; where the driver checks it by itself, leave it out by [[prove.ignore]] in fungible.toml",
                one.exchange, request.method, request.target, one.reason
            )
        }));
    }
    reasons
}

/// Why a loss would not be noticed.
fn nothing_noticed(baselines: &Baselines, results: &Results, strict: bool) -> Option<String> {
    let model = baselines.model();
    let losses = &results.covered.losses;
    let of = |wanted: fn(&Loss) -> bool| -> Vec<&WriteLoss> { losses.iter().filter(|one| wanted(&one.loss)).collect() };
    let unnoticed = of(|loss| matches!(loss, Loss::Unnoticed { .. }));
    let noticed = losses.len() - of(|loss| !matches!(loss, Loss::Noticed { .. })).len();
    let not_tried = of(|loss| matches!(loss, Loss::NotTried)).len();
    if model.exchanges().len() == 1 {
        return Some("there is only one request: nothing is handed over from one instance to another".to_owned());
    }
    // What fails undisturbed, or was not judged, is a reason of its own.
    if !results.not_judged.is_empty() || fails_undisturbed(baselines).is_some() {
        return None;
    }
    let unread = "nothing that is written is ever read back: the loss of any write would go unnoticed; let the driver \
                  read back what it wrote";
    if losses.is_empty() {
        let idle = model.writes() == 0 && model.carried().is_empty();
        // Where the proof ended before, that is a reason of its own.
        return match (idle, results.reasons.is_empty()) {
            (true, _) => Some(
                "nothing is written and nothing is carried from one request to another: any instance could serve this \
                 traffic, whatever it traps"
                    .to_owned(),
            ),
            (false, true) => Some(unread.to_owned()),
            (false, false) => None,
        };
    }
    if noticed == 0 {
        return Some(match (unnoticed.len(), not_tried) {
            (0, 0) => "the effect of no write could be withheld, so it is not shown that a loss would be noticed: \
                       --share the paths where the app keeps its state"
                .to_owned(),
            (0, _) => "the budget ended before it was tried whether a loss would be noticed (more with --runs and \
                       --budget)"
                .to_owned(),
            _ => unread.to_owned(),
        });
    }
    let first =
        unnoticed.first().or(losses.iter().find(|one| !matches!(one.loss, Loss::Noticed { .. })).as_ref()).copied();
    first.filter(|_| strict).map(|one| {
        let request = &one.write.exchange.request;
        format!("the loss of #{} {} {} would go unnoticed (--strict)", one.write.number, request.method, request.target)
    })
}

/// What the driver should ask for, so that the loss of this write would be noticed.
fn read_back(write: &Step) -> String {
    let Request { method, target, .. } = &write.exchange.request;
    let path = path_and_query(target).0;
    let ends_a_login = ["logout", "log-out", "log_out", "signout", "sign-out", "sign_out", "logoff"]
        .iter()
        .any(|word| path.to_ascii_lowercase().contains(word));
    let ask = if ends_a_login { "a page that needs the login" } else { "what it changed" };
    format!("the loss of #{} {method} {path}: read its effect back, after it ask for {ask}", write.number)
}

/// How the driver failed, with the last line that it printed; `None` if it did not.
pub(super) fn how_it_failed(baseline: &Journal) -> Option<String> {
    let how = match &baseline.driver {
        DriverEnd::Exited(0) | DriverEnd::Stopped => return None,
        DriverEnd::Exited(code) => format!("ends with exit code {code}"),
        DriverEnd::Killed(signal) => format!("is ended by {signal}"),
        DriverEnd::Hung => "does not end".to_owned(),
    };
    Some(format!("the driver {how} on one instance that is left undisturbed"))
}
