//! Names of secrets, and the values beside such names in a text: in JSON, forms, queries, HTML, XML, headers and logs.

#[cfg(test)]
mod tests;

use std::ops::Range;

/// A value whose name contains such a word is a secret.
const SECRET: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "pass",
    "passcode",
    "token",
    "secret",
    "session",
    "sessid",
    "sessionid",
    "phpsessid",
    "jsessionid",
    "sid",
    "csrf",
    "xsrf",
    "csrfmiddlewaretoken",
    "csrftoken",
    "xsrftoken",
    "jwt",
    "otp",
    "totp",
    "pin",
    "apikey",
    "accesskey",
    "secretkey",
    "authorization",
    "auth",
    "credential",
    "credentials",
    "signature",
    "sig",
    "cookie",
    "bearer",
    "assertion",
    "verifier",
    "ticket",
];

/// Endings of words that are written together: `PGPASSWORD`, `authtoken`.
const SECRET_END: &[&str] = &["password", "passwd", "pwd", "passphrase", "token", "secret", "apikey"];

/// Pairs of words with the same meaning.
const PAIRS: &[(&str, &str)] = &[
    ("api", "key"),
    ("access", "key"),
    ("private", "key"),
    ("session", "key"),
    ("signing", "key"),
    ("encryption", "key"),
    ("auth", "code"),
    ("authorization", "code"),
    ("verification", "code"),
    ("confirmation", "code"),
    ("reset", "code"),
    ("login", "code"),
    ("backup", "code"),
    ("recovery", "code"),
    ("invite", "code"),
];

/// If such a word follows, the name means something else: `token_type`, `session_timeout`.
const HARMLESS_END: &[&str] = &[
    "type", "url", "uri", "path", "dir", "file", "length", "count", "ttl", "age", "expires", "expiry", "timeout", "at",
    "in", "lifetime", "size", "field", "header", "error", "valid", "required", "policy", "status", "endpoint", "name",
];

/// Header fields with such a name that contain no secret: `Access-Control-Allow-Credentials: true`, `Sec-Fetch-Site`.
const HARMLESS_HEADERS: &[&str] = &["access-control-", "sec-"];

/// Whether a value with this name is a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let words = words(name);
    if words.last().is_some_and(|last| HARMLESS_END.contains(&last.as_str())) {
        return false;
    }
    let is_secret = |word: &String| SECRET.contains(&word.as_str()) || SECRET_END.iter().any(|end| word.ends_with(end));
    words.iter().any(is_secret)
        || words.windows(2).any(|two| PAIRS.contains(&(two[0].as_str(), two[1].as_str())))
        || words.last().is_some_and(|last| last == "code" && words.len() == 1)
}

