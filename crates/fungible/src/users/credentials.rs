//! The names and passwords that can be used. Knows no store.

/// In characters.
const LONGEST_NAME: usize = 64;
const SHORTEST_PASSWORD: usize = 8;
pub(super) const LONGEST_PASSWORD: usize = 1024;

/// The form in which names are compared: without regard to case.
pub(super) fn key_of(name: &str) -> String {
    name.trim().to_lowercase()
}

/// The name without space around it; or the sentence that says why it cannot be used.
pub(super) fn good_name(name: &str) -> Result<String, &'static str> {
    let name = name.trim();
    if name.is_empty() {
        Err("Please give a name.")
    } else if name.chars().count() > LONGEST_NAME {
        Err("This name is too long: 64 characters are the most.")
    } else if name.chars().any(|letter| letter.is_control() || is_invisible(letter)) {
        Err("This name has characters that cannot be shown.")
    } else {
        Ok(name.to_owned())
    }
}

/// Characters that are not shown, or that change the direction of those after them: with them two names would look the same.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

/// Accepts a new password; or returns the sentence that says why it cannot be used.
pub(super) fn good_password(password: &str) -> Result<(), &'static str> {
    if password.chars().count() < SHORTEST_PASSWORD {
        Err("This password is too short: please use at least 8 characters.")
    } else if password.chars().count() > LONGEST_PASSWORD {
        Err("This password is too long: 1024 characters are the most.")
    } else {
        Ok(())
    }
}
