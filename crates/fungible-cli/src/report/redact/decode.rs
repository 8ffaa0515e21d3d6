//! Removes the encodings of a text and keeps the positions in the original. It knows nothing of secrets.

use std::ops::Range;

/// Decoded bytes, with the range of the original for each of them.
#[derive(Clone, Debug)]
pub(super) struct Level {
    pub(super) bytes: Vec<u8>,
    source: Vec<(usize, usize)>,
}

/// How many nested encodings are removed.
const DEPTH: usize = 4;

/// The text as it is, and then with percent, HTML and JavaScript escapes removed, again and again.
pub(super) fn levels(text: &str) -> Vec<Level> {
    let mut levels =
        vec![Level { bytes: text.bytes().collect(), source: (0..text.len()).map(|at| (at, at + 1)).collect() }];
    while levels.len() < DEPTH
        && let Some(next) = levels.last().and_then(Level::decoded)
    {
        levels.push(next);
    }
    levels
}

/// The bytes with all escapes removed.
pub(super) fn bare(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    levels(&text).pop().map_or_else(Vec::new, |level| level.bytes)
}

impl Level {
    /// The range of these bytes in the original.
    pub(super) fn original(&self, range: &Range<usize>) -> Range<usize> {
        self.source[range.start].0..self.source[range.end - 1].1
    }

    /// `None` if there is no escape.
    fn decoded(&self) -> Option<Level> {
        let first = (0..self.bytes.len()).find(|at| escape(&self.bytes[*at..]).is_some())?;
        let mut next = Level { bytes: self.bytes[..first].to_vec(), source: self.source[..first].to_vec() };
        let mut at = first;
        while at < self.bytes.len() {
            if let Some((bytes, length)) = escape(&self.bytes[at..]) {
                let from = (self.source[at].0, self.source[at + length - 1].1);
                next.source.extend(bytes.iter().map(|_| from));
                next.bytes.extend(bytes);
                at += length;
            } else {
                next.source.push(self.source[at]);
                next.bytes.push(self.bytes[at]);
                at += 1;
            }
        }
        Some(next)
    }
}

/// The escape at the start of the bytes: its meaning and its length.
fn escape(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    match bytes.first()? {
        b'%' => Some((vec![u8::try_from(number(bytes.get(1..3)?, 16)?).ok()?], 3)),
        b'&' => {
            let end = bytes.iter().take(12).position(|byte| *byte == b';')?;
            let letter = match &bytes[1..end] {
                b"amp" => '&',
                b"lt" => '<',
                b"gt" => '>',
                b"quot" => '"',
                b"apos" => '\'',
                [b'#', b'x' | b'X', digits @ ..] => char::from_u32(number(digits, 16)?)?,
                [b'#', digits @ ..] => char::from_u32(number(digits, 10)?)?,
                _ => return None,
            };
            Some((letter.to_string().into_bytes(), end + 1))
        }
        b'\\' => match bytes.get(1)? {
            b'u' => Some((char::from_u32(number(bytes.get(2..6)?, 16)?)?.to_string().into_bytes(), 6)),
            b'x' => Some((char::from_u32(number(bytes.get(2..4)?, 16)?)?.to_string().into_bytes(), 4)),
            b'n' => Some((vec![b'\n'], 2)),
            b'r' => Some((vec![b'\r'], 2)),
            b't' => Some((vec![b'\t'], 2)),
            byte @ (b'"' | b'\'' | b'\\' | b'/') => Some((vec![*byte], 2)),
            _ => None,
        },
        _ => None,
    }
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let all = !digits.is_empty() && digits.iter().all(|byte| char::from(*byte).is_digit(radix));
    u32::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| all)?, radix).ok()
}

/// The bytes of a base64 text (either alphabet), if its first character starts a group of four.
pub(super) fn base64(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0);
    for value in text.iter().map_while(|byte| digit64(*byte)) {
        bits = (bits << 6 | u32::from(value)) & 0xfff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff).to_le_bytes()[0]);
        }
    }
    bytes
}

/// The value of a base64 character, in either alphabet.
pub(super) fn digit64(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_taken_off_one_after_the_other_and_lead_back() {
        let text = "a%2541=&amp;#x62;\\u0063é";
        let levels = levels(text);
        let last = levels.last().unwrap();
        assert_eq!(String::from_utf8_lossy(&last.bytes), "aA=bcé");
        assert_eq!(last.original(&(1..2)), 1..6);
        assert_eq!(&text[last.original(&(3..4))], "&amp;#x62;");
    }

    #[test]
    fn base64_in_either_alphabet() {
        assert_eq!(base64(b"aGVsbG8/Pz8="), b"hello???");
        assert_eq!(base64(b"aGVsbG8_Pz8"), b"hello???");
    }

    #[test]
    fn what_is_no_escape_stays() {
        for text in ["100%", "%zz", "&nosuch;", "&#xffffffff;", "\\q", "%+1", "&"] {
            assert_eq!(levels(text).len(), 1, "{text}");
        }
    }
}
