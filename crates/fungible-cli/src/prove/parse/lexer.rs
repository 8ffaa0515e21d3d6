//! Text as atoms: words, numbers, times, and tokens that look random. It compares nothing.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, GeneralPurpose as Engine};

use super::timestamp::{self, Moment};

/// A piece of text that is compared as one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Atom<'t> {
    pub(crate) text: &'t str,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Time(Moment),
    /// 64 bits and more of what looks random.
    Opaque,
    /// A payload, then a time perhaps, then a signature.
    Signed,
    Number,
    Word,
    /// What stands between the others.
    Separator,
}

/// Percent signs and the common character references undone.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let mut plain = Cow::Borrowed(text);
    if has_percent(text)
        && let Ok(Cow::Owned(decoded)) = percent_encoding::percent_decode_str(text).decode_utf8()
    {
        plain = Cow::Owned(decoded);
    }
    if plain.contains('&') && plain.contains(';') {
        let mut decoded = plain.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
        for apostrophe in ["&#39;", "&#x27;", "&#039;", "&apos;"] {
            decoded = decoded.replace(apostrophe, "'");
        }
        plain = Cow::Owned(decoded.replace("&amp;", "&"));
    }
    plain
}

fn has_percent(text: &str) -> bool {
    text.as_bytes()
        .windows(3)
        .any(|three| three[0] == b'%' && three[1].is_ascii_hexdigit() && three[2].is_ascii_hexdigit())
}

/// So many places of one run of letters, digits and marks are tried for a token, fewer in a long one: each try may read the
/// whole run.
const TRIES: usize = 64;
const FEWEST_TRIES: usize = 4;
const MOST_TRIED: usize = 64 * 1024;

/// Cuts text into atoms, leaving nothing out.
pub(crate) fn atoms(text: &str) -> Vec<Atom<'_>> {
    let mut atoms = Vec::new();
    let mut at = 0;
    // Where the run ends that this place is in, and how many more places of it are tried.
    let (mut end, mut tries) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if at >= end {
            let length = run(rest, b"-_.:=+/");
            (end, tries) = (at + length, (MOST_TRIED / length.max(1)).clamp(FEWEST_TRIES, TRIES));
        }
        let (length, kind) = next(rest, tries > 0);
        tries = tries.saturating_sub(1);
        let piece = &rest[..length];
        match atoms.last_mut() {
            Some(Atom { text: gap, kind: Kind::Separator }) if kind == Kind::Separator => {
                *gap = &text[at - gap.len()..at + length];
            }
            _ => atoms.push(Atom { text: piece, kind }),
        }
        at += length;
    }
    join_times(text, atoms)
}

/// Everything but what stands between, in small letters.
pub(crate) fn words(text: &str) -> Vec<String> {
    let text = plain(text);
    atoms(&text).into_iter().filter(|atom| atom.kind != Kind::Separator).map(|atom| atom.text.to_lowercase()).collect()
}

/// A weekday, a day and a clock that stand together are one moment.
fn join_times<'t>(text: &'t str, atoms: Vec<Atom<'t>>) -> Vec<Atom<'t>> {
    if !atoms.iter().any(|atom| matches!(atom.kind, Kind::Time(Moment::Day(_)))) {
        return atoms;
    }
    let mut joined: Vec<Atom<'t>> = Vec::with_capacity(atoms.len());
    let mut starts: Vec<usize> = Vec::with_capacity(atoms.len());
    let mut at = 0;
    for atom in atoms {
        let end = at + atom.text.len();
        joined.push(atom);
        starts.push(at);
        at = end;
        if let [.., before, gap, last] = &joined[..]
            && gap.kind == Kind::Separator
            && gap.text.len() <= 2
            && let (Kind::Time(one), Kind::Time(other)) = (before.kind, last.kind)
            && let Some(moment) = one.with(other)
        {
            let keep = joined.len() - 3;
            joined.truncate(keep);
            starts.truncate(keep + 1);
            joined.push(Atom { text: &text[starts[keep]..end], kind: Kind::Time(moment) });
        }
    }
    joined
}

