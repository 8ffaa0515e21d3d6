//! Finds passwords in command lines, which have no name beside them: `curl -u ann:secret`, `mysql -psecret`. It knows
//! the options of a few programs.

use std::ops::Range;

/// A program, by the prefix of its name, and its option for a password.
struct PasswordOption {
    program: &'static [u8],
    option: &'static [u8],
    /// Whether the password may be a separate word: `-p secret`. For other programs that word is the name of a
    /// database.
    apart: bool,
}

const PASSWORD_OPTIONS: &[PasswordOption] = &[
    PasswordOption { program: b"mysql", option: b"-p", apart: false },
    PasswordOption { program: b"mariadb", option: b"-p", apart: false },
    PasswordOption { program: b"mycli", option: b"-p", apart: false },
    PasswordOption { program: b"sshpass", option: b"-p", apart: true },
    PasswordOption { program: b"mongo", option: b"-p", apart: true },
    PasswordOption { program: b"redis-cli", option: b"-a", apart: true },
    PasswordOption { program: b"valkey-cli", option: b"-a", apart: true },
];

/// Options of any program whose value is `user:password`.
const USERS: &[&[u8]] = &[b"-u", b"--user", b"-U", b"--proxy-user"];

/// The places of passwords in a text, which may contain commands.
pub(super) fn find(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut known: Option<&PasswordOption> = None;
    let mut before: &[u8] = b"";
    let mut at = 0;
    while at < text.len() {
        if ends_a_command(text[at]) {
            (known, before) = (None, b"");
        }
        let apart = known.filter(|one| one.apart).map(|one| one.option);
        let awaited = USERS.contains(&before) || apart.is_some_and(|option| before == option);
        let quoted = is_quote(text[at]);
        // A quote around something else may contain a whole command.
        if ends_a_word(text[at]) && !(quoted && awaited) {
            at += 1;
            continue;
        }
        let start = at + usize::from(quoted);
        let stops = |byte: u8| if quoted { byte == text[at] || byte == b'\n' } else { ends_a_word(byte) };
        let word = start..start + text[start..].iter().take_while(|byte| !stops(**byte)).count();
        at = word.end.max(at + 1);
        let written = &text[word.clone()];
        let option = known.map(|one| one.option).filter(|option| written.starts_with(option));
        let pair = [&b"--user="[..], b"-u"].into_iter().find(|option| written.starts_with(option));
        let attached = option.or(pair).map_or(0, <[u8]>::len);
        let mut value = word.start + attached..word.end;
        if attached > 0 && value.is_empty() && text.get(at).is_some_and(|byte| is_quote(*byte)) {
            let (quote, inside) = (text[at], at + 1);
            let length = text[inside..].iter().take_while(|byte| ![quote, b'\n'].contains(byte)).count();
            value = inside..inside + length;
            at = value.end;
        }
        let of_user = USERS.contains(&before) || (option.is_none() && pair.is_some());
        if of_user {
            found.extend(password_of(text, value));
        } else if awaited || option.is_some() {
            found.push(value);
        }
        let name = written.rsplit(|byte| *byte == b'/').next().unwrap_or(written);
        known = PASSWORD_OPTIONS.iter().find(|one| name.starts_with(one.program)).or(known);
        before = written;
    }
    found.retain(|range| !range.is_empty());
    found
}

fn ends_a_command(byte: u8) -> bool {
    b"\n;|&()".contains(&byte)
}

fn is_quote(byte: u8) -> bool {
    b"\"'`".contains(&byte)
}

fn ends_a_word(byte: u8) -> bool {
    byte.is_ascii_whitespace() || ends_a_command(byte) || is_quote(byte)
}

/// The password in `user:password`; two numbers are a user id and a group id.
fn password_of(text: &[u8], pair: Range<usize>) -> Option<Range<usize>> {
    let written = &text[pair.clone()];
    let colon = written.iter().position(|byte| *byte == b':')?;
    let numbers = written.iter().all(|byte| byte.is_ascii_digit() || *byte == b':');
    let address = written[colon..].starts_with(b"://");
    (!numbers && !address).then_some(pair.start + colon + 1..pair.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_commands() {
        for (text, secret) in [
            ("mysql -pTr0ub4dor9 shop", "Tr0ub4dor9"),
            ("sudo /usr/bin/mysqldump -u root -p'two words' shop", "two words"),
            ("docker exec db mariadb -uroot -pTr0ub4dor9", "Tr0ub4dor9"),
            ("sshpass -p Tr0ub4dor9 ssh host", "Tr0ub4dor9"),
            ("redis-cli -a Tr0ub4dor9 flushall", "Tr0ub4dor9"),
            ("mongosh -u ann -p Tr0ub4dor9", "Tr0ub4dor9"),
            ("curl -u ann:Tr0ub4dor9 localhost", "Tr0ub4dor9"),
            ("curl -uann:Tr0ub4dor9 localhost", "Tr0ub4dor9"),
            ("curl --user \"ann:Tr0ub4dor9\" localhost", "Tr0ub4dor9"),
            ("it's: `curl --user=ann:a:b;`", "a:b"),
            ("curl -u 'ann:it is' localhost", "it is"),
            ("curl -u'ann:it is' localhost", "it is"),
            ("sh -c 'mysql -pTr0ub4dor9' && it's done", "Tr0ub4dor9"),
        ] {
            let found: Vec<&str> = find(text.as_bytes()).into_iter().map(|range| &text[range]).collect();
            assert_eq!(found, [secret], "{text}");
        }
    }

    #[test]
    fn what_is_no_password_in_a_command() {
        for text in [
            "docker run -u 1000:1000 -p8080:80 shop",
            "node server.js -p 3000; mkdir -p data",
            "mysql -u root -p shop",
            "mysql shop < a.sql; mkdir -pv data && ./app -p3000",
            "git push -u origin main",
            "curl -u ann localhost:3000",
            "app -u http://localhost:3000/a",
            "-u",
            "",
            "'",
            "-p",
            "mysql -p",
            "curl -u ann:",
        ] {
            assert!(find(text.as_bytes()).is_empty(), "{text}");
        }
    }
}
