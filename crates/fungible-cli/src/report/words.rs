//! The sentences of reports, such as what a finding is. They claim no more than the experiment has shown.

use super::plain::shortened;
use super::view::{
    AgeView, AnswerView, AnsweredBy, AttackView, ConditionView, ControlView, DifferenceView, FindingView, HarmView,
    KindView, LossView, LossWord, ResendView, ResendWord, StepView, StickyView, VerdictView, VerdictWord,
};

/// The verdict as it is printed.
pub(super) fn verdict(word: VerdictWord) -> &'static str {
    match word {
        VerdictWord::Fungible => "FUNGIBLE",
        VerdictWord::NotFungible => "NOT FUNGIBLE",
        VerdictWord::NotShown => "NOT SHOWN",
    }
}

/// `#3 POST /login`, `#2 POST /mcp tools/list`, with long parts shortened.
pub(super) fn request(step: &StepView) -> String {
    let operation = step.operation.as_ref().map_or_else(String::new, |name| format!(" {}", shortened(name, 48)));
    let again = if step.again { ", asked again" } else { "" };
    format!("#{} {} {}{operation}{again}", step.number, shortened(&step.method, 16), shortened(&step.target, 48))
}

/// `#3 POST /login differs, there in 2 of 3 runs`
pub(super) fn differs(step: &StepView, why: &str) -> String {
    let operation = step.operation.as_ref().map_or_else(String::new, |name| format!(" {name}"));
    format!("#{} {} {}{operation} differs, {why}", step.number, step.method, step.target)
}

/// `the loss of 6 of 7 writes would be noticed; not: #4 POST /logout`; nothing where nothing was tried.
pub(super) fn losses(losses: &[LossView]) -> Option<String> {
    if losses.iter().all(|one| one.loss == LossWord::NotTried) {
        return None;
    }
    let of = |word: LossWord| -> Vec<StepView> {
        losses.iter().filter(|one| one.loss == word).map(|one| one.write.clone()).collect()
    };
    let noticed = of(LossWord::Noticed).len();
    let mut text = format!("the loss of {noticed} of {} would be noticed", count(losses.len(), "write"));
    for (word, what) in [
        (LossWord::Unnoticed, "not"),
        (LossWord::NotTried, "not tried, as the budget ended"),
        (LossWord::CannotBeWithheld, "cannot be tried, as the effect of the request cannot be withheld"),
    ] {
        let writes = of(word);
        if !writes.is_empty() {
            text.push_str(&["; ", what, ": ", &requests(&writes)].concat());
        }
    }
    Some(text)
}

/// `mid-kill: 5 of 7 requests are safe to send again after a crash; not: #3 POST /orders (done twice, seen at #5 GET /orders)`; nothing where
/// nothing was tried.
pub(super) fn resends(resends: &[ResendView]) -> Option<String> {
    let tried = resends.iter().filter(|one| one.outcome != ResendWord::NotTried).count();
    if tried == 0 {
        return None;
    }
    let safe = resends.iter().filter(|one| one.outcome == ResendWord::Safe).count();
    let mut text = format!("mid-kill: {safe} of {} safe to send again after a crash", are(resends.len(), "request"));
    let seen =
        |one: &ResendView| one.seen_at.as_ref().map_or_else(String::new, |step| format!(", seen at {}", request(step)));
    let why = |one: &ResendView| match one.outcome {
        ResendWord::DoneTwice => Some(format!("done twice{}", seen(one))),
        ResendWord::HalfDone => Some(format!("half done{}", seen(one))),
        ResendWord::AnsweredOtherwise => Some(format!("answered with {}", one.with.as_deref().unwrap_or_default())),
        ResendWord::Safe | ResendWord::NotTried => None,
    };
    let unsafe_ones = resends.iter().filter_map(|one| Some(format!("{} ({})", request(&one.request), why(one)?)));
    let unsafe_ones: Vec<String> = unsafe_ones.collect();
    if !unsafe_ones.is_empty() {
        text.push_str(&["; not: ", &listed(&unsafe_ones)].concat());
    }
    let left: Vec<StepView> =
        resends.iter().filter(|one| one.outcome == ResendWord::NotTried).map(|one| one.request.clone()).collect();
    if !left.is_empty() {
        text.push_str(&["; not tried: ", &requests(&left)].concat());
    }
    Some(text)
}

