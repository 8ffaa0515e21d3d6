//! A line of output in which only our own colours control the terminal. It prints nothing.

use std::fmt::{self, Display, Formatter};

use crate::report::plain_line;

/// A line of output. Its parts may come from other programs, so control characters are escaped; only our own colours
/// control the terminal.
#[derive(Debug, Clone, Default)]
pub(super) struct Line(String);

impl Line {
    /// Adds a text without colour.
    pub(super) fn plain(mut self, text: &str) -> Line {
        self.0.push_str(&plain_line(text));
        self
    }

    /// A text that is already safe to print.
    pub(super) fn made(text: String) -> Line {
        Line(text)
    }

    /// Adds a text in the colour of this code, if `colour` is set.
    pub(super) fn painted(self, colour: bool, code: u8, text: &str) -> Line {
        if !colour {
            return self.plain(text);
        }
        Line(format!("{}\u{1b}[{code}m{}\u{1b}[0m", self.0, plain_line(text)))
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Line {
        Line::default().plain(text)
    }
}

impl From<String> for Line {
    fn from(text: String) -> Line {
        Line::from(text.as_str())
    }
}

impl Display for Line {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Escapes all other characters of JSON, because it may be printed on a terminal, which some of them control.
pub(super) fn in_ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for letter in json.chars() {
        if matches!(letter, ' '..='~') {
            ascii.push(letter);
        } else {
            ascii.extend(letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    ascii
}
