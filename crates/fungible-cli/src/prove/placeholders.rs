//! The words in braces in a user's commands and files (`{port}`, `{run}`, ..): what they stand for, and which are misspelt.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the words in braces stand for, for one process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Placeholders {
    pub(crate) port: Option<u16>,
    /// Further ports, by name.
    pub(crate) ports: BTreeMap<String, u16>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) run: String,
    pub(crate) url: String,
}

impl Placeholders {
    /// Puts in what the words in braces stand for; braces around anything else stay, and `${port}`, which is a
    /// variable of the shell or of a script.
    pub(crate) fn fill(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            filled.push_str(&rest[..at]);
            rest = &rest[at..];
            let variable = filled.ends_with('$');
            let known = rest.find('}').filter(|_| !variable).and_then(|end| Some((end, self.word(&rest[1..end])?)));
            if let Some((end, word)) = known {
                filled.push_str(&word);
                rest = &rest[end + 1..];
            } else {
                filled.push('{');
                rest = &rest[1..];
            }
        }
        filled.push_str(rest);
        filled
    }

    fn word(&self, name: &str) -> Option<String> {
        match name {
            "port" => self.port.map(|port| port.to_string()),
            "dir" => self.dir.as_ref().map(|dir| dir.display().to_string()),
            "run" => Some(self.run.clone()),
            "url" => Some(self.url.clone()),
            _ => self.ports.get(name.strip_prefix("port:")?).map(u16::to_string),
        }
    }
}

/// Placeholders in braces that stand for nothing, each with the one that is a letter away from it and may be meant.
pub(crate) fn misspelt(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('{') {
        // `${prt}`, `%{prt}`, `#{prt}` and `{{prt}}` are of other languages.
        let foreign = text[..at].ends_with(['$', '%', '#', '{']);
        let Some((inside, _)) = text[at + 1..].split_once('}').filter(|_| !foreign) else { continue };
        let (word, name) = inside.split_once(':').map_or((inside, None), |(word, name)| (word, Some(name)));
        let mut meant = ["port", "dir", "run", "url"].into_iter().filter(|known| match name {
            Some(name) => *known == "port" && is_name(name),
            None => true,
        });
        if let Some(meant) = meant.find(|known| is_a_letter_away(word, known)) {
            let name = name.map_or_else(String::new, |name| format!(":{name}"));
            found.push((format!("{{{inside}}}"), format!("{{{meant}{name}}}")));
        }
    }
    found
}

/// One letter too many, too few, or another one, two that changed places, or capitals.
fn is_a_letter_away(word: &str, known: &str) -> bool {
    let (one, other) = (word.as_bytes(), known.as_bytes());
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let (one, other) = (&one[same..], &other[same..]);
    let same = one.iter().rev().zip(other.iter().rev()).take_while(|(one, other)| one == other).count();
    let (one, other) = (&one[..one.len() - same], &other[..other.len() - same]);
    match (one, other) {
        ([], []) => false,
        ([_] | [], [_] | []) => true,
        ([a, b], [c, d]) if a == d && b == c => true,
        _ => word.eq_ignore_ascii_case(known),
    }
}

/// The names of the further ports (`{port:NAME}`) in these texts, each once.
pub(crate) fn named_ports<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = texts
        .flat_map(|text| text.split("{port:").skip(1))
        .filter_map(|after| after.split_once('}'))
        .map(|(name, _)| name.to_owned())
        .filter(|name| is_name(name))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Placeholders {
        Placeholders {
            port: Some(4000),
            ports: BTreeMap::from([("admin".to_owned(), 4001)]),
            dir: Some("/tmp/a b".into()),
            run: "r1".to_owned(),
            url: "http://127.0.0.1:8080".to_owned(),
        }
    }

    #[test]
    fn words_in_braces_are_put_in() {
        for (text, expected) in [
            ("--port={port}", "--port=4000"),
            ("{port:admin}{port}", "40014000"),
            ("{dir}/x", "/tmp/a b/x"),
            ("app_{run}", "app_r1"),
            ("{url}/login", "http://127.0.0.1:8080/login"),
            ("{port:other} {ports} {} { {{port}}", "{port:other} {ports} {} { {4000}"),
            ("{\"json\": {\"port\": {port}}}", "{\"json\": {\"port\": 4000}}"),
            ("for run in 1 2; do echo ${run} {run}; done", "for run in 1 2; do echo ${run} r1; done"),
            ("${port}{port}", "${port}4000"),
            ("", ""),
            ("{", "{"),
        ] {
            assert_eq!(words().fill(text), expected, "{text}");
        }
    }

    #[test]
    fn a_word_without_meaning_here_stays() {
        assert_eq!(Placeholders { port: None, ..words() }.fill("{port}"), "{port}");
    }

    #[test]
    fn misspelt_words_are_found() {
        for (text, expected) in [
            ("--port={prt}", "{port}"),
            ("{prot} {port}", "{port}"),
            ("{PORT}", "{port}"),
            ("{prt:admin}", "{port:admin}"),
            ("app_{rn}", "{run}"),
            ("{urls}/login", "{url}"),
            ("{{prt}} ${prt} %{prt} #{prt} {unknown} {} { {port:run} {port} {run} {url} {dir} {}", ""),
            ("awk '{print}' {\"run\": 1} {id} {ur:x} {prt", ""),
        ] {
            let meant: Vec<String> = misspelt(text).into_iter().map(|(_, meant)| meant).collect();
            assert_eq!(meant.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn further_ports_are_found_by_name() {
        let texts = ["{port:b} {port:a}", "{port:b}", "{port}", "{port:", "{port:}", "{port:a b}"];
        assert_eq!(named_ports(texts.into_iter()), ["a", "b"]);
    }
}
