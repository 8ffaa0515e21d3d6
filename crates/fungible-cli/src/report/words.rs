//! The sentences of reports: what a finding is, and what helps. They claim no more than the experiment has shown.

use super::plain::shortened;
use super::view::{
    AgeView, AnswerView, AnsweredBy, AttackView, CarriedView, DifferenceView, LossView, LossWord, ResendView,
    ResendWord, StepView, VerdictView, VerdictWord,
};
use crate::prove::FindingKind;

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
fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] if items.len() <= 4 => format!("{} and {last}", all.join(", ")),
        some => format!("{} and {} more", some[..3].join(", "), some.len() - 3),
    }
}

/// What happened, and where it is seen if not at the reader.
pub(super) fn summary(
    kind: FindingKind,
    writers: &[StepView],
    (polled, reader): (&[StepView], &StepView),
    seen_at: Option<&StepView>,
    age: Option<&AgeView>,
) -> String {
    let missed: Vec<StepView> = polled.iter().chain([reader]).cloned().collect();
    let mut text = happened(kind, writers, &requests(&missed));
    if let Some(step) = seen_at {
        text.push_str(&[", as seen at ", &request(step)].concat());
    }
    if let Some(age) = age {
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

fn happened(kind: FindingKind, writers: &[StepView], missed: &str) -> String {
    let left = (!writers.is_empty()).then(|| requests(writers));
    let theirs = if writers.len() > 1 { "their" } else { "its" };
    match (kind, left) {
        (FindingKind::Trapped, Some(kept)) => {
            format!("{kept} kept state only in {theirs} own instance; {missed}, on another, could not see it")
        }
        (FindingKind::Trapped, None) => {
            format!("{missed} could not see state that earlier requests kept only in their own instance")
        }
        (FindingKind::Stale, Some(changed)) => {
            format!("{changed} changed data; {missed}, on another instance, got a stale copy of it")
        }
        (FindingKind::Stale, None) => format!("{missed} got a stale copy of data that an earlier request had changed"),
        (FindingKind::Collision, Some(first)) => {
            format!("{first} and {missed} got the same identifier for two different things, from two instances")
        }
        (FindingKind::Collision, None) => format!("{missed} got an identifier that was already in use"),
        (FindingKind::AnsweredTooEarly, Some(early)) => {
            let was = if writers.len() > 1 { "were" } else { "was" };
            format!(
                "{early} {was} answered before the write was stored; the instance died, and {missed} could not read it"
            )
        }
        (FindingKind::AnsweredTooEarly, None) => {
            format!("{missed} could not read a write that had been answered before it was stored")
        }
        (FindingKind::NamesItself, _) => format!("the answer to {missed} sends clients to one instance"),
        (FindingKind::Race, disturbed) => {
            let disturbed = disturbed.unwrap_or_else(|| "requests".to_owned());
            format!("{disturbed}, in flight at once on several instances, disturbed each other, as seen at {missed}")
        }
        (FindingKind::StartRace, _) => {
            "instances that start at the same moment disturb each other: one of them does not start".to_owned()
        }
        (FindingKind::ColdStart, _) => format!(
            "instances that start at the same moment, on an empty store, end up with different state, as seen at {missed}"
        ),
        (FindingKind::RemovedAtEnd, Some(kept)) => {
            format!(
                "an instance that ends by SIGTERM takes away what {kept} left and {missed} needs; one that is killed does not"
            )
        }
        (FindingKind::RemovedAtEnd, None) => {
            format!("an instance that ends by SIGTERM takes away what {missed} needs; one that is killed does not")
        }
        (FindingKind::LimitPerInstance, _) => {
            format!(
                "each instance counts for a limit by itself: {missed} is refused later on three instances than on one"
            )
        }
        (FindingKind::Skew, _) => {
            format!(
                "with the old version beside the new one {missed} goes wrong; where all instances are of one version it does not"
            )
        }
        (FindingKind::Crowd, _) => "three clients at once succeed on one instance, and not on two".to_owned(),
        (FindingKind::OneAtATime, _) => {
            "an instance does not start while another one runs, or after one was killed".to_owned()
        }
    }
}

/// What helps.
pub(super) fn remedy(
    kind: FindingKind,
    writers: &[StepView],
    reader: &StepView,
    (files, differences): (&[String], &[DifferenceView]),
) -> String {
    match kind {
        FindingKind::Trapped if is_limit(differences) => {
            "each instance counts for itself (a rate limit, a number of attempts): count in the shared store"
                .to_owned()
        }
        FindingKind::Trapped if is_count(writers, reader, differences) => {
            "each request adds to it: if it is a counter of the app, count in the shared store; if it is a figure about \
             the process, leave it out with [[prove.ignore]] in fungible.toml"
                .to_owned()
        }
        FindingKind::Trapped => trapped(writers, reader, telling(files)),
        FindingKind::Stale => "read it from the shared store at each request, or let a change reach every instance; a \
                               time limit on the copy only makes the gap shorter"
            .to_owned(),
        FindingKind::Collision => "let the shared store assign identifiers, or use random ones of at least 122 bits \
                                   (a UUID)"
            .to_owned(),
        FindingKind::AnsweredTooEarly => "answer only when the shared store has confirmed the write".to_owned(),
        FindingKind::NamesItself => "build addresses from the Host of the request or from one public address in the \
                                     configuration, never from the instance's own address"
            .to_owned(),
        FindingKind::Race => "a lock inside the process does not reach the other instances: make the change in one step \
                              of the shared store (a transaction, an atomic update, a unique key), or take a lock there"
            .to_owned(),
        FindingKind::StartRace => "prepare the shared store in a step of its own before the instances start, or under a \
                                   lock in the store for which the others wait"
            .to_owned(),
        FindingKind::ColdStart => "create what all instances share (keys, tables, defaults) in one atomic step: insert it only \
                                   where it is missing and then read it back, or do it before the first instance starts"
            .to_owned(),
        FindingKind::RemovedAtEnd => "look at what the app does when it ends (a handler of SIGTERM, atexit, finally, defer): \
                                      it may remove only what is its own, not what other instances share"
            .to_owned(),
        FindingKind::LimitPerInstance => "count in the shared store, for all instances together".to_owned(),
        FindingKind::Skew => "let both versions accept what either gives to clients (ids of actions, tokens, forms, paths of files), and \
                              remove the old way only in the release after"
            .to_owned(),
        FindingKind::Crowd => "look for what clients have in common inside the process: messages from one to another, locks, \
                               counters. Pass messages on through the shared store, or a broker, to all instances"
            .to_owned(),
        FindingKind::OneAtATime => {
            "look for what only one process can hold: a lock, a pid file that a killed process \
                                    leaves behind, a database that one process opens exclusively"
                .to_owned()
        }
    }
}

fn trapped(writers: &[StepView], reader: &StepView, files: &[String]) -> String {
    let mut cookies: Vec<String> = tied(writers, reader).into_iter().map(|one| one.name.clone()).collect();
    cookies.dedup();
    let they = if writers.len() > 1 { "they" } else { "it" };
    let given = (!cookies.is_empty())
        .then(|| format!("{they} gave the client {}, which #{} carries", listed(&cookies), reader.number));
    let wrote = (!files.is_empty()).then(|| format!("its instance wrote {}", listed(files)));
    match (given, wrote) {
        (Some(given), Some(wrote)) => {
            format!("{given}, and {wrote}: keep sessions in a shared store, on a shared path, or in a signed token")
        }
        (Some(given), None) => format!(
            "{given}: keep sessions in a shared store or in a signed token, and give all instances the same keys"
        ),
        (None, Some(wrote)) => {
            format!("{wrote}: if the missing state is in there, share that path or use a shared store")
        }
        (None, None) => {
            "keep it in a shared store, or let the request carry it; a key that each instance generates for itself \
                         is such state, too"
                .to_owned()
        }
    }
}

/// What the writers gave to the client and the reader carries, the most likely cause first: a CSRF token is seldom what
/// is missing.
pub(super) fn tied<'a>(writers: &[StepView], reader: &'a StepView) -> Vec<&'a CarriedView> {
    let sets = || writers.iter().flat_map(|writer| &writer.sets).filter(|set| !set.value.is_empty());
    let same = |carried: &&CarriedView| sets().any(|set| set == *carried);
    let named = |carried: &&CarriedView| sets().any(|set| set.name == carried.name);
    let mut tied: Vec<&CarriedView> = reader.carries.iter().filter(same).collect();
    if tied.is_empty() {
        tied = reader.carries.iter().filter(named).collect();
    }
    tied.sort_by_key(|one| is_of_forms(&one.name));
    tied
}

