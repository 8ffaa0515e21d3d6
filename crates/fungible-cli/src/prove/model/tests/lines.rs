//! Metrics, logs and JSON lines: which values of a process may differ, and that nothing may be gone.

use super::world::{Log, against, clean, compare, found, run};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

fn metrics(nth: u64, page: &str) -> Log {
    run(nth).on("i1").get("/metrics").answer(200, TEXT, page.to_owned())
}

#[test]
fn figures_of_the_process_may_be_any() {
    let page = |nth: u64| {
        let n = if nth < 3 { 1 } else { nth };
        format!(
            "# HELP process_cpu_seconds_total Time.\n# TYPE process_cpu_seconds_total counter\n\
             process_cpu_seconds_total 0.{n}\nprocess_resident_memory_bytes {n}.5e+06\n\
             process_start_time_seconds 1.79546133{n}e+09\n# TYPE go_gc_duration_seconds summary\n\
             go_gc_duration_seconds{{quantile=\"0.5\"}} {}\ngo_gc_duration_seconds_count {n}\ngo_goroutines 1{n}\n\
             nodejs_heap_size_used_bytes {n}1234\n",
            if nth < 3 { "NaN".to_owned() } else { format!("{n}e-05") }
        )
    };
    clean(&compare(|nth| metrics(nth, &page(nth))));
    clean(&compare(|nth| metrics(nth, "").answer(200, OPEN_METRICS, format!("{}# EOF\n", page(nth)))));
}

#[test]
fn metrics_do_not_vanish_among_figures_of_the_process() {
    let page = |nth: u64, pushed: &str| metrics(nth, &format!("go_goroutines 1{nth}\n{pushed}"));
    let series = "backup_bytes{job=\"b\",disk=\"a\"} 5\n";
    found(&against(|nth| page(nth, series), page(3, "")), 1, "body $.backup_bytes{disk=\"a\",job=\"b\"}");
    found(&against(|nth| page(nth, ""), page(3, series)), 1, "body $.backup_bytes{disk=\"a\",job=\"b\"}");
    // Not even such a figure itself.
    found(&against(|nth| page(nth, "go_threads 5\n"), page(3, "")), 1, "body $.go_threads");
    // What the app counts is the fleet's, unless the user says otherwise.
    let count = |nth: u64, times: u64| page(nth, &format!("http_requests_total{{code=\"200\"}} {times}\n"));
    found(&against(|nth| count(nth, 7), count(3, 1)), 1, "body $.http_requests_total{code=\"200\"}");
    let orders = |nth: u64, times: u64| page(nth, &format!("process_orders_total {times}\n"));
    found(&against(|nth| orders(nth, 7), orders(3, 1)), 1, "body $.process_orders_total");
}

#[test]
fn labels_may_name_the_instance() {
    let page = |nth: u64, instance: &str, code: u32| {
        let host = format!("host-{nth}-{instance}");
        run(nth).on(instance).get("/metrics").answer(200, TEXT, format!("up{{pod=\"{host}\",code=\"{code}\"}} 1\n"))
    };
    clean(&against(|nth| page(nth, "i1", 200), page(3, "i2", 200)));
    found(&against(|nth| page(nth, "i1", 200), page(3, "i2", 500)), 1, "body $.up{code=\"200\",pod=\"host-1-i1\"}");
}

#[test]
fn examples_of_what_was_counted_vary() {
    let page = |nth: u64, count: u64| {
        let example = format!("# {{trace_id=\"{}\"}} 0.0{nth} {}.5", super::world::token(nth, "trace"), run(nth).now());
        let text = format!("# TYPE took histogram\ntook_bucket{{le=\"1\"}} {count} {example}\n# EOF\n");
        run(nth).get("/metrics").answer(200, OPEN_METRICS, text)
    };
    clean(&compare(|nth| page(nth, 8)));
    found(&against(|nth| page(nth, 8), page(3, 1)), 1, "body $.took_bucket{le=\"1\"}");
}

