//! Finds texts that look like secrets anywhere: signed tokens and long opaque strings. It knows shapes only.

use std::ops::Range;

/// The places of texts with such a shape.
pub(super) fn find(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = bytes[at..].iter().take_while(|byte| in_run(**byte)).count();
        let run = &bytes[at..at + length];
        // A signed token has dots between its parts; base64 may continue after characters that also occur in paths.
        let whole = if run.starts_with(b"eyJ") && length >= 8 {
            bytes[at..].iter().take_while(|byte| in_run(**byte) || **byte == b'.').count()
        } else if let Some(length) = base64_length(&bytes[at..]) {
            length
        } else if is_opaque(run) {
            bytes[at..].iter().take_while(|byte| in_run(**byte) || b"+=".contains(byte)).count()
        } else {
            at += length + 1;
            continue;
        };
        found.push(at..at + whole);
        at += whole;
    }
    found
}

fn in_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// Base64 that is recognised by its characters: `+` inside or `=` at the end. Longer texts are found piece by piece.
fn base64_length(bytes: &[u8]) -> Option<usize> {
    let bytes = &bytes[..bytes.len().min(1024)];
    let body = bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte)).count();
    let padding = bytes[body..].iter().take_while(|byte| **byte == b'=').count();
    let text = &bytes[..body];
    let digits = text.iter().any(u8::is_ascii_digit);
    let signs = padding > 0 || text.contains(&b'+');
    (body >= 12 && signs && digits && tenths_per_piece(text) < 26).then_some(body + padding)
}

/// Whether a run of letters, digits, `_` and `-` is neither words nor a number. Random characters change between upper
/// case, lower case and digits at every second place; words do not.
fn is_opaque(run: &[u8]) -> bool {
    let letters = run.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let digits = run.iter().filter(|byte| byte.is_ascii_digit()).count();
    let segments: Vec<&[u8]> = run.split(|byte| matches!(byte, b'_' | b'-')).collect();
    let longest = segments.iter().map(|segment| segment.len()).max().unwrap_or(0);
    // One letter and many digits are a date ("2026-11-23T19") or a part number.
    let random = letters >= 2 && letters + digits >= 12 && longest >= 8 && {
        let tenths = tenths_per_piece(run);
        (digits > 0 && tenths < 26) || (letters + digits >= 16 && tenths < 22)
    };
    random || is_uuid(&segments) || segments.into_iter().any(is_long)
}

fn is_uuid(segments: &[&[u8]]) -> bool {
    let last = segments.len().saturating_sub(5);
    let lengths = segments[last..].iter().map(|segment| segment.len());
    lengths.eq([8, 4, 4, 4, 12]) && segments[last..].concat().iter().all(u8::is_ascii_hexdigit)
}

/// Whether no words of a language, joined or not, look like this.
fn is_long(segment: &[u8]) -> bool {
    let letters = segment.iter().any(u8::is_ascii_alphabetic);
    let hex = segment.iter().all(u8::is_ascii_hexdigit);
    letters && segment.len() >= 24 && (hex || pieces(segment) == 1 || tenths_per_piece(segment) < 35)
}

fn tenths_per_piece(run: &[u8]) -> usize {
    run.iter().filter(|byte| byte.is_ascii_alphanumeric()).count() * 10 / pieces(run).max(1)
}

/// Words in lower case (perhaps with a capital first), words in upper case, or numbers.
fn pieces(run: &[u8]) -> usize {
    let mut count = 0;
    let mut before = b'-';
    let mut before_that = b'-';
    for byte in run {
        let capitalised = before.is_ascii_uppercase() && !before_that.is_ascii_uppercase();
        let goes_on = class(*byte) == class(before) || (byte.is_ascii_lowercase() && capitalised);
        if class(*byte) != 0 && !goes_on {
            count += 1;
        }
        before_that = before;
        before = *byte;
    }
    count
}

fn class(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        b'0'..=b'9' => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_numbers_dates_and_paths_are_readable() {
        for text in [
            "2026-11-23T19:29:33.123Z",
            "AuthenticationFailedException in createUserWithEmailAndPassword",
            "127.0.0.1:40001",
            "node_modules/express-session/session/memory.js:142",
            "x86_64-unknown-linux-gnu",
            "python3.11/site-packages/flask",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
            "12345678901234567890",
            "application/json; charset=utf-8",
            "a_rather_long_name_with_many_words_in_it",
            "instance-1 shop-cart-2 v1-2-3-rc4-beta5",
            "internationalization",
            "text/event-stream",
        ] {
            assert!(find(text.as_bytes()).is_empty(), "{text}");
        }
    }

    #[test]
    fn tokens_ids_and_hashes_are_opaque() {
        for text in [
            "9f8a7b6c5d4e3f2a1b0c",
            "d9428888-122b-11e1-b85c-61cd3cbb3210",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl",
            "sess_9f8a7b6c5d4e",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "qZ3kP0xY7bLm",
            "fghjklqwrtzxcvbnmpsdfghj",
            "hVx3Tq+9aBcD/eFgH==",
        ] {
            assert!(!find(text.as_bytes()).is_empty(), "{text}");
        }
    }
}
