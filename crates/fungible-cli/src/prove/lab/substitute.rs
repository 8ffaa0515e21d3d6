//! The answers that clients get where the effect of a request is withheld: that of a baseline with this run's names, or the
//! instance's own with other values in place of those that it minted. It sends nothing.

use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::exchange::{Body, Exchange, Headers, Outcome, Request};
use crate::prove::parse::{Kind, ParsedRequest, Place, Response, atoms, plain};

/// A status, the fields and the body of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) body: Bytes,
}

/// What is percent-encoded in the value of a cookie (RFC 3986, 2.3: all but the unreserved characters).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Shorter values stand in an answer for other things, too.
const SHORTEST: usize = 4;

/// The answer of this exchange of a baseline, to a request that carries its own values instead; `None` where there is none that could be
/// given again.
pub(super) fn recorded(baseline: &Exchange, request: &Request) -> Option<Answer> {
    let Outcome::Answered { status, headers, body: Body::Kept(body), complete: true } = &baseline.outcome else {
        return None;
    };
    let now = Exchange { request: request.clone(), frames: Vec::new(), ..baseline.clone() };
    let (before, now) = (ParsedRequest::of(baseline), ParsedRequest::of(&now));
    let pairs = before.values.iter().filter_map(|value| {
        let there = now.values.iter().find(|there| there.place == value.place)?;
        (value.text != there.text && value.text.len() >= SHORTEST).then(|| (value.text.clone(), there.text.clone()))
    });
    let answer = Answer { status: *status, headers: headers.clone(), body: body.clone() };
    Some(answer.with(pairs.collect()))
}

/// The answer with another value of the same make in place of each that stands at one of these places; `None` where none of them is found
/// in it, so that nothing would be withheld.
pub(super) fn replaced(answer: &Answer, request: &Request, places: &[String]) -> Option<Answer> {
    let exchange = Exchange {
        number: 1,
        connection: 1,
        instance: None,
        arrived: Duration::ZERO,
        ended: Duration::ZERO,
        request: request.clone(),
        outcome: Outcome::Answered {
            status: answer.status,
            headers: answer.headers.clone(),
            body: Body::Kept(answer.body.clone()),
            complete: true,
        },
        left: false,
        frames: Vec::new(),
        again: None,
    };
    let mut minted: Vec<String> = Vec::new();
    for (root, node) in Response::of(&exchange).iter().flat_map(|response| &response.parts) {
        node.leaves(&mut Place::root(root.clone()), &mut |place, text| {
            if places.contains(&place.to_string()) {
                minted.extend(values(&plain(text)));
            }
        });
    }
    minted.retain(|value| value.len() >= SHORTEST);
    let pairs = minted.into_iter().flat_map(|value| {
        let other = another(&value);
        // A cookie has its value percent-encoded where it needs that.
        let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        let raw = (encoded(&value), encoded(&other));
        [(value, other), raw]
    });
    let pairs: Vec<(String, String)> = pairs.collect();
    let changed = answer.clone().with(pairs);
    (changed != *answer).then_some(changed)
}

/// The tokens in a text, or its numbers, or all of it.
fn values(text: &str) -> Vec<String> {
    let atoms = atoms(text);
    let of = |kinds: &[Kind]| -> Vec<String> {
        let found = atoms.iter().filter(|atom| kinds.contains(&atom.kind));
        found.map(|atom| atom.text.to_owned()).collect()
    };
    [of(&[Kind::Opaque, Kind::Signed]), of(&[Kind::Number])]
        .into_iter()
        .find(|found| !found.is_empty())
        .unwrap_or_else(|| vec![text.to_owned()])
}

/// A value that looks like this one and is another: each digit and letter by one of its kind.
fn another(value: &str) -> String {
    let turned = |letter: char| match letter {
        '0'..='9' => char::from(b'0' + (letter as u8 - b'0' + 3) % 10),
        // Hexadecimal digits stay such.
        'a'..='f' => char::from(b'a' + (letter as u8 - b'a' + 1) % 6),
        'A'..='F' => char::from(b'A' + (letter as u8 - b'A' + 1) % 6),
        'g'..='z' => char::from(b'g' + (letter as u8 - b'g' + 1) % 20),
        'G'..='Z' => char::from(b'G' + (letter as u8 - b'G' + 1) % 20),
        other => other,
    };
    value.chars().map(turned).collect()
}

