//! What is said about each kind of finding: what happened in one sentence, and what helps in another. No more is
//! claimed than the experiment has shown.

use super::plain::shortened;
use super::view::{AnswerView, StepView};
use crate::prove::FindingKind;

/// As in the JSON.
pub(super) fn key(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Trapped => "trapped",
        FindingKind::Stale => "stale",
        FindingKind::Collision => "collision",
        FindingKind::AnsweredTooEarly => "answered_too_early",
        FindingKind::NamesItself => "names_itself",
        FindingKind::OneAtATime => "one_at_a_time",
    }
}

/// `#3 POST /login`, with a long target shortened.
pub(super) fn request(step: &StepView) -> String {
    format!("#{} {} {}", step.number, shortened(&step.method, 16), shortened(&step.target, 48))
}

/// What happened.
pub(super) fn summary(kind: FindingKind, writers: &[StepView], reader: &StepView) -> String {
    let missed = request(reader);
    let named: Vec<String> = writers.iter().take(3).map(request).collect();
    let left = match &named[..] {
        [] => None,
        [one] => Some(one.clone()),
        [all @ .., last] if writers.len() == named.len() => Some(format!("{} and {last}", all.join(", "))),
        some => Some(format!("{} and {} more", some.join(", "), writers.len() - some.len())),
    };
    let theirs = if named.len() > 1 { "their" } else { "its" };
    match (kind, left) {
        (FindingKind::Trapped, Some(left)) => format!("{left} left something in {theirs} instance; {missed} missed it"),
        (FindingKind::Trapped, None) => format!("{missed} missed what earlier requests had left in their instance"),
        (FindingKind::Stale, Some(changed)) => {
            format!("{changed} changed something; {missed} got an old copy from another instance")
        }
        (FindingKind::Stale, None) => format!("{missed} got an old copy of what an earlier request had changed"),
        (FindingKind::Collision, Some(first)) => {
            format!("{first} and {missed} got one identifier for two things from two instances")
        }
        (FindingKind::Collision, None) => format!("{missed} got an identifier that something else already had"),
        (FindingKind::AnsweredTooEarly, Some(early)) => {
            format!("{early} was answered before what it acknowledged was stored; {missed} missed it")
        }
        (FindingKind::AnsweredTooEarly, None) => {
            format!("{missed} missed what had been acknowledged: the answer came before it was stored")
        }
        (FindingKind::NamesItself, _) => format!("the answer to {missed} sends clients to one instance"),
        (FindingKind::OneAtATime, _) => "an instance does not start where another lives, or was killed".to_owned(),
    }
}

/// What helps.
pub(super) fn remedy(kind: FindingKind, writers: &[StepView], reader: &StepView, files: &[String]) -> String {
    match kind {
        FindingKind::Trapped => trapped(writers, reader, files),
        FindingKind::Stale => "read it from the shared store at each request, or let a change reach every instance; a \
                               time limit on the copy only makes the gap shorter"
            .to_owned(),
        FindingKind::Collision => "let the shared store give out identifiers, or make random ones of 122 bits and \
                                   more (a UUID)"
            .to_owned(),
        FindingKind::AnsweredTooEarly => "answer only when the shared store has confirmed the write".to_owned(),
        FindingKind::NamesItself => "build addresses from the Host of the request or from one public address in the \
                                     configuration, never from the instance's own address"
            .to_owned(),
        FindingKind::OneAtATime => {
            "look for what only one process can have: a lock, a pid file that a killed one leaves \
                                    behind, a database that one process opens alone"
                .to_owned()
        }
    }
}

fn trapped(writers: &[StepView], reader: &StepView, files: &[String]) -> String {
    let given = writers.iter().find_map(|writer| {
        let back = |set: &&super::view::CarriedView| reader.carries.iter().any(|carried| carried.name == set.name);
        let set = writer.sets.iter().filter(|set| !set.value.is_empty()).find(back)?;
        Some(format!("it gave the client {}, which #{} carries", set.name, reader.number))
    });
    let wrote = files.split_first().map(|(first, others)| {
        let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        format!("its instance wrote {first}{more}")
    });
    match (given, wrote) {
        (Some(given), Some(wrote)) => {
            format!("{given}, and {wrote}: keep sessions in a shared store, on a shared path, or in a signed token")
        }
        (Some(given), None) => format!(
            "{given}: keep sessions in a shared store or in a signed token, and give all instances the same keys"
        ),
        (None, Some(wrote)) => {
            format!("{wrote}: if what is missed stands there, share that path or use a shared store")
        }
        (None, None) => {
            "keep it in a shared store, or let the request carry it; a key that an instance makes for itself \
                         counts too"
                .to_owned()
        }
    }
}

/// What came back, in a few words.
pub(super) fn answer(answer: &AnswerView) -> String {
    match (answer.from, answer.status, &answer.reason) {
        ("balancer", Some(status), Some(reason)) => format!("{status} by the balancer: {reason}"),
        (_, Some(status), _) if answer.complete => status.to_string(),
        (_, Some(status), _) => format!("{status}, cut short"),
        _ => "client gone".to_owned(),
    }
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
