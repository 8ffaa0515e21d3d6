//! Names under which a service says how long something took, what its process uses, or which exchange it speaks of.

use super::node::Place;

/// What names promise of the numbers under them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measured {
    /// Another in each process and at each time.
    Always,
    /// What a process uses of its memory, where it is large enough to be bytes.
    Bytes,
    /// A time span of this exchange; but where a request said the number, it is somebody's setting.
    Span,
    /// As `Span`, and as often a property of a thing: only where it is small can two runs agree on it by chance.
    PerhapsSpan,
    /// It has lost a little by the next run.
    CountsDown,
    /// Until when, in seconds from now.
    Until,
}

/// By the name of a header, a key or an element, and that of the object that it stands in.
pub(super) fn measured(place: &Place) -> Option<Measured> {
    let is_header = place.is_header();
    let name = place.name().to_ascii_lowercase().replace(['-', ' '], "_");
    let squeezed = squeezed(&name);
    let ends = |words: &[&str]| words.iter().any(|word| name == *word || name.ends_with(&format!("_{word}")));
    let of_an_exchange = ends(&["runtime", "response_time", "process_time", "duration", "server_timing"]);
    let of_a_process = ["rss", "maxrss", "vms", "heapused", "heaptotal", "arraybuffers", "goroutines", "loadavg"]
        .contains(&&*squeezed);
    if is_uptime(&squeezed) || of_a_process || is_header && of_an_exchange {
        Some(Measured::Always)
    } else if is_use_of_memory(&squeezed, &self::squeezed(place.group())) {
        Some(Measured::Bytes)
    } else if ends(&["took", "elapsed", "latency", "response_time", "process_time", "ms"])
        || ["elapsedms", "durationms", "tookms", "latencyms"].contains(&&*squeezed)
    {
        Some(Measured::Span)
    } else if ends(&["duration", "runtime"]) {
        Some(Measured::PerhapsSpan)
    } else if ends(&["reset"]) || squeezed.ends_with("limitreset") || name == "retry_after" {
        Some(Measured::Until)
    } else if ends(&["expires_in", "expiresin", "ttl", "max_age", "remaining_seconds"]) {
        Some(Measured::CountsDown)
    } else {
        None
    }
}

/// How long a process has been up; not what part of the time something was.
fn is_uptime(name: &str) -> bool {
    const UNITS: &[&str] = &[
        "inseconds",
        "milliseconds",
        "seconds",
        "minutes",
        "hours",
        "days",
        "millis",
        "human",
        "secs",
        "sec",
        "ms",
        "s",
    ];
    let bare = UNITS.iter().find_map(|unit| name.strip_suffix(unit)).unwrap_or(name);
    name.ends_with("uptime") || bare.ends_with("uptime")
}

/// As Node's `process.memoryUsage()` and health pages have it: `memory.external`, `heap.used`.
fn is_use_of_memory(name: &str, group: &str) -> bool {
    const PARTS: &[&str] =
        &["external", "used", "total", "free", "resident", "virtual", "shared", "available", "allocated"];
    ["memory", "memoryusage", "mem", "heap", "process"].contains(&group) && PARTS.contains(&name)
}

fn squeezed(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// Whether the value under this name is a number of the exchange itself, as in `X-Request-Id`.
pub(super) fn names_the_exchange(name: &str) -> bool {
    ["requestid", "reqid", "traceid", "spanid", "correlationid", "xrequestid"].contains(&&*squeezed(name))
}

/// Whether the name says that a value is an entity tag: it follows from the rest.
pub(super) fn is_entity_tag(name: &str) -> bool {
    ["etag", "getetag"].contains(&&*name.to_ascii_lowercase())
}

/// Whether a header of this name only says which software answered, which it may come to know while it runs.
pub(super) fn is_software(name: &str) -> bool {
    ["server", "via", "x-powered-by"].contains(&name)
}

/// Whether two unequal values there only say whether a cache had the rest: which the rest itself shows.
pub(super) fn says_whether_cached(place: &Place, reference: &str, attack: &str) -> bool {
    let name = place.name().to_ascii_lowercase();
    let counts = |text: &str| {
        name.ends_with("hits") && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b',' || byte == b' ')
    };
    let from = ["source", "from", "served_from", "servedfrom", "origin"].contains(&&*name);
    tells_of_a_cache(place)
        && (is_cache_word(reference) && is_cache_word(attack) || counts(reference) && counts(attack))
        || from && [reference, attack].iter().any(|text| text.eq_ignore_ascii_case("cache"))
}

/// As [`says_whether_cached`], where one side says nothing.
pub(super) fn says_that_cached(place: &Place, text: &str) -> bool {
    tells_of_a_cache(place) && is_cache_word(text)
}

/// By its name. In a body only what marks an answer: much else has a cache that can be switched on and off.
fn tells_of_a_cache(place: &Place) -> bool {
    const MARKS: &[&str] = &["cached", "iscached", "fromcache", "servedfromcache", "cachehit", "cachestatus", "xcache"];
    let name = squeezed(place.name());
    if place.is_header() { name.contains("cache") } else { MARKS.contains(&&*name) }
}

fn is_cache_word(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "hit",
        "miss",
        "stale",
        "fresh",
        "expired",
        "bypass",
        "dynamic",
        "updating",
        "revalidated",
        "none",
        "true",
        "false",
        "tcp",
        "yes",
        "no",
        "1",
        "0",
    ];
    let first = text.trim().split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
    WORDS.contains(&&*first.to_ascii_lowercase())
}