/// `1 request is`, `7 requests are`
fn are(number: usize, what: &str) -> String {
    format!("{} {}", count(number, what), if number == 1 { "is" } else { "are" })
}

/// `#1 to #5 POST /login and #7 GET /cart`: equal requests are combined.
pub(super) fn requests(steps: &[StepView]) -> String {
    let mut kinds: Vec<Vec<&StepView>> = Vec::new();
    for step in steps {
        let name = |step: &'_ StepView| (step.method.clone(), step.target.clone(), step.operation.clone(), step.again);
        let same = |kind: &&mut Vec<&StepView>| name(kind[0]) == name(step);
        match kinds.iter_mut().find(same) {
            Some(kind) => kind.push(step),
            None => kinds.push(vec![step]),
        }
    }
    let named = kinds.iter().map(|kind| {
        let numbers: Vec<usize> = kind.iter().map(|step| step.number).collect();
        let one = request(kind[0]);
        let rest = one.split_once(' ').map_or("", |(_, rest)| rest);
        format!("{} {rest}", ranges(&numbers))
    });
    listed(&named.collect::<Vec<String>>())
}

/// `#1 to #3, #5 and #7`
fn ranges(numbers: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == *number => *end = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let named = ranges.into_iter().flat_map(|(start, end)| match end - start {
        0 => vec![format!("#{start}")],
        1 => vec![format!("#{start}"), format!("#{end}")],
        _ => vec![format!("#{start} to #{end}")],
    });
    listed(&named.collect::<Vec<String>>())
}

/// `a, b and c`; of many the first three, and the number of the others.
pub(super) fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] if items.len() <= 4 => format!("{} and {last}", all.join(", ")),
        some => format!("{} and {} more", some[..3].join(", "), some.len() - 3),
    }
}

/// What happened, and where it is seen if not at the reader.
pub(super) fn summary(finding: &FindingView) -> String {
    let missed: Vec<StepView> = finding.polled.iter().chain([&finding.reader]).cloned().collect();
    let mut text = happened(finding, &requests(&missed));
    if let Some(step) = &finding.seen_at {
        text.push_str(&[", as seen at ", &request(step)].concat());
    }
    if let Some(age) = &finding.age {
        text.push_str(&["; ", &old_copy(age)].concat());
    }
    text
}

/// `the old copy was still there 1.0 s after the write, and gone after 2.0 s`
fn old_copy(age: &AgeView) -> String {
    let still = format!("still there {} after the write", duration(age.still_there_after_ms));
    match (age.still_there_after_ms, age.gone_after_ms) {
        (0, Some(gone)) => format!("the old copy was gone {} after the write", duration(gone)),
        (_, Some(gone)) => format!("the old copy was {still}, and gone after {}", duration(gone)),
        (_, None) => format!("the old copy was {still}"),
    }
}

/// `sticky routing hides it while all instances live; when the one with the state was killed, 1 of 2 clients got other answers`
pub(super) fn sticky(sticky: &StickyView) -> String {
    let hides = if sticky.hidden {
        "sticky routing hides it while all instances live"
    } else {
        "sticky routing does not hide it"
    };
    let affected = format!("{} of {}", sticky.affected_clients, count(sticky.clients, "client"));
    format!("{hides}; when the instance with the state was killed, {affected} got other answers")
}

/// Whether the reader does nothing worse than to contradict an earlier response.
pub(super) fn contradicts(differences: &[DifferenceView]) -> bool {
    let mut of_responses = differences.iter().filter(|one| one.place != DRIVER_EXIT).peekable();
    of_responses.peek().is_some() && of_responses.all(|one| one.is_contradiction)
}

