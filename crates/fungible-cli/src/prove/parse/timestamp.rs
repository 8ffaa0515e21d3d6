//! Times and spans of time in the formats that services write. It knows no clock: two times are the same when they
//! lie equally far from the beginnings of their own runs.

/// A time as text can say it. Epochs and clocks in seconds, days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Moment {
    Epoch(f64),
    Day(i64),
    Clock(f64),
    Weekday,
    /// A duration, or how long ago.
    Span(f64),
}

/// How two runs lie in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shift {
    /// Seconds from the beginning of the one run to the beginning of the other.
    pub(crate) between: f64,
    /// Seconds by which times may lie apart all the same: runs take different times to come to the same request.
    pub(crate) slack: f64,
    /// Beginning of the first run, seconds since 1970.
    pub(crate) began: f64,
}

impl Moment {
    /// What this and the piece after it say together.
    pub(crate) fn with(self, after: Moment) -> Option<Moment> {
        match (self, after) {
            (Moment::Weekday, Moment::Day(_)) => Some(after),
            #[expect(clippy::cast_precision_loss, reason = "days of this age are small numbers")]
            (Moment::Day(day), Moment::Clock(seconds)) => Some(Moment::Epoch(day as f64 * DAY + seconds)),
            _ => None,
        }
    }
}

const DAY: f64 = 86_400.0;

impl Shift {
    /// Whether both say the same time, seen from their own runs.
    pub(crate) fn same(&self, baseline: Moment, attack: Moment) -> bool {
        match (baseline, attack) {
            (Moment::Epoch(r), Moment::Epoch(a)) => (a - r - self.between).abs() <= self.slack,
            (Moment::Clock(r), Moment::Clock(a)) => {
                let off = (a - r - self.between).rem_euclid(DAY);
                off.min(DAY - off) <= self.slack + 1.0
            }
            (Moment::Day(r), Moment::Day(a)) => {
                #[expect(clippy::cast_precision_loss, reason = "days of this age are small numbers")]
                let apart = (a - r) as f64 * DAY - self.between;
                apart.abs() <= DAY && self.passes_a_midnight()
            }
            (Moment::Weekday, Moment::Weekday) => self.passes_a_midnight(),
            (Moment::Span(r), Moment::Span(a)) => (a - r).abs() <= self.slack,
            _ => false,
        }
    }

    /// Whether it was midnight somewhere between the runs: zones lie half an hour apart.
    fn passes_a_midnight(&self) -> bool {
        let half_hour = |at: f64| (at / 1800.0).floor();
        let (from, to) = (self.began.min(self.began + self.between), self.began.max(self.began + self.between));
        half_hour(from - self.slack) < half_hour(to + self.slack)
    }
}

/// The time that the text begins with, and its length in bytes. The text before must not end in a letter or digit.
pub(crate) fn scan(text: &str) -> Option<(usize, Moment)> {
    let first = *text.as_bytes().first()?;
    if first.is_ascii_digit() {
        return iso_day(text)
            .or_else(|| numeric_day(text))
            .or_else(|| clock(text))
            .or_else(|| day_month_year(text))
            .or_else(|| span(text));
    }
    if !first.is_ascii_alphabetic() {
        return None;
    }
    month_first(text).or_else(|| weekday(text)).or_else(|| span_in_words(text))
}

/// A number of seconds, milli-, micro- or nanoseconds since 1970, between 2001 and 2100.
pub(crate) fn epoch(number: &str) -> Option<f64> {
    let whole = number.split('.').next().unwrap_or(number);
    let unit = match whole.len() {
        10 => 1.0,
        13 => 1e3,
        16 => 1e6,
        19 => 1e9,
        _ => return None,
    };
    let seconds = number.parse::<f64>().ok()? / unit;
    (1e9..4.1e9).contains(&seconds).then_some(seconds)
}

/// Reads fixed-width digits, giving the value and how many there were.
fn digits(text: &str, least: usize, most: usize) -> Option<(i64, usize)> {
    let length = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if length < least || text.as_bytes().get(length).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    Some((text[..length].parse().ok()?, length))
}

fn day_number(year: i64, month: i64, day: i64) -> Option<Moment> {
    if !(1900..=2200).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days from the civil calendar, years beginning in March.
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(Moment::Day(era * 146_097 + day_of_era - 719_468))
}

fn ends_here(text: &str, at: usize) -> bool {
    !text.as_bytes().get(at).is_some_and(u8::is_ascii_digit)
}

/// `2026-11-23` and `2026/11/23`, after which a `T` and a clock may follow; as a whole `20261123T191533Z` and
/// `2026-11-23_19-15-33`. (`20261123-000017` is an order rather than a time.)
fn iso_day(text: &str) -> Option<(usize, Moment)> {
    let bytes = text.as_bytes();
    if bytes.get(8) == Some(&b'T') && bytes[..8].iter().all(u8::is_ascii_digit) {
        let part = |from: usize, to: usize| text[from..to].parse::<i64>().ok();
        let day = day_number(part(0, 4)?, part(4, 6)?, part(6, 8)?)?;
        return at_clock(day, 8, text);
    }
    let (year, 4) = digits(text, 4, 4)? else { return None };
    let mark = *bytes.get(4)?;
    if mark != b'-' && mark != b'/' || bytes.get(7) != Some(&mark) {
        return None;
    }
    let (month, _) = digits(text.get(5..7)?, 2, 2)?;
    let (day, _) = digits(text.get(8..10)?, 2, 2)?;
    let day = day_number(year, month, day)?;
    if !ends_here(text, 10) {
        return None;
    }
    at_clock(day, 10, text).or(Some((10, day)))
}

