//! Text that is safe to display: control characters are escaped, and widths are counted in columns. It knows nothing of
//! verdicts.

use unicode_width::UnicodeWidthChar as _;

/// Removes whole escape sequences for colours and the like (`ESC [ .. letter`), which are common in logs.
pub(super) fn without_colours(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\u{1b}[") {
        kept.push_str(&rest[..at]);
        let inside = rest[at + 2..].trim_start_matches(|letter| matches!(letter, '\u{20}'..='\u{3f}'));
        rest = inside.strip_prefix(|letter| matches!(letter, '\u{40}'..='\u{7e}')).unwrap_or(inside);
    }
    kept.push_str(rest);
    kept
}

/// One line in which each character is displayed as itself: characters that move the cursor, change the direction of
/// writing or are invisible are escaped.
pub(crate) fn line(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => clean.push_str("\\n"),
            '\r' => clean.push_str("\\r"),
            '\t' => clean.push_str("\\t"),
            // Variation selectors, which only choose between two pictures of a character.
            '\u{fe0e}' | '\u{fe0f}' => {}
            accent @ '\u{300}'..='\u{36f}' => clean.push(accent),
            // Line and paragraph separators, and marks for right-to-left text, which have a width in some tables.
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => clean.extend(letter.escape_unicode()),
            _ if letter.width().is_none_or(|width| width == 0) => clean.extend(letter.escape_unicode()),
            _ => clean.push(letter),
        }
    }
    clean
}

/// The width in columns.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|letter| letter.width().unwrap_or(0)).sum()
}

/// Shortens a text to at most `room` columns by removing its middle.
pub(super) fn shortened(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let tail_room = room.saturating_sub(1) / 2;
    let head = first(text, room.saturating_sub(1) - tail_room);
    let reversed: String = text.chars().rev().collect();
    let tail: String = first(&reversed, tail_room).chars().rev().collect();
    format!("{head}…{tail}")
}

/// Shortens two values to `room` columns each, so that the part in which they differ remains.
pub(super) fn shortened_pair(one: &str, other: &str, room: usize) -> (String, String) {
    if width(one) <= room && width(other) <= room {
        return (one.to_owned(), other.to_owned());
    }
    let common = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let skipped = common.saturating_sub(8);
    let cut = |text: &str| {
        let rest: String = text.chars().skip(skipped).collect();
        shortened(&if skipped > 1 { format!("…{rest}") } else { text.to_owned() }, room)
    };
    (cut(one), cut(other))
}

fn first(text: &str, room: usize) -> String {
    let mut used = 0;
    text.chars()
        .take_while(|letter| {
            used += letter.width().unwrap_or(0);
            used <= room
        })
        .collect()
}

/// Breaks a text into lines of at most `room` columns, at spaces if possible.
pub(super) fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in text.split(' ') {
        let mut word = word.to_owned();
        if !current.is_empty() && width(&current) + 1 + width(&word) > room {
            lines.push(std::mem::take(&mut current));
        }
        while width(&word) > room {
            let head = first(&word, room);
            word = word[head.len()..].to_owned();
            lines.push(head);
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(&word);
    }
    if !current.is_empty() {
        lines.push(current);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_and_control_characters_are_spelt_out() {
        let hostile = "a\u{1b}[31;1mred\u{1b}[0m \u{1b}]0;title\u{7} \u{9b}2J \u{202e}x\r\n\u{200b}\u{7f}";
        assert_eq!(
            line(&without_colours(hostile)),
            "ared \\u{1b}]0;title\\u{7} \\u{9b}2J \\u{202e}x\\r\\n\\u{200b}\\u{7f}"
        );
        assert_eq!(line("é e\u{301} 日本 ❤\u{fe0f}"), "é e\u{301} 日本 ❤");
    }

    #[test]
    fn what_is_too_long_loses_its_middle() {
        assert_eq!(shortened("/api/items/4711/parts", 12), "/api/i…parts");
        assert_eq!(shortened("日本語日本語", 7), "日…語");
        assert_eq!(shortened("short", 5), "short");
    }

    #[test]
    fn shortening_a_pair_keeps_the_part_that_differs() {
        let (one, other) = shortened_pair(&format!("{}x", "a".repeat(90)), &format!("{}y", "a".repeat(90)), 20);
        assert_eq!((one.as_str(), other.as_str()), ("…aaaaaaaax", "…aaaaaaaay"));
    }

    #[test]
    fn words_longer_than_a_line_are_cut() {
        assert_eq!(wrapped("ab cd abcdefgh x", 5), ["ab cd", "abcde", "fgh x"]);
        assert_eq!(wrapped("", 5), Vec::<String>::new());
    }
}