#[test]
fn json_lines_are_items() {
    let page = |nth: u64, lines: &[&str]| {
        let line = |text: &&str| format!("{{\"at\":{},\"text\":\"{text}\",\"duration\":0.{nth}}}\n", run(nth).now());
        run(nth).get("/export").answer(200, "application/x-ndjson", lines.iter().map(line).collect::<String>())
    };
    clean(&compare(|nth| page(nth, &["one"])));
    let baseline = |nth| page(nth, &["one", "two"]);
    clean(&against(baseline, page(3, &["one", "two"])));
    found(&against(baseline, page(3, &["one"])), 1, "body $[1]");
    found(&against(baseline, page(3, &["one", "2"])), 1, "body $[1].text");
}

#[test]
fn lines_of_a_log_have_names() {
    let page = |nth: u64, paths: &[&str]| {
        let line = |path: &&str| {
            let at = 10 + nth;
            format!("2026-11-23T19:{at}:33Z INFO served path={path} status=200 took={}\n", if nth < 3 { 3 } else { 5 })
        };
        run(nth).get("/log").text(&paths.iter().map(line).collect::<String>())
    };
    let baseline = |nth| page(nth, &["/a", "/b"]);
    clean(&against(baseline, page(3, &["/a", "/b"])));
    found(&against(baseline, page(3, &["/a", "/c"])), 1, "body line 2.path");
    found(&against(baseline, page(3, &["/b"])), 1, "body line 1");
    // As Apache writes it: the baselines before midnight, the attack after it.
    let times = ["23/Nov/2026:23:59:10", "23/Nov/2026:23:59:50", "24/Nov/2026:00:00:30"];
    let common = |nth: u64, path: &str| {
        let at = times[usize::try_from(nth).unwrap() - 1];
        run(nth).get("/log").text(&format!("::1 - - [{at} +0000] \"GET {path} HTTP/1.1\" 200 5\n"))
    };
    clean(&compare(|nth| common(nth, "/a")));
    found(&against(|nth| common(nth, "/a"), common(3, "/b")), 1, "body line 1");
}

#[test]
fn what_is_not_always_there_is_that_one_part() {
    let list = |nth: u64, items: &[&str]| run(nth).get("/").text(&items.join("\n"));
    let one = |nth: u64| list(nth, if nth == 1 { &["ann", "bob", "now with tea"] } else { &["ann", "bob"] });
    clean(&against(one, list(3, &["ann", "bob"])));
    found(&against(one, list(3, &["ann", "now with tea"])), 1, "body line 2");
    // Where several come and go, it may be any.
    let any = |nth: u64| list(nth, if nth == 1 { &["ann", "bob", "tip", "hint"] } else { &["ann", "bob"] });
    clean(&against(any, list(3, &["ann", "tip", "hint"])));
}

#[test]
fn what_a_client_has_is_told() {
    let page = |nth: u64, status: u16, text: &str| {
        let log = run(nth).get("/").text("all").get("/").with("if-none-match", "\"1\"");
        if status == 304 { log.status(304) } else { log.text(text) }
    };
    let comparison = against(|nth| page(nth, 304, ""), page(3, 200, "all"));
    clean(&comparison);
    let told: Vec<String> = comparison.masks.iter().map(|mask| format!("{}: {}", mask.place, mask.why)).collect();
    assert_eq!(told, ["status: 304 Not Modified, compared as the response that the client has"]);
}

#[test]
fn a_body_in_another_form_is_not_compared() {
    let page = |nth: u64| {
        if nth == 1 { run(nth).get("/").json("{\"a\":1}") } else { run(nth).get("/").json("[1]") }
    };
    let comparison = against(page, page(2));
    clean(&comparison);
    assert_eq!(comparison.not_compared.len(), 1, "{comparison:#?}");
}
