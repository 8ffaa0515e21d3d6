//! A line for people, in which nobody but us steers the terminal. It prints nothing.

use std::fmt::{self, Display, Formatter};

use crate::report::plain_line;

/// A line for people. What is put into it may come from anybody, so control characters are spelt out: only our own colours
/// steer the terminal.
#[derive(Debug, Clone, Default)]
pub(super) struct Line(String);

impl Line {
    pub(super) fn plain(mut self, text: &str) -> Line {
        self.0.push_str(&plain_line(text));
        self
    }

    /// As it is: whoever made the text has seen to it that it harms nobody.
    pub(super) fn made(text: String) -> Line {
        Line(text)
    }

    /// In the colour of this code, where `colour` says so.
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
