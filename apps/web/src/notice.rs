//! The message after a redirect. The address carries it as a code, which becomes a fixed sentence on the page: no instance
//! stores it, and nobody can make a link that shows other words.

/// A message on the next page about what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Notice {
    code: &'static str,
    /// The sentence.
    pub sentence: &'static str,
}

impl Notice {
    /// No message.
    pub const NOTHING: Notice = Notice::new("", "");
    /// After a registration.
    pub const REGISTERED: Notice = Notice::new("registered", "Welcome. You are registered and logged in.");
    /// After the end of a session.
    pub const LOGGED_OUT: Notice = Notice::new("out", "You are logged out.");
    /// After the end of all sessions of a user.
    pub const LOGGED_OUT_EVERYWHERE: Notice = Notice::new("everywhere", "You are logged out in every browser.");
    /// After a change of the password.
    pub const PASSWORD_CHANGED: Notice =
        Notice::new("password", "The password is changed. Every other browser is logged out.");
    /// When the session had ended before the form was sent.
    pub const LOG_IN_AGAIN: Notice =
        Notice::new("again", "Your session has ended. Log in, and what you typed is kept.");

    /// Those of the pages around the session.
    pub(crate) const ALL: [Notice; 5] = [
        Notice::REGISTERED,
        Notice::LOGGED_OUT,
        Notice::LOGGED_OUT_EVERYWHERE,
        Notice::PASSWORD_CHANGED,
        Notice::LOG_IN_AGAIN,
    ];

    /// A message with its code: lower-case letters.
    pub const fn new(code: &'static str, sentence: &'static str) -> Notice {
        Notice { code, sentence }
    }

    /// The address of the page `path` with this message on it.
    pub fn on(self, path: &str) -> String {
        let joint = if path.contains('?') { '&' } else { '?' };
        if self.code.is_empty() { path.to_owned() } else { format!("{path}{joint}notice={}", self.code) }
    }

    /// The message that the query of an address names: one of `known`, or none.
    pub(crate) fn of_query(query: &str, known: &[Notice]) -> Notice {
        let codes = query.split('&').filter_map(|field| field.strip_prefix("notice="));
        let all = || Notice::ALL.iter().chain(known);
        codes.into_iter().find_map(|code| all().find(|notice| notice.code == code)).copied().unwrap_or_default()
    }
}