/// The day with the clock that stands at this place.
fn at_clock(day: Moment, at: usize, text: &str) -> Option<(usize, Moment)> {
    let (length, seconds) = file_clock(text.get(at..)?)?;
    Some((at + length, day.with(Moment::Clock(seconds))?))
}

/// `T191533Z`, `_19-15-33`: a clock without colons.
fn file_clock(text: &str) -> Option<(usize, f64)> {
    let from = usize::from(text.starts_with(['T', '_', '-', ' ']));
    let rest = text.get(from..)?;
    let mark = usize::from(rest.as_bytes().get(2) == Some(&b'-'));
    let (hours, minutes, seconds) =
        (rest.get(..2)?, rest.get(2 + mark..4 + mark)?, rest.get(4 + 2 * mark..6 + 2 * mark)?);
    let is_clock = if mark == 1 { rest.as_bytes().get(5) == Some(&b'-') } else { text.starts_with('T') };
    if !is_clock || !ends_here(rest, 6 + 2 * mark) {
        return None;
    }
    let number = |text: &str| digits(text, 2, 2).and_then(|(number, _)| i32::try_from(number).ok());
    let (hours, minutes, seconds) = (number(hours)?, number(minutes)?, number(seconds)?);
    let end = from + 6 + 2 * mark;
    let length = end + usize::from(text.as_bytes().get(end) == Some(&b'Z'));
    (hours < 24 && minutes < 60 && seconds < 61).then(|| (length, f64::from(hours * 3600 + minutes * 60 + seconds)))
}

/// `23/11/2026`, `11/23/2026`, `23.11.2026`.
fn numeric_day(text: &str) -> Option<(usize, Moment)> {
    let (first, a) = digits(text, 1, 2)?;
    let mark = *text.as_bytes().get(a)?;
    if !matches!(mark, b'/' | b'.' | b'-') {
        return None;
    }
    let (second, b) = digits(text.get(a + 1..)?, 1, 2)?;
    let at = a + 1 + b;
    if *text.as_bytes().get(at)? != mark {
        return None;
    }
    let (year, c) = digits(text.get(at + 1..)?, 4, 4)?;
    let (day, month) = if second > 12 { (second, first) } else { (first, second) };
    Some((at + 1 + c, day_number(year, month, day)?))
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// A month's name, in full or by three letters, and its length.
fn month(text: &str) -> Option<(i64, usize)> {
    let length = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let word = text.get(..length)?.to_ascii_lowercase();
    if length < 3 {
        return None;
    }
    let at = MONTHS
        .iter()
        .position(|name| *name == word || name[..3] == word || word == "sept" && name.starts_with(&word))?;
    Some((i64::try_from(at).ok()? + 1, length))
}

/// `23 Nov 2026`, `23-Nov-2026`, `23/Nov/2026` (in access logs), `23 November 2026`.
fn day_month_year(text: &str) -> Option<(usize, Moment)> {
    let (day, length) = digits(text, 1, 2)?;
    let at = past(text, length, b" -./");
    let (month, length) = month(text.get(at..)?)?;
    let at = past(text, at + length, b" -.,/");
    let (year, length) = digits(text.get(at..)?, 4, 4)?;
    Some((at + length, day_number(year, month, day)?))
}

/// `Nov 23, 2026`, and `Nov 23 19:15:33 2026` (where the year is left to itself).
fn month_first(text: &str) -> Option<(usize, Moment)> {
    let (month, length) = month(text)?;
    let at = past(text, length, b" .");
    let (day, length) = digits(text.get(at..)?, 1, 2)?;
    let after_day = at + length;
    let ending = ["st", "nd", "rd", "th"].iter().any(|ending| text[after_day..].starts_with(ending));
    let at = past(text, if ending { after_day + 2 } else { after_day }, b" ,");
    match digits(text.get(at..)?, 4, 4) {
        Some((year, length)) => Some((at + length, day_number(year, month, day)?)),
        // Two days of one unnamed year lie as far apart as in any year.
        None => Some((after_day, day_number(2024, month, day)?)),
    }
}

/// The first place from here on where none of these marks stands.
fn past(text: &str, at: usize, marks: &[u8]) -> usize {
    at + text[at..].bytes().take_while(|byte| marks.contains(byte)).count()
}

const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

fn weekday(text: &str) -> Option<(usize, Moment)> {
    let length = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let word = text.get(..length)?.to_ascii_lowercase();
    let is_one = length >= 3 && WEEKDAYS.iter().any(|name| *name == word || name[..3] == word);
    is_one.then_some((length, Moment::Weekday))
}

/// `19:15`, `19:15:33.123Z`, `7:15 PM`, `19:15:33+01:00`.
fn clock(text: &str) -> Option<(usize, Moment)> {
    let (hours, a) = digits(text, 1, 2)?;
    if text.as_bytes().get(a) != Some(&b':') {
        return None;
    }
    let (minutes, b) = digits(text.get(a + 1..)?, 2, 2)?;
    let mut at = a + 1 + b;
    let mut seconds = 0.0;
    if text.as_bytes().get(at) == Some(&b':')
        && let Some((whole, c)) = digits(text.get(at + 1..)?, 2, 2)
    {
        let mut end = at + 1 + c;
        seconds = f64::from(i32::try_from(whole).ok()?);
        if matches!(text.as_bytes().get(end), Some(b'.' | b',')) {
            let fraction = text[end + 1..].bytes().take_while(u8::is_ascii_digit).count();
            end += if fraction > 0 { fraction + 1 } else { 0 };
        }
        at = end;
    }
    if hours > 24 || minutes > 59 || !ends_here(text, at) {
        return None;
    }
    let mut hours = i32::try_from(hours).ok()?;
    let rest = text[at..].trim_start_matches([' ', '\u{202f}', '\u{a0}']);
    let half = rest.get(..2).unwrap_or_default().to_ascii_lowercase();
    if (half == "am" || half == "pm") && !rest.as_bytes().get(2).is_some_and(u8::is_ascii_alphanumeric) {
        hours = hours % 12 + if half == "pm" { 12 } else { 0 };
        at = text.len() - rest.len() + 2;
    }
    let zone = text.as_bytes().get(at).copied();
    if zone == Some(b'Z') {
        at += 1;
    } else if matches!(zone, Some(b'+' | b'-')) && text.as_bytes()[at + 1..].iter().take(2).all(u8::is_ascii_digit) {
        let length = text[at + 1..].bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b':').count();
        at += if matches!(length, 4 | 5) { length + 1 } else { 0 };
    }
    let minutes = f64::from(i32::try_from(minutes).ok()?);
    Some((at, Moment::Clock(f64::from(hours) * 3600.0 + minutes * 60.0 + seconds)))
}

