//! A page of metrics in the text formats of Prometheus (0.0.4) and `OpenMetrics` as a tree: each series has a place of
//! its own. It does not know what any metric counts.

use super::tree::Node;

/// What the lines of a page begin with that describe a metric.
const DESCRIPTIONS: [&str; 3] = ["# HELP ", "# TYPE ", "# UNIT "];

/// Whether a page of this type, or one that looks like this, may hold metrics.
pub(super) fn may_be(content_type: &str, text: &str) -> bool {
    let content_type = content_type.to_ascii_lowercase();
    content_type.contains("version=0.0.4")
        || content_type.starts_with("application/openmetrics-text")
        || DESCRIPTIONS.iter().any(|start| text.starts_with(start))
}

/// Reads a page: `http_requests_total{code="200",method="get"}` has its value, `# TYPE http_requests_total` its type.
/// `None` where a line is in neither format, or a series is there twice.
pub(super) fn parse(text: &str) -> Option<Node> {
    let mut entries = Vec::new();
    let mut comments = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(start) = DESCRIPTIONS.iter().find(|start| line.starts_with(**start)) {
            let (name, said) = line[start.len()..].split_once(' ').unwrap_or((&line[start.len()..], ""));
            entries.push((format!("{start}{name}"), Node::Text(said.trim().to_owned())));
        } else if line.starts_with('#') {
            comments.push(Node::Text(line.to_owned()));
        } else {
            sample(line, &mut entries)?;
        }
    }
    if !comments.is_empty() {
        entries.push(("#".to_owned(), Node::Lines(comments)));
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let twice = entries.windows(2).any(|two| two[0].0 == two[1].0);
    (!twice).then_some(Node::Metrics(entries))
}

/// A line with a value: its series, and what else it says of it.
fn sample(line: &str, entries: &mut Vec<(String, Node)>) -> Option<()> {
    let end = line.find(|letter: char| !is_of_name(letter)).filter(|end| *end > 0)?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = labels(rest)?;
    let series = if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) };
    // What stands behind the mark is an example of what was counted, with labels of its own.
    let (measured, exemplar) = rest.split_once(" # ").map_or((rest, None), |(before, after)| (before, Some(after)));
    let (value, at) = value_and_time(measured)?;
    if let Some(at) = at {
        entries.push((format!("{series} timestamp"), at));
    }
    if let Some(exemplar) = exemplar {
        entries.push((format!("{series} exemplar"), self::exemplar(exemplar)?));
    }
    entries.push((series, value));
    Some(())
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == ':'
}

/// `{b="2",a="1"} rest`: the labels, sorted, as they are written, and the rest.
fn labels(text: &str) -> Option<(Vec<&str>, &str)> {
    let Some(mut rest) = text.trim_start().strip_prefix('{') else { return Some((Vec::new(), text)) };
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(rest) = rest.strip_prefix('}') {
            labels.sort_unstable();
            return Some((labels, rest));
        }
        let opening = rest.find("=\"")?;
        if !rest[..opening].chars().all(is_of_name) {
            return None;
        }
        let value = opening + 2;
        let end = value + end_of_quoted(&rest[value..])? + 1;
        labels.push(&rest[..end]);
        rest = &rest[end..];
    }
}

/// Where the quotation ends; a backslash stands before what is escaped.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

fn value_and_time(text: &str) -> Option<(Node, Option<Node>)> {
    let mut words = text.split_ascii_whitespace();
    let value = number(words.next()?)?;
    let at = words.next().map(number);
    match (at, words.next()) {
        (None, _) => Some((value, None)),
        (Some(at), None) => Some((value, Some(at?))),
        (Some(_), Some(_)) => None,
    }
}

fn exemplar(text: &str) -> Option<Node> {
    let (labels, rest) = labels(text)?;
    let (observed, at) = value_and_time(rest)?;
    let labels = labels.iter().filter_map(|label| label.split_once('='));
    let labels = labels.map(|(name, value)| (name.to_owned(), Node::Text(value.trim_matches('"').to_owned())));
    let own = [("observed", Some(observed)), ("timestamp", at)];
    let own = own.into_iter().filter_map(|(name, node)| Some((name.to_owned(), node?)));
    Some(Node::map(labels.chain(own).collect()))
}

/// A number without an exponent: which numbers are written with one is for the library to choose.
fn number(text: &str) -> Option<Node> {
    let value: f64 = text.parse().ok()?;
    Some(Node::Number(if text.contains(['e', 'E']) { value.to_string() } else { text.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<(String, String)> {
        let Some(Node::Metrics(entries)) = parse(text) else { panic!("no metrics: {text}") };
        entries.into_iter().map(|(key, node)| (key, node.print())).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn each_series_has_a_place() {
        let page = "# HELP http_requests_total Requests, by code.\n# TYPE http_requests_total counter\n\
                    http_requests_total{method=\"get\",code=\"200\"} 1027 1395066363000\n\
                    http_requests_total{ code = \"400\" }  3\nup 1\nload 1.5e+06\nempty NaN\n";
        // A blank before `=` is in no format.
        assert_eq!(parse(page), None);
        let page = page.replace("{ code = \"400\" }", "{ code=\"400\", }");
        let expected = [
            ("# HELP http_requests_total", "Requests, by code."),
            ("# TYPE http_requests_total", "counter"),
            ("empty", "NaN"),
            ("http_requests_total{code=\"200\",method=\"get\"}", "1027"),
            ("http_requests_total{code=\"200\",method=\"get\"} timestamp", "1395066363000"),
            ("http_requests_total{code=\"400\"}", "3"),
            ("load", "1500000"),
            ("up", "1"),
        ];
        assert_eq!(keys(&page), pairs(&expected));
    }

    #[test]
    fn labels_may_hold_anything() {
        let page = r#"files{path="C:\\a b\\",said="} 3 # \"x\""} 1"#;
        assert_eq!(keys(page), pairs(&[(r#"files{path="C:\\a b\\",said="} 3 # \"x\""}"#, "1")]));
    }

    #[test]
    fn open_metrics_have_exemplars_and_an_end() {
        let page = "# TYPE foo histogram\n# UNIT foo seconds\n\
                    foo_bucket{le=\"0.1\"} 8 # {trace_id=\"oHg5SJ\"} 0.067 1520879607.789\nfoo_bucket{le=\"+Inf\"} +Inf\n# EOF\n";
        let expected = [
            ("#", "# EOF"),
            ("# TYPE foo", "histogram"),
            ("# UNIT foo", "seconds"),
            ("foo_bucket{le=\"+Inf\"}", "+Inf"),
            ("foo_bucket{le=\"0.1\"}", "8"),
            ("foo_bucket{le=\"0.1\"} exemplar", "{observed: 0.067, timestamp: 1520879607.789, trace_id: oHg5SJ}"),
        ];
        assert_eq!(keys(page), pairs(&expected));
    }

    #[test]
    fn other_texts_are_no_metrics() {
        for text in ["hello world", "up one", "up", "up{a=\"1} 1", "up 1 2 3", "a 1\na 2", "{a=\"1\"} 1", "up 1 # x"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(!may_be("text/plain", "up 1"));
        assert!(may_be("text/plain; version=0.0.4", "up 1") && may_be("text/plain", "# TYPE up gauge"));
    }
}
