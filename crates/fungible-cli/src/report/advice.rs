//! What helps against a finding. No sentence claims more than the experiments have shown, or advises to ignore a loss.

use super::clues::Clues;
use super::view::{CarriedView, ConditionView, ControlView, DifferenceView, FindingView, HarmView, KindView, StepView};
use super::words::{DRIVER_EXIT, contradicts, listed};

/// What helps.
pub(super) fn remedy(finding: &FindingView, clues: Clues) -> String {
    match finding.kind {
        KindView::Trapped => trapped(finding, clues),
        KindView::LocalFile => local_file(finding),
        KindView::Replicated => "keep it in a shared store that outlives the instances, and answer only when that has \
                                 confirmed the write"
            .to_owned(),
        KindView::NotReady => {
            "say that an instance is ready only when it can answer as any other: open the port after \
                               that, or answer the health check after it (--health PATH)"
                .to_owned()
        }
        KindView::Stale if clues.conditional => ENTITY_TAG.to_owned(),
        KindView::Stale => "read it from the shared store at each request, or let a change reach every instance; a \
                            time limit on the copy only makes the gap shorter"
            .to_owned(),
        KindView::Collision => {
            "let the shared store assign identifiers at each request, or use random ones of at least \
                                122 bits (a UUID)"
                .to_owned()
        }
        KindView::AnsweredTooEarly => "answer only when the shared store has confirmed the write".to_owned(),
        KindView::NamesItself => "build addresses from the Host of the request or from one public address in the \
                                  configuration, never from the instance's own address"
            .to_owned(),
        KindView::Race => "a lock inside the process does not reach the other instances: make the change in one step \
                           of the shared store (a transaction, an atomic update, a unique key), or take a lock there"
            .to_owned(),
        KindView::StartRace => "prepare the shared store in a step of its own before the instances start, or under a \
                                lock in the store for which the others wait"
            .to_owned(),
        KindView::ColdStart => {
            "create what all instances share (keys, tables, defaults) in one atomic step: insert it only \
                                where it is missing and then read it back, or do it before the first instance starts"
                .to_owned()
        }
        KindView::RemovedAtEnd => {
            "look at what the app does when it ends (a handler of SIGTERM, atexit, finally, defer): \
                                   it may remove only what is its own, not what other instances share"
                .to_owned()
        }
        KindView::LimitPerInstance => "count in the shared store, for all instances together".to_owned(),
        KindView::Skew => {
            "let both versions accept what either gives to clients (ids of actions, tokens, forms, paths of \
                           files), and remove the old way only in the release after"
                .to_owned()
        }
        KindView::Crowd => {
            "look for what clients have in common inside the process: messages from one to another, locks, \
                            counters. Pass messages on through the shared store, or a broker, to all instances"
                .to_owned()
        }
        KindView::DoneTwice => done_twice(finding),
        KindView::OneAtATime => "look for what only one process can hold: a lock, a pid file that a killed process \
                                 leaves behind, a database that one process opens exclusively"
            .to_owned(),
    }
}

const ENTITY_TAG: &str = "make the entity tag (or the date) of the content itself, so that all instances give the same one \
                          to the same content, and no two contents have one";

fn done_twice(finding: &FindingView) -> String {
    let promised = match finding.reader.method.as_str() {
        "POST" | "PATCH" => "it carries an Idempotency-Key".to_owned(),
        method => {
            format!("{method} may be sent any number of times (RFC 9110, 9.2.2), and clients and balancers do so")
        }
    };
    format!(
        "{promised}: store in one transaction what the request does and that it was done (its key, or the state that it asks \
         for), and look for that first"
    )
}

/// The state is missed on other instances, and on one disk as well, or nobody tried.
fn trapped(finding: &FindingView, clues: Clues) -> String {
    if contradicts(&finding.differences) {
        return "each process makes it up for itself (a random value, an order that depends on a hash salted in each \
                process): store what was made first, or derive it from what all instances have; sort a list before it is \
                cut into pages"
            .to_owned();
    }
    if is_limit(&finding.differences) {
        return "each instance counts for itself (a rate limit, a number of attempts): count in the shared store"
            .to_owned();
    }
    if is_count(finding) {
        return "each request adds to it: if it is a counter of the app, count in the shared store; if it is a figure \
                about the process, leave it out with [[prove.ignore]] in fungible.toml"
            .to_owned();
    }
    if clues.conditional {
        return ENTITY_TAG.to_owned();
    }
    let given = given(finding);
    if clues.signed {
        let given = given.unwrap_or_else(|| format!("#{} carries a token", finding.reader.number));
        return format!(
            "{given}; its content can be read, and it is signed: give all instances the same key; what an instance keeps \
             about it in its memory belongs into a shared store"
        );
    }
    if finding.stored == Some(true) {
        return format!(
            "what is shared changed while {} was answered: look first for what only one process can read there, through \
             a key, a hash salt or a clock that it makes at its start, and give all instances the same; what it keeps in \
             its memory belongs into the shared store, too",
            finding.writers.last().map_or_else(|| "it".to_owned(), |writer| format!("#{}", writer.number))
        );
    }
    match (given, wrote(finding)) {
        (Some(given), Some(wrote)) => {
            format!("{given}, and {wrote}: keep sessions in a shared store, on a shared path, or in a signed token")
        }
        (Some(given), None) => format!(
            "{given}: either its instance keeps the session in its memory, or it checks it with a key that it made at its \
             start: keep sessions in a shared store or in a signed token, and give all instances the same keys"
        ),
        (None, Some(wrote)) => {
            format!("{wrote}: if the missing state is in there, share that path or use a shared store")
        }
        (None, None) => {
            "keep it in a shared store, or let the request carry it; a key that each instance generates for \
                         itself is such state, too"
                .to_owned()
        }
    }
}