/// Whether it is a CSRF token, by its name.
pub(super) fn is_of_forms(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("csrf") || name.contains("xsrf")
}

/// Whether the difference is that of a rate limit.
fn is_limit(differences: &[DifferenceView]) -> bool {
    let too_many =
        differences.iter().any(|one| one.place == "status" && [&*one.baseline, &*one.attack].contains(&"429"));
    let counts = |one: &DifferenceView| {
        let name = one.place.strip_prefix("header ").unwrap_or_default().to_ascii_lowercase();
        name.contains("ratelimit") || name.contains("rate-limit")
    };
    too_many || (!differences.is_empty() && differences.iter().all(counts))
}

/// Whether the differences are numbers to which every earlier request contributes.
fn is_count(writers: &[StepView], reader: &StepView, differences: &[DifferenceView]) -> bool {
    let is_number = |text: &str| text.parse::<f64>().is_ok();
    let numbers = differences.iter().filter(|one| one.place != "status");
    let mut numbers = numbers.map(|one| is_number(&one.baseline) && is_number(&one.attack)).peekable();
    writers.len() > 2 && writers.len() + 1 == reader.number && numbers.peek().is_some() && numbers.all(|is| is)
}

/// The value of a file as evidence: hidden files come later, logs and caches of tools last.
pub(super) fn worth(file: &str) -> u8 {
    const TOOLS: &[&str] = &["_logs", "_cacache", "__pycache__", ".npm", ".cache", ".yarn", ".vite"];
    let of_a_tool = file.split('/').any(|part| TOOLS.contains(&part));
    let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending);
    match () {
        () if of_a_tool || ["log", "pyc"].contains(&ending) => 2,
        () if file.contains("/.") => 1,
        () => 0,
    }
}

/// Of files that are sorted by [`worth`], those that may contain the missing state.
pub(super) fn telling(files: &[String]) -> &[String] {
    match files.iter().position(|file| worth(file) == 2) {
        Some(first) if first > 0 => &files[..first],
        _ => files,
    }
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
    let health = if failed { "with --health PATH an instance must answer before it gets traffic; " } else { "" };
    format!(
        "this is no verdict on the app: no request was found to be the cause, so it may be chance, time or a race. Run \
         again; {health}exclude what need not be equal with [[prove.ignore]] in fungible.toml"
    )
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