/// The first atom; a token only where `tokens` says that there may be one.
fn next(text: &str, tokens: bool) -> (usize, Kind) {
    let Some(first) = text.chars().next() else { return (0, Kind::Separator) };
    if !first.is_alphanumeric() && !matches!(first, '-' | '_' | '.') {
        return (first.len_utf8(), Kind::Separator);
    }
    if tokens && text.len() >= 11 {
        if let Some(length) = uuid(text) {
            return (length, Kind::Opaque);
        }
        if let Some(length) = signed(text) {
            return (length, Kind::Signed);
        }
    }
    // The mark between a day and its clock.
    if first == 'T' && matches!(timestamp::scan(&text[1..]), Some((_, Moment::Clock(_)))) {
        return (1, Kind::Separator);
    }
    if let Some((length, moment)) = timestamp::scan(text)
        && !text[length..].starts_with(|letter: char| letter.is_alphanumeric() && letter != 'T')
    {
        return (length, Kind::Time(moment));
    }
    if tokens && let Some(length) = opaque(text) {
        return (length, Kind::Opaque);
    }
    let length = text.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(text.len());
    if length == 0 {
        return (first.len_utf8(), Kind::Separator);
    }
    let word = &text[..length];
    if !word.bytes().all(|byte| byte.is_ascii_digit()) {
        return (length, Kind::Word);
    }
    let fraction =
        text[length..].strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    let length = if fraction > 0 { length + 1 + fraction } else { length };
    match timestamp::epoch(&text[..length]) {
        Some(seconds) => (length, Kind::Time(Moment::Epoch(seconds))),
        None => (length, Kind::Number),
    }
}

fn run(text: &str, also: &[u8]) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || also.contains(byte)).count()
}

fn uuid(text: &str) -> Option<usize> {
    let bytes = text.as_bytes().get(..36)?;
    let fits = bytes.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    (fits && !text.as_bytes().get(36).is_some_and(u8::is_ascii_alphanumeric)).then_some(36)
}

/// The longest run that looks random as a whole. A readable prefix (`cus_`, `session-`) is left to itself.
fn opaque(text: &str) -> Option<usize> {
    let length = run(text, b"-_");
    let prefix = text[..length].find(['-', '_']).filter(|at| *at > 0);
    if let Some(at) = prefix
        && text[..at].bytes().all(|byte| byte.is_ascii_alphabetic())
        && at <= 12
        && looks_random(&text[at + 1..length])
    {
        return None;
    }
    let wide = run(text, b"-_+/");
    let padding = text[wide..].bytes().take_while(|byte| *byte == b'=').count().min(2);
    // Without its padding base64 has any length but one more than whole groups of four.
    if (wide > length || padding > 0)
        && (if padding > 0 { (wide + padding).is_multiple_of(4) } else { wide % 4 != 1 })
        && wide >= 16
        && random_base64(&text[..wide])
    {
        return Some(wide + padding);
    }
    if looks_random(&text[..length]) {
        return Some(length);
    }
    let word = run(text, b"");
    looks_random(&text[..word]).then_some(word)
}

/// Base64 that holds no piece of a path.
fn random_base64(text: &str) -> bool {
    let readable = |piece: &str| piece.len() >= 3 && piece.bytes().all(|byte| byte.is_ascii_lowercase());
    looks_random(text) && !text.split(['/', '+']).any(readable)
}

/// 64 bits and more, by the letters used and how they alternate. Words do not alternate.
pub(crate) fn looks_random(text: &str) -> bool {
    #[derive(PartialEq)]
    enum Class {
        Lower,
        Upper,
        Digit,
    }
    let letters = text.bytes().filter(u8::is_ascii_alphanumeric);
    let (mut count, mut digits, mut lower, mut upper, mut changes, mut hex) = (0_u32, 0_u32, 0_u32, 0_u32, 0_u32, true);
    let mut last = None;
    for letter in letters {
        let class = match letter {
            b'0'..=b'9' => Class::Digit,
            b'a'..=b'z' => Class::Lower,
            _ => Class::Upper,
        };
        match class {
            Class::Digit => digits += 1,
            Class::Lower => lower += 1,
            Class::Upper => upper += 1,
        }
        hex &= letter.is_ascii_hexdigit();
        changes += u32::from(last.is_some() && last.as_ref() != Some(&class));
        last = Some(class);
        count += 1;
    }
    if count < 11 {
        return false;
    }
    if digits == count {
        return count >= 17 && text.len() == count as usize;
    }
    if hex && (lower == 0 || upper == 0) {
        return count >= 16 && digits >= 2;
    }
    let alphabet = u32::from(digits > 0) * 10 + u32::from(lower > 0) * 26 + u32::from(upper > 0) * 26;
    let bits = f64::from(count) * f64::from(alphabet.max(1)).log2();
    bits >= 64.0 && changes * 4 >= count && (digits > 0 || changes * 3 >= count)
}