fn happened(finding: &FindingView, missed: &str) -> String {
    let writers = &finding.writers;
    let left = (!writers.is_empty()).then(|| requests(writers));
    let many = writers.len() > 1;
    let theirs = if many { "their" } else { "its" };
    match (finding.kind, left) {
        (KindView::Trapped, Some(first)) if contradicts(&finding.differences) => {
            format!(
                "{first} and {missed}, answered by two instances, contradict each other; one instance does not do so"
            )
        }
        // It may be there, under a key that nobody else has.
        (KindView::Trapped, Some(left)) if finding.stored == Some(true) => {
            format!("{left} left something that only {theirs} own instance can use; {missed}, on another, could not")
        }
        (KindView::Trapped, Some(kept)) => {
            format!("{kept} kept state only in {theirs} own instance; {missed}, on another, could not see it")
        }
        (KindView::Trapped, None) => {
            format!("{missed} could not see state that earlier requests kept only in their own instance")
        }
        (KindView::LocalFile, kept) => {
            let kept = kept.unwrap_or_else(|| "earlier requests".to_owned());
            format!(
                "{kept} kept state only on the disk of {theirs} own instance; {missed}, on another, could not see it"
            )
        }
        (KindView::Replicated, kept) => {
            let kept = kept.unwrap_or_else(|| "earlier requests".to_owned());
            format!(
                "{kept} kept state that others see only while an instance lives that has it; it was killed, and {missed} \
                 could not see it"
            )
        }
        (KindView::NotReady, _) => {
            format!("an instance said that it was ready, and answered {missed} otherwise than a few seconds later")
        }
        (KindView::Stale, Some(changed)) => {
            format!("{changed} changed data; {missed}, on another instance, got a stale copy of it")
        }
        (KindView::Stale, None) => format!("{missed} got a stale copy of data that an earlier request had changed"),
        (KindView::Collision, Some(first)) => {
            format!("{first} and {missed} got the same identifier for two different things, from two instances")
        }
        (KindView::Collision, None) => format!("{missed} got an identifier that was already in use"),
        (KindView::AnsweredTooEarly, Some(early)) => {
            let was = if many { "were" } else { "was" };
            format!(
                "{early} {was} answered before the write was stored; the instance died, and {missed} could not read it"
            )
        }
        (KindView::AnsweredTooEarly, None) => {
            format!("{missed} could not read a write that had been answered before it was stored")
        }
        (KindView::NamesItself, _) => format!("the answer to {missed} sends clients to one instance"),
        (KindView::Race, disturbed) => {
            let disturbed = disturbed.unwrap_or_else(|| "requests".to_owned());
            format!("{disturbed}, in flight at once on several instances, disturbed each other, as seen at {missed}")
        }
        (KindView::StartRace, _) => {
            "instances that start at the same moment disturb each other: one of them does not start".to_owned()
        }
        (KindView::ColdStart, _) => format!(
            "instances that start at the same moment, on an empty store, end up with different state, as seen at {missed}"
        ),
        (KindView::RemovedAtEnd, Some(kept)) => {
            format!(
                "an instance that ends by SIGTERM takes away what {kept} left and {missed} needs; one that is killed does not"
            )
        }
        (KindView::RemovedAtEnd, None) => {
            format!("an instance that ends by SIGTERM takes away what {missed} needs; one that is killed does not")
        }
        (KindView::LimitPerInstance, _) => {
            format!(
                "each instance counts for a limit by itself: {missed} is refused later on three instances than on one"
            )
        }
        (KindView::Skew, _) => {
            format!(
                "with the old version beside the new one {missed} goes wrong; where all instances are of one version it does not"
            )
        }
        (KindView::DoneTwice, _) => {
            format!(
                "an instance was killed in the middle of {missed}, and the request was sent again: its work was done twice"
            )
        }
        (KindView::Crowd, _) => "three clients at once succeed on one instance, and not on two".to_owned(),
        (KindView::OneAtATime, _) => {
            "an instance does not start while another one runs, or after one was killed".to_owned()
        }
    }
}

/// What it does to users.
pub(super) fn harm(harm: HarmView) -> &'static str {
    match harm {
        HarmView::DataLost => "data lost",
        HarmView::FailsOpen => "security: fails open",
        HarmView::LoggedOut => "logged out, or refused",
        HarmView::NotServed => "not served",
        HarmView::WrongAnswer => "wrong answer",
        HarmView::WrongNumber => "wrong number",
        HarmView::Cosmetic => "cosmetic",
    }
}

