//! The verdict from what was found out, and why nothing can be said, or no acquittal is possible though nothing was found:
//! each reason a sentence.

use std::time::Instant;

use super::baselines::Baselines;
use super::investigate::Proof;
use super::journal::{DriverEnd, Journal};
use super::lab::ProveError;
use super::parse::path_and_query;
use super::plan::{Attack, Plan};
use super::results::Results;
use super::verdict::{Judgement, Loss, Step, Verdict, WriteLoss};
use crate::exchange::{Exchange, NOT_REACHED, Outcome};

/// The verdict; `reasons`: why nothing can be said.
pub(super) fn verdict(proof: Proof<'_, '_>, began: Instant, reasons: Vec<String>) -> Verdict {
    let Proof { lab, baselines, results, .. } = proof;
    let failed = baselines.journals().find(|one| how_it_failed(one).is_some());
    let driver_lines = failed.map(|one| one.driver_lines.clone()).unwrap_or_default();
    let crash = baselines.journals().find_map(Journal::crash);
    let app_lines = crash.map(|(instance, _)| instance.last_lines.clone()).unwrap_or_default();
    let mut findings = results.findings;
    findings.sort_by_key(|one| one.harm);
    let judgement = match (findings, reasons) {
        (_, reasons) if crash.is_some() => Judgement::NotShown(reasons),
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
    for what in &unnoticed {
        covered.limit(what);
    }
    let left_out: Vec<&str> =
        Attack::usual().into_iter().filter(|one| !lab.plan().tries(*one)).map(Attack::name).collect();
    if !lab.plan().stale_bound.is_zero() {
        let bound = lab.plan().stale_bound.as_secs_f32();
        covered.limit(&format!(
            "old copies on other live instances, up to {bound} s after a write: accepted by --stale-bound"
        ));
    }
    if !left_out.is_empty() {
        covered.limit(&format!("{}: left out by --attacks", left_out.join(", ")));
    }
    let unasked: Vec<&str> = Attack::ALL
        .into_iter()
        .filter(|one| one.must_be_asked_for() && !lab.plan().tries(*one))
        .map(Attack::covers)
        .collect();
    if !unasked.is_empty() {
        covered.not_covered.push(format!("{}: tried only where that is asked for", unasked.join(", ")));
    }
    if matches!(judgement, Judgement::NotFungible(_)) {
        let hidden = if results.hides_more {
            "what comes after the first finding"
        } else {
            "what later attacks would show: after a finding they are not tried"
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
        app_lines,
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

/// An app that dies on an undisturbed instance crashes by itself: what it would have answered after that nobody knows.
pub(super) fn crashed(baselines: &Baselines) -> Option<String> {
    let (journal, (instance, end)) = baselines.journals().find_map(|one| Some((one, one.crash()?)))?;
    let got = |one: &&Exchange| one.instance.as_ref() == Some(&instance.name) && one.arrived <= end.at;
    let reached = |one: &&Exchange| !matches!(&one.outcome, Outcome::Failed { reason, .. } if reason == NOT_REACHED);
    // What was in flight ends with the app.
    let last = journal.exchanges.iter().filter(got).filter(reached).max_by_key(|one| one.ended);
    let at = match last {
        Some(one) if one.broke_off() => format!("on {}", name_of(one)),
        Some(one) => format!("after {}", name_of(one)),
        None => "before it got a request".to_owned(),
    };
    Some(format!("the app died ({}) {at} in an undisturbed run; fix it first, then run again", end.how))
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
            let request = name_of(&baselines.step(Some(one.exchange)).exchange);
            format!(
                "{request}: {}; where the driver checks it by itself, leave it out by [[prove.ignore]] in fungible.toml",
                one.reason
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
    first
        .filter(|_| strict)
        .map(|one| format!("the loss of {} would go unnoticed (--strict)", name_of(&one.write.exchange)))
}

/// What the driver should ask for, so that the loss of this write would be noticed.
fn read_back(write: &Step) -> String {
    let request = &write.exchange.request;
    let path = path_and_query(&request.target).0;
    let operation = request.operation().map_or_else(String::new, |one| format!(" {}", one.name));
    let ends_a_login = ["logout", "log-out", "log_out", "signout", "sign-out", "sign_out", "logoff"]
        .iter()
        .any(|word| format!("{path}{operation}").to_ascii_lowercase().contains(word));
    let ask = if ends_a_login { "a page that needs the login" } else { "what it changed" };
    let (number, method) = (write.number, &request.method);
    format!("the loss of #{number} {method} {path}{operation}: read its effect back, after it ask for {ask}")
}

/// `#3 POST /login`
fn name_of(exchange: &Exchange) -> String {
    format!("#{} {}", exchange.number, exchange.request.name())
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::exchange::{Body, Request};
    use crate::prove::journal::{InstanceEnd, InstanceRecord};

    /// Exchanges with one instance, one each 10 ms, which died after so many milliseconds.
    fn died(after: u64, outcomes: &[Outcome]) -> Option<String> {
        let exchanges = (1_u64..).zip(outcomes).map(|(nth, outcome)| Exchange {
            number: usize::try_from(nth).unwrap(),
            connection: 1,
            instance: Some("one".to_owned()),
            arrived: Duration::from_millis(10 * nth),
            ended: Duration::from_millis(10 * nth + 5),
            request: Request {
                method: "POST".to_owned(),
                target: format!("/{nth}"),
                headers: Vec::new(),
                body: Body::Kept(Bytes::new()),
            },
            outcome: outcome.clone(),
            left: false,
            frames: Vec::new(),
            again: None,
        });
        let one = InstanceRecord {
            name: "one".to_owned(),
            port: 41_000,
            pids: Vec::new(),
            host_name: "one".to_owned(),
            started: Duration::ZERO,
            ready: Some(Duration::ZERO),
            killed: None,
            files: Vec::new(),
            ended: Some(InstanceEnd { at: Duration::from_millis(after), how: "SIGSEGV".to_owned() }),
            last_lines: Vec::new(),
        };
        let journal = Journal { exchanges: exchanges.collect(), instances: vec![one], ..Journal::empty() };
        crashed(&Baselines::new(journal, Vec::new()))
    }

    #[test]
    fn a_crash_is_told_by_the_request_that_the_app_died_on() {
        let answered =
            Outcome::Answered { status: 200, headers: Vec::new(), body: Body::Kept(Bytes::new()), complete: true };
        let failed = |reason: &str| Outcome::Failed { status: 502, reason: reason.to_owned() };
        let (broke_off, not_reached) = (failed("broke-off"), failed(NOT_REACHED));
        let told =
            |at: &str| Some(format!("the app died (SIGSEGV) {at} in an undisturbed run; fix it first, then run again"));
        assert_eq!(died(26, &[answered.clone(), broke_off, not_reached.clone()]), told("on #2 POST /2"));
        // Its end is noticed a moment after it.
        assert_eq!(died(32, &[answered.clone(), answered.clone(), not_reached]), told("after #2 POST /2"));
        assert_eq!(died(17, &[answered.clone(), answered]), told("after #1 POST /1"));
        assert_eq!(died(5, &[]), told("before it got a request"));
    }
}