impl Answer {
    /// With each of these texts in place of the other, in fields and body. The longest first: one may hold another.
    fn with(mut self, mut pairs: Vec<(String, String)>) -> Answer {
        pairs.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        pairs.dedup();
        for (_, value) in &mut self.headers {
            *value = exchanged(value, &pairs);
        }
        self.body = exchanged(&self.body, &pairs).into();
        self
    }
}

/// One pass from left to right: what was put in is not looked at again.
fn exchanged(bytes: &[u8], pairs: &[(String, String)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(next) = bytes.get(at) {
        if let Some((text, other)) = pairs.iter().find(|(text, _)| bytes[at..].starts_with(text.as_bytes())) {
            out.extend_from_slice(other.as_bytes());
            at += text.len();
        } else {
            out.push(*next);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &'static str) -> Request {
        Request {
            method: "POST".to_owned(),
            target: "/login".to_owned(),
            headers: vec![("content-type".to_owned(), b"application/json".to_vec())],
            body: Body::Kept(Bytes::from_static(body.as_bytes())),
        }
    }

    fn answer(cookie: &str, body: &str) -> Answer {
        Answer {
            status: 200,
            headers: vec![
                ("content-type".to_owned(), b"application/json".to_vec()),
                ("set-cookie".to_owned(), cookie.as_bytes().to_vec()),
            ],
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    fn exchange(request: Request, Answer { status, headers, body }: Answer) -> Exchange {
        let outcome = Outcome::Answered { status, headers, body: Body::Kept(body), complete: true };
        let (arrived, ended) = (Duration::ZERO, Duration::ZERO);
        Exchange {
            number: 1,
            connection: 1,
            instance: None,
            arrived,
            ended,
            request,
            outcome,
            left: false,
            frames: Vec::new(),
            again: None,
        }
    }

    #[test]
    fn a_recorded_answer_names_what_this_run_sends() {
        let before = exchange(request(r#"{"user":"anna-17"}"#), answer("sid=a1b2c3d4e5", r#"{"hello":"anna-17"}"#));
        let given = recorded(&before, &request(r#"{"user":"anna-23"}"#)).unwrap();
        assert_eq!(given, answer("sid=a1b2c3d4e5", r#"{"hello":"anna-23"}"#));
    }

    #[test]
    fn what_was_minted_is_replaced_wherever_it_stands() {
        let token = "9f8e7d6c5b4a39281706f5e4d3c2b1a0";
        let given = answer(&format!("sid={token}; Path=/"), &format!(r#"{{"token":"{token}","name":"anna"}}"#));
        let places = ["body $.token".to_owned()];
        let other = another(token);
        assert_ne!(other, token);
        assert_eq!(other.len(), token.len());
        let expected = answer(&format!("sid={other}; Path=/"), &format!(r#"{{"token":"{other}","name":"anna"}}"#));
        assert_eq!(replaced(&given, &request("{}"), &places), Some(expected));
    }

    #[test]
    fn what_is_encoded_in_a_cookie_is_replaced_there() {
        let token = "gDh8Zk3/Qw+9fT6yUxV0pA==";
        let encoded = "gDh8Zk3%2FQw%2B9fT6yUxV0pA%3D%3D";
        let given = answer(&format!("sid={encoded}; Path=/"), "{}");
        let changed = replaced(&given, &request("{}"), &["header set-cookie sid.value".to_owned()]).unwrap();
        let cookie = String::from_utf8(changed.headers[1].1.clone()).unwrap();
        assert!(!cookie.contains(encoded) && cookie.starts_with("sid=") && cookie.ends_with("; Path=/"), "{cookie}");
        assert_eq!(cookie.len(), given.headers[1].1.len(), "{token} looks like {cookie}");
    }

    #[test]
    fn where_nothing_can_be_replaced_nothing_is_withheld() {
        let given = answer("sid=1", r#"{"name":"anna"}"#);
        assert_eq!(replaced(&given, &request("{}"), &["body $.token".to_owned()]), None);
    }

    #[test]
    fn what_has_no_body_to_give_again_is_not_given() {
        let mut before = exchange(request("{}"), answer("sid=1", "{}"));
        before.outcome = Outcome::Failed { status: 502, reason: "reset".to_owned() };
        assert_eq!(recorded(&before, &request("{}")), None);
    }
}