/// `one disk for all instances: right (2/2); ready for longer: still wrong (1/1)`; nothing where nothing was tried.
pub(super) fn controls(controls: &[ControlView]) -> Option<String> {
    let tried: Vec<String> = controls
        .iter()
        .map(|one| {
            let condition = match one.condition {
                ConditionView::OneDisk => "one disk for all instances",
                ConditionView::ReadyForLonger => "an instance that has been ready for longer",
                ConditionView::KilledLater => "a pause before the kill",
                ConditionView::Live => "both instances alive all the time",
            };
            if one.as_baseline == one.runs {
                format!("{condition}: right ({}/{})", one.as_baseline, one.runs)
            } else {
                format!("{condition}: still wrong ({}/{})", one.runs - one.as_baseline, one.runs)
            }
        })
        .collect();
    (!tried.is_empty()).then(|| tried.join("; "))
}

/// The response in a few words.
pub(super) fn answer(answer: &AnswerView) -> String {
    match (answer.from, answer.status, &answer.reason) {
        (AnsweredBy::Balancer, Some(status), Some(reason)) => format!("{status} by the balancer: {reason}"),
        (_, Some(status), _) if answer.complete => status.to_string(),
        (_, Some(status), _) if answer.left => format!("{status}, client hung up"),
        (_, Some(status), _) => format!("{status}, cut short"),
        _ => "client gone".to_owned(),
    }
}

/// As [`answer`], without what the client did.
pub(super) fn status(given: &AnswerView) -> String {
    match given.status {
        Some(status) if given.left => status.to_string(),
        _ => answer(given),
    }
}

/// The attacks, with the passes of one attack combined.
pub(super) fn attacks(attacks: &[AttackView]) -> Vec<String> {
    let same = attacks.chunk_by(|one, other| one.name == other.name);
    same.map(|passes| match passes {
        [] => String::new(),
        [one] => one.to_string(),
        [first, ..] => format!("{}: {} passes, {}", first.name, passes.len(), first.covers),
    })
    .collect()
}

/// The headings of last lines.
pub(super) const LINES_OF_APP: &str = "last lines of the app:";
pub(super) const LINES_OF_DRIVER: &str = "last lines of the driver:";

/// That the instance of a request died.
pub(super) fn died(how: &str) -> String {
    format!("its instance died by itself: {how}")
}

/// The lines of a log that are not empty.
pub(super) fn told(lines: &[String]) -> Vec<&String> {
    lines.iter().filter(|line| !line.trim().is_empty()).collect()
}

/// What NOT SHOWN means, and what to do.
pub(super) fn no_verdict(view: &VerdictView) -> String {
    let all_unstable = view.reasons.iter().all(|reason| view.unstable_of(reason).is_some());
    if !all_unstable {
        return "this is no verdict on the app: fix what is named here, then run again".to_owned();
    }
    let failed = view.unstable.iter().any(|one| !one.last_lines.is_empty());
    let mut advice = vec!["Run again"];
    if failed {
        advice.push("with --health PATH an instance must answer before it gets traffic");
    }
    if !view.unstable.iter().any(|one| show_a_loss(&one.differences)) {
        advice.push("exclude what need not be equal with [[prove.ignore]] in fungible.toml");
    }
    format!(
        "this is no verdict on the app: no request was found to be the cause, so it may be chance, time or a race. {}",
        advice.join("; ")
    )
}

/// The place of a driver's end.
pub(super) const DRIVER_EXIT: &str = "driver exit code";

/// Whether a client missed something, or noticed that something was wrong: nobody should ignore that.
fn show_a_loss(differences: &[DifferenceView]) -> bool {
    differences.iter().any(|one| ["status", DRIVER_EXIT].contains(&&*one.place) || one.attack == "(absent)")
}

/// `1 request`, `2 requests`
pub(super) fn count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// `0.4 s`, `14 s`, `2 min 5 s`
pub(super) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..10_000 => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        10_000..120_000 => format!("{} s", milliseconds / 1000),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds / 1000 % 60),
    }
}
