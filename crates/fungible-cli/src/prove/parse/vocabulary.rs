//! What names say about the values under them: one table of names, where they stand, and what they mean. A name only says
//! how a value may vary; whether it may is for the baselines to show.

use self::Form::{Contains, Ends, EndsAsWritten, Is, Squeezed, SqueezedContains, SqueezedEnds, Starts, Word};
use self::Meaning::{
    Address, BareId, Cache, CacheHits, CacheSource, CacheState, Client, Directives, EntityTag, ExchangeId, ForClients,
    Heartbeat, Id, Instance, Memory, MemoryGroup, Number, ProcessFigure, ProcessId, RateLimit, Software, TiesElements,
    Transport, WholePage,
};
use self::Scope::{Anywhere, Body, Metric, RequestHeader, ResponseHeader, Value};
use super::place::{Place, Segment};
use super::tree::Node;

/// Where a name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    RequestHeader,
    ResponseHeader,
    /// A key, an element or an attribute.
    Body,
    /// A metric on a page of metrics.
    Metric,
    /// The text itself, not a name.
    Value,
    /// Rows only: wherever a name may stand.
    Anywhere,
}

/// What a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It follows the clock, the body or the connection, or names one exchange: it tells nothing about the app.
    Transport,
    /// Its value is a set of directives, in any order.
    Directives,
    /// Its value is a rate limit with how much of it is left.
    RateLimit,
    /// A number of the exchange itself, as in `X-Request-Id`.
    ExchangeId,
    /// A value that follows from the rest of the response.
    EntityTag,
    /// Which software answered; it may come to know that while it runs.
    Software,
    /// Whether a cache had the rest.
    Cache,
    /// How often a cache had it.
    CacheHits,
    /// Where it came from, a cache perhaps.
    CacheSource,
    /// A word that a cache says of a response.
    CacheState,
    /// A message that only keeps a connection open.
    Heartbeat,
    /// The number of a thing, among other words of the name.
    Id,
    /// The number of a thing, and nothing else.
    BareId,
    /// An address, or the name of an element.
    Address,
    /// It ties elements of one page to each other.
    TiesElements,
    /// It speaks of the instance that answered.
    Instance,
    /// The number of a process, however short.
    ProcessId,
    /// It tells the client something, whoever answers.
    ForClients,
    /// It tells who sends a request.
    Client,
    /// A request of a browser for a whole page, or of a script.
    WholePage,
    /// The use of memory, under the name of a group of such values.
    Memory,
    MemoryGroup,
    /// A figure that a client library of Prometheus tells of the process by itself.
    ProcessFigure,
    /// A number that varies in this way.
    Number(Measured),
}

/// What names promise of the numbers under them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measured {
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

