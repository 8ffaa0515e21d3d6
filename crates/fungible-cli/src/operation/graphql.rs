//! Operations of GraphQL, as a document, in JSON or in a query, also where only the hash of a document comes.

use serde_json::Value;

use super::call::{Effect, Operation};

/// So much of a hash tells documents apart.
const TELLING: usize = 8;

/// The operation in the body of a POST.
pub(super) fn of_json(call: &Value) -> Option<Operation> {
    let text = |name: &str| call.get(name).and_then(Value::as_str);
    match text("query") {
        Some(document) => of_document(document, text("operationName")),
        None => persisted(call, text("operationName"), Effect::Writes),
    }
}

/// The operation in the query of a GET.
pub(super) fn of_query(query: &str) -> Option<Operation> {
    let field = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(key, _)| *key == name)?;
        let value = value.replace('+', " ");
        Some(percent_encoding::percent_decode_str(&value).decode_utf8_lossy().into_owned())
    };
    let name = field("operationName");
    if let Some(document) = field("query") {
        return of_document(&document, name.as_deref());
    }
    let extensions: Value = serde_json::from_str(&field("extensions")?).ok()?;
    // A GET must not be a mutation.
    persisted(&serde_json::json!({ "extensions": extensions }), name.as_deref(), Effect::Reads)
}

/// An operation of which only a hash is known.
fn persisted(call: &Value, name: Option<&str>, effect: Effect) -> Option<Operation> {
    let by_extension = || call.get("extensions")?.get("persistedQuery")?.get("sha256Hash")?.as_str();
    let hash = by_extension().or_else(|| call.get("documentId")?.as_str())?;
    let short: String = hash.chars().take(TELLING).collect();
    Some(Operation::one(name.map_or_else(|| format!("persisted {short}"), str::to_owned), effect))
}

/// The operation of a document: the one of this name, or the first. `None` where the text is no such document.
pub(super) fn of_document(document: &str, name: Option<&str>) -> Option<Operation> {
    let found = definitions(document)?;
    let asked = found.iter().find(|one| name.is_some() && one.name == name);
    let one = asked.or(found.first())?;
    let effect = if one.kind == "mutation" { Effect::Writes } else { Effect::Reads };
    Some(Operation::one(format!("{} {}", one.kind, one.name.unwrap_or(one.first_field)), effect))
}

struct Definition<'d> {
    kind: &'d str,
    name: Option<&'d str>,
    first_field: &'d str,
}

/// The operations that a document defines; fragments are left out.
fn definitions(document: &str) -> Option<Vec<Definition<'_>>> {
    let mut tokens = tokens(document).into_iter().peekable();
    let mut found = Vec::new();
    while let Some(first) = tokens.next() {
        let kind = match first {
            "{" => "query",
            "query" | "mutation" | "subscription" | "fragment" => first,
            _ => return None,
        };
        let name = tokens.next_if(|token| first != "{" && is_name(token));
        if first != "{" {
            // Its variables and directives, or the type of a fragment, come first; a variable may have a default value in braces.
            let mut within = 0;
            tokens.find(|token| {
                within += i32::from(*token == "(") - i32::from(*token == ")");
                *token == "{" && within == 0
            })?;
        }
        let mut field = tokens.next().filter(|token| is_name(token) || *token == "...")?;
        if tokens.next_if_eq(&":").is_some() {
            field = tokens.next().filter(|token| is_name(token))?;
        }
        let mut depth = 1;
        while depth > 0 {
            match tokens.next()? {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
        }
        if kind != "fragment" {
            found.push(Definition { kind, name, first_field: field });
        }
    }
    Some(found)
}

fn is_name(token: &str) -> bool {
    token.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
}

/// Names, numbers and signs, each as a piece of the text; texts, comments and commas are left out, a text leaves `"`.
fn tokens(document: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = document.trim_start_matches('\u{feff}');
    while let Some(letter) = rest.chars().next() {
        let in_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let length = match letter {
            '#' => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            '"' => {
                tokens.push(&rest[..1]);
                length_of_text(rest)
            }
            _ if in_word(letter) => {
                let end = rest.find(|letter| !in_word(letter)).unwrap_or(rest.len());
                tokens.push(&rest[..end]);
                end
            }
            '.' if rest.starts_with("...") => {
                tokens.push(&rest[..3]);
                3
            }
            _ => {
                if !letter.is_whitespace() && letter != ',' {
                    tokens.push(&rest[..letter.len_utf8()]);
                }
                letter.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of the text in quotes with which this begins.
fn length_of_text(rest: &str) -> usize {
    if let Some(block) = rest.strip_prefix("\"\"\"") {
        return block.find("\"\"\"").map_or(rest.len(), |end| end + 6);
    }
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, letter)| {
        let ends = *letter == '"' && !escaped;
        escaped = *letter == '\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |(at, _)| at + 1)
}