/// The words of a name in lower case; `sessionId`, `session_id` and `session-id` have the same two.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small = false;
    for letter in name.chars() {
        if !letter.is_ascii_alphanumeric() || (letter.is_ascii_uppercase() && small) {
            words.push(String::new());
        }
        small = letter.is_ascii_lowercase();
        if letter.is_ascii_alphanumeric() {
            let mut word = words.pop().unwrap_or_default();
            word.push(letter.to_ascii_lowercase());
            words.push(word);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether an environment variable contains a secret: `STRIPE_KEY=..`. In other places a key may be one to sort by.
fn is_key_of(name: &[u8], behind: &[u8]) -> bool {
    let shouted = name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_');
    shouted && name.ends_with(b"_KEY") && behind.starts_with(b"=")
}

/// Whether a header field with this name contains a secret; cookies are handled separately.
pub(in crate::report) fn is_secret_header(name: &str) -> bool {
    is_secret(name) && !HARMLESS_HEADERS.iter().any(|prefix| name.to_ascii_lowercase().starts_with(prefix))
}

/// Whether a value may be shown although it has the name of a secret, because it is hardly more than yes or no.
pub(in crate::report) fn is_readable(name: &str, value: &[u8]) -> bool {
    let word = value.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    let password = ["pass", "pwd", "pin", "otp"].iter().any(|part| name.to_ascii_lowercase().contains(part));
    let number = value.iter().all(u8::is_ascii_digit) && value.len() <= 3;
    let constant = matches!(value, b"true" | b"false" | b"null" | b"None" | b"none" | b"undefined");
    // `code: 'ERR_RATE_LIMIT_STORE'`
    let constant_name = value.contains(&b'_') && !value.iter().any(u8::is_ascii_lowercase);
    let error_code = name.eq_ignore_ascii_case("code") && word && (value.len() < LONG_WORD || constant_name);
    value.is_empty() || constant || (number && !password) || error_code
}

/// The places of secrets in the value of this header field.
pub(super) fn in_header(name: &str, value: &[u8]) -> Vec<Range<usize>> {
    match name {
        "cookie" => in_cookies(value, usize::MAX),
        "set-cookie" => in_cookies(value, 1),
        _ if is_secret_header(name) && !is_readable(name, value) => vec![after_scheme(value)],
        _ => Vec::new(),
    }
}

/// The values of the first pairs `name=value`; in a `Set-Cookie` the others are attributes.
fn in_cookies(value: &[u8], pairs: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for pair in value.split(|byte| *byte == b';').take(pairs) {
        let sign = pair.iter().position(|byte| *byte == b'=').map_or(0, |at| at + 1);
        let inside = trimmed(value, start + sign..start + pair.len());
        let name = String::from_utf8_lossy(&pair[..sign.saturating_sub(1)]);
        if !inside.is_empty() && (sign == 0 || !says_little(&name, &value[inside.clone()])) {
            found.push(inside);
        }
        start += pair.len() + 1;
    }
    found
}

/// Whether the value of a cookie is not secret, like `theme=dark` or `page=2`, unless its name says otherwise.
fn says_little(name: &str, value: &[u8]) -> bool {
    let number = value.len() <= 3 && value.iter().all(u8::is_ascii_digit);
    let word = value.len() < 8 && value.iter().all(u8::is_ascii_lowercase);
    !is_secret(name) && (number || word)
}

/// `Bearer abc`: the scheme may be shown.
fn after_scheme(value: &[u8]) -> Range<usize> {
    let scheme = value.iter().position(|byte| *byte == b' ').filter(|at| {
        let word = value[..*at].to_ascii_lowercase();
        [&b"basic"[..], b"bearer", b"digest", b"token", b"apikey", b"negotiate", b"dpop", b"hawk"].contains(&&word[..])
    });
    trimmed(value, scheme.map_or(0, |at| at + 1)..value.len())
}

fn trimmed(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let inside = &bytes[range.clone()];
    let start = range.start + inside.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == b'"').count();
    let tail = inside.iter().rev().take_while(|byte| byte.is_ascii_whitespace() || **byte == b'"').count();
    start..start.max(range.end - tail)
}

/// The places of secrets beside their names in a text of any kind.
pub(super) fn in_text(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let length = text[at..].iter().take_while(|byte| in_name(**byte)).count();
        if length == 0 {
            match text[at] {
                b'<' => found.extend(in_tag(text, at)),
                b':' => found.extend(in_address(text, at)),
                _ => {}
            }
            at += 1;
            continue;
        }
        let name = String::from_utf8_lossy(&text[at..at + length]).to_lowercase();
        let end = at + length;
        // Camel case matters, so the name is checked in its original case.
        if ["bearer", "basic"].contains(&name.as_str()) && text.get(end) == Some(&b' ') {
            found.extend(Some(until(text, end + 1, stops_a_word)).filter(|range| range.len() >= 8));
        } else if ["cookie", "set-cookie"].contains(&name.as_str()) && text.get(end) == Some(&b':') {
            let line = until(text, end + 1, |byte| matches!(byte, b'\n' | b'\r' | b'\''));
            let inside = in_header(&name, &text[line.clone()]);
            found.extend(inside.into_iter().map(|range| line.start + range.start..line.start + range.end));
        } else if is_secret(&String::from_utf8_lossy(&text[at..end])) || is_key_of(&text[at..end], &text[end..]) {
            found.extend(beside(text, at, end));
        }
        at = end;
    }
    found
}

fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte)
}

fn stops_a_word(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"\"'`&;<>".contains(&byte)
}

fn until(text: &[u8], from: usize, mut stops: impl FnMut(u8) -> bool) -> Range<usize> {
    let from = from.min(text.len());
    from..from + text[from..].iter().take_while(|byte| !stops(**byte)).count()
}