/// How a name is recognized. Capitals do not matter, unless said otherwise.
#[derive(Clone, Copy, Debug)]
enum Form {
    Is(&'static str),
    Starts(&'static str),
    Ends(&'static str),
    Contains(&'static str),
    /// With these very letters, small and capital.
    EndsAsWritten(&'static str),
    /// As the whole name or its last word; words end at `_`, `-` and blanks.
    Word(&'static str),
    /// Without all marks.
    Squeezed(&'static str),
    SqueezedEnds(&'static str),
    SqueezedContains(&'static str),
}

#[rustfmt::skip]
const TABLE: &[(Meaning, Scope, &[Form])] = &[
    (Transport, ResponseHeader, &[
        Is("age"), Is("connection"), Is("content-digest"), Is("content-length"), Is("content-md5"), Is("date"),
        Is("digest"), Is("etag"), Is("keep-alive"), Is("proxy-connection"), Is("repr-digest"), Is("request-id"),
        Is("sec-websocket-accept"), Is("server-timing"), Is("traceparent"), Is("tracestate"), Is("trailer"),
        Is("transfer-encoding"), Is("x-amzn-requestid"), Is("x-amzn-trace-id"), Is("x-cold-start"),
        Is("x-correlation-id"), Is("x-request-id"), Is("x-trace-id"),
    ]),
    (Transport, RequestHeader, &[
        Is("accept"), Is("cache-control"), Is("connection"), Is("content-encoding"), Is("content-length"),
        Is("content-type"), Is("date"), Is("dnt"), Is("expect"), Is("forwarded"), Is("host"), Is("if-match"),
        Is("if-modified-since"), Is("if-none-match"), Is("if-range"), Is("if-unmodified-since"), Is("keep-alive"),
        Is("origin"), Is("pragma"), Is("priority"), Is("range"), Is("referer"), Is("te"), Is("traceparent"),
        Is("tracestate"), Is("trailer"), Is("transfer-encoding"), Is("upgrade"), Is("upgrade-insecure-requests"),
        Is("user-agent"), Is("via"), Starts("accept-"), Starts("sec-"), Starts("access-control-"), Starts("x-forwarded"),
    ]),
    (Directives, ResponseHeader, &[
        Is("accept-ch"), Is("access-control-allow-headers"), Is("access-control-allow-methods"),
        Is("access-control-expose-headers"), Is("allow"), Is("cache-control"), Is("dav"), Is("pragma"), Is("vary"),
    ]),
    (RateLimit, ResponseHeader, &[Is("ratelimit")]),
    (ExchangeId, Anywhere, &[
        Squeezed("requestid"), Squeezed("reqid"), Squeezed("traceid"), Squeezed("spanid"), Squeezed("correlationid"),
        Squeezed("xrequestid"),
    ]),
    (EntityTag, Anywhere, &[Is("etag"), Is("getetag")]),
    (Software, ResponseHeader, &[Is("server"), Is("via"), Is("x-powered-by")]),
    (Cache, ResponseHeader, &[SqueezedContains("cache")]),
    // Much else in a body has a cache that can be switched on and off.
    (Cache, Body, &[
        Squeezed("cached"), Squeezed("iscached"), Squeezed("fromcache"), Squeezed("servedfromcache"),
        Squeezed("cachehit"), Squeezed("cachestatus"), Squeezed("xcache"),
    ]),
    (CacheHits, Anywhere, &[Ends("hits")]),
    (CacheSource, Anywhere, &[Is("source"), Is("from"), Is("served_from"), Is("servedfrom"), Is("origin")]),
    (CacheState, Value, &[
        Is("hit"), Is("miss"), Is("stale"), Is("fresh"), Is("expired"), Is("bypass"), Is("dynamic"), Is("updating"),
        Is("revalidated"), Is("none"), Is("true"), Is("false"), Is("tcp"), Is("yes"), Is("no"), Is("1"), Is("0"),
    ]),
    (Heartbeat, Value, &[
        Is("ping"), Is("pong"), Is("ka"), Is("heartbeat"), Is("keepalive"), Is("keep-alive"),
    ]),
    (BareId, Anywhere, &[
        Is("id"), Is("_id"), Is("pk"), Is("uid"), Is("number"), Is("num"), Is("no"), Is("nr"), Is("seq"), Is("sequence"),
    ]),
    (Id, Anywhere, &[Ends("_id"), Ends("-id"), EndsAsWritten("Id"), EndsAsWritten("ID")]),
    (Address, Anywhere, &[
        Is("location"), Is("content-location"), Is("link"), Is("refresh"), Is("href"), Is("src"), Is("action"),
        Is("formaction"), Is("value"), Is("for"), Is("name"), Is("url"), Is("uri"), Is("path"), Is("self"), Is("next"),
        Is("prev"), Starts("data-"), Starts("hx-"), Ends("url"), Ends("_link"),
    ]),
    (TiesElements, Body, &[Is("id"), Is("for"), Is("headers"), Is("list"), Starts("aria-")]),
    (Instance, Body, &[
        Contains("instance"), Contains("server"), Contains("served"), Contains("host"), Contains("node"),
        Contains("worker"), Contains("machine"), Contains("replica"), Contains("container"), Contains("pod"),
        Contains("process"), Contains("pid"), Contains("boot"), Contains("backend"), Contains("shard"),
        Contains("cluster"), Contains("started"), Contains("build"), Contains("runtime"), Contains("hash"),
    ]),
    (Instance, Value, &[
        Starts("instance"), Starts("server"), Is("served"), Is("host"), Starts("hostname"), Is("node"), Is("worker"),
        Is("machine"), Is("replica"), Is("container"), Is("pod"), Is("process"), Is("pid"), Is("boot"), Is("backend"),
        Is("shard"), Is("build"), Is("release"),
    ]),
    (ProcessId, Anywhere, &[Contains("pid")]),
    (ForClients, ResponseHeader, &[
        Starts("location"), Starts("link"), Starts("allow"), Starts("vary"), Starts("content-"), Starts("set-cookie"),
        Starts("www-"), Starts("retry-"), Starts("access-control-"), Starts("cache-"), Contains("limit"),
    ]),
    (Client, RequestHeader, &[Is("cookie"), Is("authorization"), Is("user-agent")]),
    (WholePage, Value, &[Is(""), Is("document"), Is("empty")]),
    (MemoryGroup, Body, &[
        Squeezed("memory"), Squeezed("memoryusage"), Squeezed("mem"), Squeezed("heap"), Squeezed("process"),
    ]),
    (Memory, Anywhere, &[
        Squeezed("external"), Squeezed("used"), Squeezed("total"), Squeezed("free"), Squeezed("resident"),
        Squeezed("virtual"), Squeezed("shared"), Squeezed("available"), Squeezed("allocated"),
    ]),
    // What client libraries export of the process and of its runtime without being asked. Much else may be called
    // `process_..` or `go_..`.
    (ProcessFigure, Metric, &[
        Starts("process_cpu_"), Starts("process_files_"), Starts("process_heap_"), Starts("process_max_fds"),
        Starts("process_network_"), Starts("process_num_threads"), Starts("process_open_"),
        Starts("process_private_memory_"), Starts("process_resident_memory_"), Starts("process_start_time_"),
        Starts("process_threads"), Starts("process_uptime_"), Starts("process_virtual_memory_"),
        Starts("process_working_set_"),
        Starts("go_cgo_"), Starts("go_cpu_classes_"), Starts("go_gc_"), Starts("go_goroutines"), Starts("go_memory_"),
        Starts("go_memstats_"), Starts("go_sched_"), Starts("go_sync_mutex_"), Starts("go_threads"),
        Starts("promhttp_metric_handler_"),
        Starts("python_gc_"), Starts("nodejs_"), Starts("jvm_"),
    ]),
    // How long a process has been up; not what part of the time something was.
    (Number(Measured::Always), Anywhere, &[
        SqueezedEnds("uptime"), SqueezedEnds("uptimeinseconds"), SqueezedEnds("uptimemilliseconds"),
        SqueezedEnds("uptimeseconds"), SqueezedEnds("uptimeminutes"), SqueezedEnds("uptimehours"),
        SqueezedEnds("uptimedays"), SqueezedEnds("uptimemillis"), SqueezedEnds("uptimehuman"),
        SqueezedEnds("uptimesecs"), SqueezedEnds("uptimesec"), SqueezedEnds("uptimems"), SqueezedEnds("uptimes"),
        Squeezed("rss"), Squeezed("maxrss"), Squeezed("vms"), Squeezed("heapused"), Squeezed("heaptotal"),
        Squeezed("arraybuffers"), Squeezed("goroutines"), Squeezed("loadavg"),
    ]),
    (Number(Measured::Always), ResponseHeader, &[
        Word("runtime"), Word("response_time"), Word("process_time"), Word("duration"), Word("server_timing"),
    ]),
    (Number(Measured::Span), Anywhere, &[
        Word("took"), Word("elapsed"), Word("latency"), Word("response_time"), Word("process_time"), Word("ms"),
        Squeezed("elapsedms"), Squeezed("durationms"), Squeezed("tookms"), Squeezed("latencyms"),
    ]),
    (Number(Measured::PerhapsSpan), Anywhere, &[Word("duration"), Word("runtime")]),
    (Number(Measured::Until), Anywhere, &[Word("reset"), SqueezedEnds("limitreset"), Is("retry-after"), Is("retry_after"), Is("retry after")]),
    (Number(Measured::CountsDown), Anywhere, &[
        Word("expires_in"), Word("expiresin"), Word("ttl"), Word("max_age"), Word("remaining_seconds"),
    ]),
];

/// Whether a name (or, in the scope of values, a text) means this.
pub(crate) fn means(meaning: Meaning, scope: Scope, name: &str) -> bool {
    let of = |(row, at, _): &&(Meaning, Scope, &[Form])| *row == meaning && (*at == scope || *at == Anywhere);
    TABLE.iter().filter(of).any(|(.., forms)| forms.iter().any(|form| form.fits(name)))
}

/// As [`means`], of the name of a place in a response.
pub(crate) fn place_means(meaning: Meaning, place: &Place) -> bool {
    means(meaning, scope_of(place), place.name())
}

fn scope_of(place: &Place) -> Scope {
    match place.last() {
        _ if place.is_header() => ResponseHeader,
        Some(Segment::Metric(_)) => Metric,
        _ => Body,
    }
}

/// What the name of a place, and of the object around it, promise of a number there.
pub(crate) fn measured(place: &Place) -> Option<Measured> {
    let is = |measured| place_means(Number(measured), place);
    if is(Measured::Always) {
        return Some(Measured::Always);
    }
    // As Node's `process.memoryUsage()` and health pages have it: `memory.external`, `heap.used`.
    if place_means(Memory, place) && means(MemoryGroup, Body, place.group()) {
        return Some(Measured::Bytes);
    }
    [Measured::Span, Measured::PerhapsSpan, Measured::Until, Measured::CountsDown].into_iter().find(|one| is(*one))
}

/// Whether things are numbered under this name: `id`, `userId`, `order_ids`.
pub(crate) fn is_id(name: &str) -> bool {
    let one = name.strip_suffix(['s', 'S']).unwrap_or(name);
    // `IDS` may be a word of capitals; `ids` and `Ids` are several of `id` and `Id`.
    let as_written = name.strip_suffix('s').unwrap_or(name);
    let marked = |name: &str| ["_id", "-id"].iter().any(|end| ends(name, end).is_some());
    means(BareId, Anywhere, one) || marked(one) || means(Id, Anywhere, as_written)
}

/// Whether two unequal values at a place only say whether a cache had the rest: which the rest itself shows.
pub(crate) fn says_whether_cached(place: &Place, left: &str, right: &str) -> bool {
    let counts = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b',' || byte == b' ');
    place_means(Cache, place)
        && (is_cache_state(place, left) && is_cache_state(place, right)
            || place_means(CacheHits, place) && counts(left) && counts(right))
        || place_means(CacheSource, place) && [left, right].iter().any(|text| text.eq_ignore_ascii_case("cache"))
}

/// As [`says_whether_cached`], where one side says nothing: many say it only where it is so, as `"cached": true`.
pub(crate) fn says_that_cached(place: &Place, text: &str) -> bool {
    place_means(Cache, place) && is_cache_state(place, text)
}

/// Whether a message only keeps a connection open: of these there are as many as there is time.
pub(crate) fn is_heartbeat(message: &Node) -> bool {
    let is_one = |node: &Node| matches!(node, Node::Text(text) if means(Heartbeat, Value, text));
    match message {
        Node::Lines(lines) => matches!(&lines[..], [line] if is_one(line)),
        // The event of a stream, and the method of JSON-RPC.
        Node::Map(entries) => {
            entries.iter().any(|(key, value)| ["type", "event", "method"].contains(&key.as_str()) && is_one(value))
        }
        _ => false,
    }
}

/// An attribute by which elements of a page are tied to each other.
pub(crate) fn ties_elements(place: &Place) -> bool {
    matches!(place.last(), Some(Segment::Attribute(name)) if means(TiesElements, Body, name))
}

/// A header may say more behind it: `HIT from a`.
fn is_cache_state(place: &Place, text: &str) -> bool {
    let text = text.trim();
    let first = text.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
    means(CacheState, Value, if place.is_header() { first } else { text })
}

impl Form {
    fn fits(self, name: &str) -> bool {
        let lower = |text: &'_ str| text.bytes().map(|byte| byte.to_ascii_lowercase()).collect::<Vec<u8>>();
        match self {
            Is(word) => name.eq_ignore_ascii_case(word),
            Starts(word) => name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)),
            Ends(word) => ends(name, word).is_some(),
            EndsAsWritten(word) => name.ends_with(word),
            Contains(word) => lower(name).windows(word.len()).any(|part| part == word.as_bytes()),
            Word(word) => ends_in_word(name, word),
            Squeezed(word) => squeezed(name).eq(word.bytes()),
            SqueezedEnds(word) => {
                let same = squeezed(name).rev().zip(word.bytes().rev()).take_while(|(one, other)| one == other);
                same.count() == word.len()
            }
            SqueezedContains(word) => {
                let squeezed: Vec<u8> = squeezed(name).collect();
                squeezed.windows(word.len()).any(|part| part == word.as_bytes())
            }
        }
    }
}

/// What stands before the ending.
fn ends<'n>(name: &'n str, word: &str) -> Option<&'n str> {
    let at = name.len().checked_sub(word.len())?;
    let (before, end) = name.split_at_checked(at)?;
    end.eq_ignore_ascii_case(word).then_some(before)
}

/// Whether the last words of a name are these: `proc_time_ms`, `proc-time-ms` and `procTimeMs` end in `time_ms`.
fn ends_in_word(name: &str, word: &str) -> bool {
    let name = snake_case(name);
    let rest = name.strip_suffix(word);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
}

/// The words of a name in lower case, with `_` between them.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 2);
    let mut after_lower = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && after_lower {
            snake.push('_');
        }
        after_lower = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        snake.push(if matches!(letter, '-' | ' ') { '_' } else { letter.to_ascii_lowercase() });
    }
    snake
}

fn squeezed(name: &str) -> impl DoubleEndedIterator<Item = u8> + '_ {
    name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(root: &str, keys: &[&str]) -> Place {
        let mut place = Place::root(root);
        for key in keys {
            place.push(Segment::Key((*key).to_owned()));
        }
        place
    }

    #[test]
    fn numbers_are_known_by_the_names_they_stand_under() {
        for (keys, expected) in [
            (&["uptime"][..], Some(Measured::Always)),
            (&["uptime_seconds"], Some(Measured::Always)),
            (&["uptimePercent"], None),
            (&["memory", "external"], Some(Measured::Bytes)),
            (&["shop", "external"], None),
            (&["request_took"], Some(Measured::Span)),
            (&["mistook"], None),
            (&["procTimeMs"], Some(Measured::Span)),
            (&["teams"], None),
            (&["durationMs"], Some(Measured::Span)),
            (&["duration"], Some(Measured::PerhapsSpan)),
            (&["expires-in"], Some(Measured::CountsDown)),
            (&["X-RateLimit-Reset"], Some(Measured::Until)),
            (&["title"], None),
        ] {
            assert_eq!(measured(&of("body", keys)), expected, "{keys:?}");
        }
        assert_eq!(measured(&of("header x-runtime", &[])), Some(Measured::Always));
    }

    #[test]
    fn things_are_numbered_under_ids() {
        for name in ["id", "ids", "IDS", "userId", "userIds", "user_id", "order-ids", "customerID", "no"] {
            assert!(is_id(name), "{name}");
        }
        for name in ["paid", "idea", "grid", "void", "title", "customerid", "KIDS"] {
            assert!(!is_id(name), "{name}");
        }
    }

    #[test]
    fn figures_of_the_process_are_known_only_among_metrics() {
        let metric = |series: &str| {
            let mut place = Place::root("body");
            place.push(Segment::Metric(series.to_owned()));
            place_means(ProcessFigure, &place)
        };
        for series in
            ["go_goroutines", "process_cpu_seconds_total", "go_gc_duration_seconds{quantile=\"0.5\"}", "jvm_threads"]
        {
            assert!(metric(series), "{series}");
        }
        for series in [
            "http_requests_total",
            "process_orders_total",
            "go_games_total",
            "# HELP go_goroutines",
            "orders{by=\"go_gc_\"}",
        ] {
            assert!(!metric(series), "{series}");
        }
        assert!(!place_means(ProcessFigure, &of("body", &["go_goroutines"])));
    }

    #[test]
    fn caches_speak_of_hits_and_misses() {
        assert!(says_whether_cached(&of("header x-cache", &[]), "HIT from a", "MISS"));
        assert!(says_whether_cached(&of("header x-cache-hits", &[]), "1, 0", "0"));
        assert!(says_whether_cached(&of("body", &["cached"]), "true", "false"));
        assert!(says_whether_cached(&of("body", &["source"]), "cache", "database"));
        assert!(!says_whether_cached(&of("body", &["cacheable"]), "true", "false"));
        assert!(!says_whether_cached(&of("header x-cache", &[]), "alice", "bob"));
        assert!(!says_whether_cached(&of("body", &["cacheStatus"]), "no entry for alice", "no entry for bob"));
    }
}