/// Whether small and capital letters, digits and marks alternate as they do in base64url: in nearly all tokens of 64
/// bits and more, and in few words.
pub(crate) fn alternates(text: &str) -> bool {
    let class = |byte: &u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let classes: Vec<u8> = text.as_bytes().iter().map(class).collect();
    let changes = classes.windows(2).filter(|two| two[0] != two[1]).count();
    let all = (0..3).all(|class| classes.contains(&class));
    text.len() >= 11 && run(text, b"-_") == text.len() && (all || changes * 10 >= (text.len() - 1) * 3)
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const URL_SAFE: Engine = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);
const STANDARD: Engine = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);

/// Base64 in either alphabet.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    URL_SAFE.decode(text).or_else(|_| STANDARD.decode(text)).ok()
}

/// A token with a signature: what it says, when it was signed, if it says so.
#[derive(Debug, PartialEq)]
pub(crate) struct SignedToken {
    pub(crate) payload: String,
    pub(crate) signed: Option<f64>,
}

/// A signature, or more, has at least so many letters.
const SHORTEST_SIGNATURE: usize = 20;

/// Takes apart a JWT (`header.payload.signature`), a value with time and signature (`payload.time.signature`,
/// `payload:time:signature`), or JSON with a signature (`payload--signature`, as Rails and Mojolicious write it).
pub(crate) fn take_apart(text: &str) -> Option<SignedToken> {
    if let Some((payload, signature)) = text.rsplit_once("--")
        && signature.len() >= SHORTEST_SIGNATURE
        // Mojolicious pads with the same mark.
        && let Some(payload) = json(payload.trim_end_matches('-')).or_else(|| json(payload))
    {
        return Some(SignedToken { payload, signed: None });
    }
    let (rest, signature) = text.rsplit_once(['.', ':'])?;
    if signature.len() < SHORTEST_SIGNATURE {
        return None;
    }
    let mark = if text.as_bytes()[rest.len()] == b':' { ':' } else { '.' };
    let (payload, middle) = rest.rsplit_once(mark)?;
    if payload.starts_with("eyJ") && mark == '.' && !payload.contains('.') {
        let header = json(payload)?;
        // A JWT says when in its claims; what else signs a time has it in the middle.
        if let Some(claims) = json(middle) {
            return Some(SignedToken { payload: format!("[{header},{claims}]"), signed: None });
        }
    }
    let seconds = if mark == '.' { big_endian(middle).or_else(|| double(middle)) } else { base62(middle) }?;
    Some(SignedToken { payload: json(payload).unwrap_or_else(|| payload.to_owned()), signed: Some(seconds) })
}

fn json(text: &str) -> Option<String> {
    let decoded = String::from_utf8(base64(text)?).ok()?;
    decoded.starts_with(['{', '[', '"']).then_some(decoded)
}

fn plausible(seconds: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "the range is checked first")]
    (1_000_000_000..4_100_000_000).contains(&seconds).then_some(seconds as f64)
}

fn big_endian(text: &str) -> Option<f64> {
    if !(5..=7).contains(&text.len()) {
        return None;
    }
    let bytes = base64(text)?;
    plausible(bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

/// Seconds as a floating-point number of eight bytes.
fn double(text: &str) -> Option<f64> {
    let bytes = (text.len() == 11).then(|| base64(text))??;
    let seconds = f64::from_be_bytes(bytes.try_into().ok()?);
    (1e9..4.1e9).contains(&seconds).then_some(seconds)
}

fn base62(text: &str) -> Option<f64> {
    if text.len() != 6 {
        return None;
    }
    let mut sum = 0;
    for letter in text.bytes() {
        let digit = match letter {
            b'0'..=b'9' => letter - b'0',
            b'A'..=b'Z' => letter - b'A' + 10,
            b'a'..=b'z' => letter - b'a' + 36,
            _ => return None,
        };
        sum = sum * 62 + u64::from(digit);
    }
    plausible(sum)
}

fn signed(text: &str) -> Option<usize> {
    // Only what has two marks can be one; most text ends here.
    let length = run(text, b"-_.:=");
    if length < 26 {
        return None;
    }
    let token = text[..length].trim_end_matches(['.', ':', '=']);
    take_apart(token).map(|_| token.len())
}