/// The value that belongs to the name in `text[start..end]`.
fn beside(text: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    let name = String::from_utf8_lossy(&text[start..end]).into_owned();
    let skip_spaces = |from: usize| until(text, from, |byte| byte != b' ' && byte != b'\t').end;
    let quoted = text.get(end).filter(|byte| b"\"'".contains(byte));
    let mut at = end + usize::from(quoted.is_some());
    if quoted.is_some() && text[at..].starts_with(b"\r\n") {
        // A part of a multipart form: its value follows the empty line.
        let blank = text[at..].windows(4).take(FAR / 8).position(|four| four == b"\r\n\r\n")?;
        return Some(until(text, at + blank + 4, |byte| byte == b'\r' || byte == b'\n'));
    }
    if text[..start].ends_with(b"<") && text.get(at) == Some(&b'>') {
        return Some(until(text, at + 1, |byte| byte == b'<'));
    }
    let option = text[..start].ends_with(b"--") || name.starts_with("--");
    at = skip_spaces(at);
    let prose = match text.get(at)? {
        b'=' if text.get(at + 1) == Some(&b'>') => {
            at += 2;
            false
        }
        b'=' => {
            at += 1;
            false
        }
        b':' => {
            at += 1;
            quoted.is_none() && text.get(at) == Some(&b' ')
        }
        _ if option && at > end => false,
        _ => return None,
    };
    at = skip_spaces(at);
    let value = match text.get(at)? {
        quote @ (b'"' | b'\'' | b'`') => {
            let mut before = b' ';
            until(text, at + 1, |byte| {
                let ends = (byte == *quote && before != b'\\') || byte == b'\n';
                before = if before == b'\\' { b' ' } else { byte };
                ends
            })
        }
        b'{' | b'[' if !prose => return None,
        _ => {
            let scheme = after_scheme(&text[at..]).start;
            let range = until(text, at + scheme, stops_a_word);
            let tail = text[range.clone()].iter().rev().take_while(|byte| b",.)}]".contains(byte)).count();
            range.start..range.end - tail
        }
    };
    let inside = &text[value.clone()];
    // "session: expired" is a remark about a session.
    let word = prose
        && inside.len() < LONG_WORD
        && inside.iter().all(u8::is_ascii_lowercase)
        && !name.to_ascii_lowercase().contains("pass");
    (!word && !is_readable(&name, inside)).then_some(value)
}

const LONG_WORD: usize = 12;

/// How far the end of a tag is searched for; a bound, so that a text without ends does not take quadratic time.
const FAR: usize = 4096;

/// `<input name="csrf" value="..">`, with attributes in any order, and `<meta name=".." content="..">`.
fn in_tag(text: &[u8], start: usize) -> Option<Range<usize>> {
    if !text.get(start + 1).is_some_and(u8::is_ascii_alphabetic) {
        return None;
    }
    let tag = until(&text[..text.len().min(start + FAR)], start, |byte| byte == b'>');
    let mut secret = false;
    let mut value = None;
    let mut at = tag.start;
    while at < tag.end {
        let name = until(text, at, |byte| !in_name(byte));
        at = name.end.max(at + 1);
        if name.is_empty() || text.get(name.end) != Some(&b'=') {
            continue;
        }
        let inside = match text.get(name.end + 1) {
            Some(quote @ (b'"' | b'\'')) => until(text, name.end + 2, |byte| byte == *quote),
            _ => until(text, name.end + 1, |byte| byte.is_ascii_whitespace() || byte == b'>'),
        };
        at = inside.end;
        match text[name].to_ascii_lowercase().as_slice() {
            b"name" | b"id" | b"property" => secret |= is_secret(&String::from_utf8_lossy(&text[inside])),
            b"type" => secret |= text[inside].eq_ignore_ascii_case(b"password"),
            b"value" | b"content" => value = Some(inside),
            _ => {}
        }
    }
    value.filter(|value| secret && !value.is_empty())
}

/// The password in `scheme://user:password@host`.
fn in_address(text: &[u8], colon: usize) -> Option<Range<usize>> {
    let rest = text[colon..].strip_prefix(b"://")?;
    let host = until(rest, 0, |byte| stops_a_word(byte) || b"/?#".contains(&byte));
    let sign = rest[host].iter().rposition(|byte| *byte == b'@')?;
    let user = rest[..sign].iter().position(|byte| *byte == b':')?;
    Some(colon + 3 + user + 1..colon + 3 + sign)
}

/// Remarks of a comparison about a cookie (`lang.value`, `sid.expires`) that are not secret.
pub(super) fn is_readable_of_cookie(place: &str, value: &[u8]) -> bool {
    const ATTRIBUTES: &[&str] =
        &["expires", "max-age", "path", "domain", "secure", "httponly", "samesite", "partitioned", "priority"];
    match place.rsplit_once('.') {
        Some((_, attribute)) if ATTRIBUTES.contains(&attribute) => true,
        Some((name, "value")) => says_little(name, value),
        _ => false,
    }
}