/// Seconds in a unit. `m` and `h` alone are units only right behind their number.
fn unit(word: &str, close: bool) -> Option<f64> {
    Some(match word {
        "ns" | "nanoseconds" => 1e-9,
        "us" | "µs" | "μs" | "microseconds" => 1e-6,
        "ms" | "msec" | "msecs" | "millis" | "milliseconds" | "millisecond" => 1e-3,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "min" | "mins" | "minute" | "minutes" => 60.0,
        "m" if close => 60.0,
        "hr" | "hrs" | "hour" | "hours" => 3600.0,
        "h" if close => 3600.0,
        _ => return None,
    })
}

fn word_length(text: &str) -> usize {
    text.find(|letter: char| !letter.is_alphabetic()).unwrap_or(text.len())
}

/// `12ms`, `0.3 s`, `3 seconds ago`.
fn span(text: &str) -> Option<(usize, Moment)> {
    let number = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let value: f64 = text[..number].parse().ok()?;
    let gap = usize::from(text[number..].starts_with(' '));
    let word = text.get(number + gap..)?;
    let length = word_length(word);
    let per = unit(&word[..length], gap == 0)?;
    let at = number + gap + length;
    if text[at..].starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    Some((at + ago(&text[at..]), Moment::Span(value * per)))
}

fn ago(rest: &str) -> usize {
    if rest.starts_with(" ago") && word_length(&rest[1..]) == 3 { 4 } else { 0 }
}

/// `just now`, `a few seconds ago`, `less than a minute ago`.
fn span_in_words(text: &str) -> Option<(usize, Moment)> {
    let lower = text.get(..text.len().min(48)).unwrap_or_default().to_ascii_lowercase();
    for (phrase, seconds) in [("just now", 0.0), ("a moment ago", 5.0), ("moments ago", 5.0), ("right now", 0.0)] {
        if lower.starts_with(phrase) {
            return Some((phrase.len(), Moment::Span(seconds)));
        }
    }
    let mut at = 0;
    for lead in ["less than ", "about ", "almost ", "over ", "around "] {
        at += if lower[at..].starts_with(lead) { lead.len() } else { 0 };
    }
    let mut value = None;
    for (count, of) in [("a few ", 5.0), ("few ", 5.0), ("an ", 1.0), ("a ", 1.0), ("one ", 1.0)] {
        if value.is_none() && lower[at..].starts_with(count) {
            at += count.len();
            value = Some(of);
        }
    }
    let Some(value) = value else {
        // `about 3 minutes ago`: the number is scanned by itself, with its unit.
        return (at > 0).then(|| span(lower.get(at..)?).map(|(length, span)| (at + length, span))).flatten();
    };
    let length = word_length(&lower[at..]);
    let per = unit(lower.get(at..at + length)?, false)?;
    let end = at + length;
    let ago = ago(&lower[end..]);
    (ago > 0).then_some((end + ago, Moment::Span(value * per)))
}