fn local_file(finding: &FindingView) -> String {
    let files = telling(&finding.files);
    let wrote = format!("its instance wrote {}", listed(files));
    match shared_by(files) {
        Some(share) => {
            format!(
                "{wrote}: if this is your shared store, name it with --share {share}; else move it into the shared store"
            )
        }
        None => format!("{wrote}: move it into the shared store, or into a folder of its own that all share (--share)"),
    }
}

/// What a user would share so that all of these are shared: the one file, or the folder of all; the folder of a file, too,
/// whose name may be another one each time. A folder at the root is nobody's own.
fn shared_by(files: &[String]) -> Option<String> {
    let folder = |file: &str| file.rsplit_once('/').map_or(".", |(folder, _)| folder).to_owned();
    let share = match files {
        [] => return None,
        [one] => {
            let name = one.rsplit('/').next().unwrap_or(one);
            let stem = name.split('.').next().unwrap_or(name);
            let varies = stem.contains('…') || stem.len() >= 12 && stem.bytes().any(|letter| letter.is_ascii_digit());
            if !varies {
                return Some(one.clone());
            }
            folder(one)
        }
        [first, rest @ ..] => {
            let mut common = folder(first);
            while !rest.iter().all(|file| file.starts_with(&format!("{common}/"))) && common.contains('/') {
                common = folder(&common);
            }
            common
        }
    };
    Some(share).filter(|share| share.rfind('/').is_some_and(|at| at > 0) && share != "/var/tmp")
}

/// `it gave the client sid, which #4 carries`
fn given(finding: &FindingView) -> Option<String> {
    let mut cookies: Vec<String> =
        tied(&finding.writers, &finding.reader).into_iter().map(|one| one.name.clone()).collect();
    cookies.dedup();
    let they = if finding.writers.len() > 1 { "they" } else { "it" };
    (!cookies.is_empty())
        .then(|| format!("{they} gave the client {}, which #{} carries", listed(&cookies), finding.reader.number))
}

/// The files, where it was not shown that they are not what is missing.
fn wrote(finding: &FindingView) -> Option<String> {
    let is_other = |one: &ControlView| one.condition == ConditionView::OneDisk && one.as_baseline < one.runs;
    let files = telling(&finding.files);
    (!files.is_empty() && !finding.controls.iter().any(is_other))
        .then(|| format!("its instance wrote {}", listed(files)))
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
    let mut others = differences.iter().filter(|one| one.place != DRIVER_EXIT).peekable();
    too_many || (others.peek().is_some() && others.all(counts))
}

/// Whether nothing differs but numbers to which every earlier request adds: they are higher where all of them were counted.
/// Then nothing is lost; an exit code counts nothing, and says that a client noticed.
fn is_count(finding: &FindingView) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    let grows = |one: &DifferenceView| {
        let (baseline, attack) = (number(&one.baseline), number(&one.attack));
        one.place != "status"
            && one.place != DRIVER_EXIT
            && baseline.zip(attack).is_some_and(|(baseline, attack)| baseline > attack)
    };
    let (writers, differences) = (finding.writers.len(), &finding.differences);
    finding.harm == HarmView::WrongNumber
        && writers > 2
        && writers + 1 == finding.reader.number
        && !differences.is_empty()
        && differences.iter().all(grows)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_shared_by_its_path_and_many_by_their_folder() {
        let shared = |files: &[&str]| shared_by(&files.iter().map(|file| (*file).to_owned()).collect::<Vec<_>>());
        let path = |path: &str| Some(path.to_owned());
        assert_eq!(shared(&["/srv/app/notes.db"]), path("/srv/app/notes.db"));
        assert_eq!(shared(&["/srv/app/sess_8f14e45fceea167a"]), path("/srv/app"));
        assert_eq!(shared(&["/srv/app/4b8…⟨2⟩"]), path("/srv/app"));
        assert_eq!(shared(&["/srv/app/sessions/a", "/srv/app/sessions/b"]), path("/srv/app/sessions"));
        assert_eq!(shared(&["/srv/app/a/1", "/srv/app/b/2"]), path("/srv/app"));
        assert_eq!(shared(&["./sessions/a", "./sessions/b"]), path("./sessions"));
        assert_eq!(shared(&["notes.db"]), path("notes.db"));
        for files in
            [&["/srv/a", "/tmp/b"][..], &["/tmp/sess_8f14e45fceea167a"], &["/var/tmp/sess_8f14e45fceea167a"], &[]]
        {
            assert_eq!(shared(files), None, "{files:?}");
        }
    }
}
