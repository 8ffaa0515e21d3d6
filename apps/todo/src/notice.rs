//! The message after a redirect. It travels as a code in the address and becomes a fixed sentence on the page:
//! no instance remembers it, and nobody can put words of his own on the page.

/// What was done, told on the next page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Notice {
    #[default]
    Nothing,
    Added,
    Ticked,
    Unticked,
    Renamed,
    Deleted,
    Registered,
    LoggedOut,
    LoggedOutEverywhere,
    PasswordChanged,
    LogInAgain,
}

const CODES: [(&str, Notice); 10] = [
    ("added", Notice::Added),
    ("ticked", Notice::Ticked),
    ("unticked", Notice::Unticked),
    ("renamed", Notice::Renamed),
    ("deleted", Notice::Deleted),
    ("registered", Notice::Registered),
    ("out", Notice::LoggedOut),
    ("everywhere", Notice::LoggedOutEverywhere),
    ("password", Notice::PasswordChanged),
    ("again", Notice::LogInAgain),
];

impl Notice {
    /// The address of the page `path` with this notice on it.
    pub(crate) fn on(self, path: &str) -> String {
        let code = CODES.iter().find(|(_, notice)| *notice == self);
        code.map_or_else(|| path.to_owned(), |(code, _)| format!("{path}?notice={code}"))
    }

    /// The notice of a code; none for a code that nobody gives.
    pub(crate) fn of_code(code: &str) -> Option<Self> {
        CODES.iter().find(|(known, _)| *known == code).map(|(_, notice)| *notice)
    }

    /// What the reader is told.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Added => "The task is added.",
            Self::Ticked => "The task is ticked.",
            Self::Unticked => "The task is no longer ticked.",
            Self::Renamed => "The task is renamed.",
            Self::Deleted => "The task is deleted.",
            Self::Registered => "Welcome. You are registered and logged in.",
            Self::LoggedOut => "You are logged out.",
            Self::LoggedOutEverywhere => "You are logged out in every browser.",
            Self::PasswordChanged => "The password is changed. Every other browser is logged out.",
            Self::LogInAgain => "Your session has ended. Log in, and what you typed is kept.",
        }
    }
}
