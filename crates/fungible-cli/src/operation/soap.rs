//! Calls by SOAP. Nothing is known of what they change.

use super::call::{Effect, Operation};

/// The action that a field names (SOAP 1.1), or a parameter of the content type (1.2); else the first element of the body.
pub(super) fn operation(content_type: &str, soap_action: &str, body: &str) -> Option<Operation> {
    let parameters = content_type.split(';').skip(1).filter_map(|one| one.trim().split_once('='));
    let in_type = parameters.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("action")).map(|(_, value)| value);
    let action = [soap_action, in_type.unwrap_or_default()].into_iter().map(last_word).find(|name| !name.is_empty());
    let name = action.or_else(|| first_in_body(body))?;
    Some(Operation::one(name.to_owned(), Effect::Writes))
}

/// `GetQuote` of `"http://example.org/Quotes/GetQuote"` or `urn:quotes#GetQuote`
fn last_word(action: &str) -> &str {
    let action = action.trim().trim_matches('"').trim_end_matches('/');
    action.rsplit(['/', '#', ':']).next().unwrap_or_default()
}

/// The first element in the body of the envelope that this text is, without its prefix.
fn first_in_body(text: &str) -> Option<&str> {
    let mut names = elements(text);
    names.next().filter(|root| *root == "Envelope")?;
    names.find(|name| *name == "Body")?;
    names.next()
}

/// The elements in the order in which they begin, by their local names.
fn elements(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            rest = &rest[rest.find('<')? + 1..];
            if let Some(comment) = rest.strip_prefix("!--") {
                rest = &comment[comment.find("-->")?..];
                continue;
            }
            let end = rest.find(|letter: char| letter == '>' || letter == '/' || letter.is_whitespace())?;
            let name = &rest[..end];
            if !name.is_empty() && !name.starts_with(['?', '!']) {
                return Some(name.rsplit(':').next().unwrap_or(name));
            }
        }
    })
}
