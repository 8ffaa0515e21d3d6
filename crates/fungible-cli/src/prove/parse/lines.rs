//! Texts that are read line by line: JSON lines, and lines that end in `key=value` pairs, as logs have them.

use super::tree::Node;

/// Types of bodies in which each line is JSON.
const JSON_LINES: [&str; 3] = ["ndjson", "jsonl", "json-lines"];

/// Whether a body of this type has JSON in each line, even if it is one line only.
pub(super) fn is_json_lines(kind: &str) -> bool {
    JSON_LINES.iter().any(|name| kind.contains(name))
}

/// A list of trees; `None` where a line is something else.
pub(super) fn json_lines(text: &str) -> Option<Node> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let trees: Option<Vec<Node>> = lines.map(|line| serde_json::from_str(line).ok()).collect();
    trees.filter(|trees| !trees.is_empty()).map(Node::List)
}

/// Text by its lines.
pub(crate) fn lines(text: &str) -> Node {
    Node::Lines(text.lines().map(str::trim_end).map(|line| pairs(line).unwrap_or_else(|| text_of(line))).collect())
}

fn text_of(line: &str) -> Node {
    Node::Text(line.to_owned())
}

/// A line that ends in two and more `key=value` pairs; what stands before them is its `text`.
fn pairs(line: &str) -> Option<Node> {
    let words = words(line);
    let first = words.iter().rposition(|(_, word)| pair(word).is_none()).map_or(0, |at| at + 1);
    let found = words.get(first..).filter(|found| found.len() >= 2)?;
    let text = line[..found[0].0].trim_end();
    let text = (!text.is_empty()).then(|| ("text".to_owned(), text_of(text)));
    let mut entries: Vec<(String, Node)> = text.into_iter().collect();
    for (key, value) in found.iter().filter_map(|(_, word)| pair(word)) {
        add_numbered(&mut entries, key.to_owned(), text_of(value));
    }
    Some(Node::map(entries))
}

/// Adds an entry; a name that comes again gets its number.
pub(super) fn add_numbered(entries: &mut Vec<(String, Node)>, name: String, value: Node) {
    let again = entries.iter().filter(|(key, _)| key.split('#').next() == Some(&name)).count();
    let name = if again == 0 { name } else { format!("{name}#{}", again + 1) };
    entries.push((name, value));
}

/// The words of a line with their places; blanks within quotation marks separate none.
fn words(line: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let (mut start, mut quoted, mut escaped) = (None, false, false);
    for (at, letter) in line.char_indices() {
        if letter == ' ' && !quoted {
            words.extend(start.take().map(|start| (start, &line[start..at])));
            continue;
        }
        start.get_or_insert(at);
        quoted ^= letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
    }
    words.extend(start.map(|start| (start, &line[start..])));
    words
}

/// `status=200`, `msg="not found"`.
fn pair(word: &str) -> Option<(&str, &str)> {
    let (key, value) = word.split_once('=')?;
    let is_key = key.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && key.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.'));
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    (is_key && !value.starts_with('=')).then_some((key, unquoted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        lines(text).print()
    }

    #[test]
    fn pairs_of_a_log_have_names() {
        assert_eq!(
            of("2026-11-23T19:15:33Z INFO done method=GET path=/a?b=1 msg=\"not found\" took=3ms err="),
            "{err: , method: GET, msg: not found, path: /a?b=1, text: 2026-11-23T19:15:33Z INFO done, took: 3ms}"
        );
        assert_eq!(of("level=info id=1 id=2"), "{id: 1, id#2: 2, level: info}");
    }

    #[test]
    fn other_lines_are_texts() {
        for line in ["hello", "a=1", "a=1 b=2 and more", "/a?x=1&y=2 dGVzdA==", "a = 1", "x=\"1 y=2"] {
            assert_eq!(lines(line), Node::Lines(vec![text_of(line)]), "{line}");
        }
    }

    #[test]
    fn json_lines_are_trees() {
        assert_eq!(
            json_lines("{\"a\":1}\n\n{\"b\":[2]}\n").map(|node| node.print()).as_deref(),
            Some("[{a: 1}, {b: [2]}]")
        );
        assert_eq!(json_lines("{\"a\":1}\nend"), None);
        assert_eq!(json_lines("\n"), None);
        assert!(is_json_lines("application/x-ndjson") && !is_json_lines("application/json"));
    }
}
