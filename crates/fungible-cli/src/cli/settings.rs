//! `fungible.toml`: settings that can be given in a file instead of on the command line. Flags override them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::args::{FEWEST_RUNS, parse_attack, parse_limit, parse_pair, parse_path};
use crate::prove::{Attack, Ignore};

/// The name of the file, in the working directory.
const FILE: &str = "fungible.toml";

/// The file that `fungible init` writes: every key, commented out, with its description.
const TEMPLATE: &str = include_str!("fungible.toml");

/// The content of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "tables, such as [prove]")]
pub(super) struct Settings {
    #[serde(default)]
    pub(super) prove: Prove,
}

/// The table `[prove]`. Each key is named like the flag.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case", expecting = "the table [prove]")]
pub(super) struct Prove {
    pub(super) command: Vec<String>,
    pub(super) drive: Option<String>,
    pub(super) with: Option<String>,
    pub(super) hurl: Vec<PathBuf>,
    pub(super) share: Vec<PathBuf>,
    pub(super) real: Vec<PathBuf>,
    #[serde(deserialize_with = "env")]
    pub(super) env: BTreeMap<String, String>,
    pub(super) file: Vec<String>,
    pub(super) reset: Option<String>,
    pub(super) beside: Vec<String>,
    #[serde(deserialize_with = "port")]
    pub(super) listen: Option<u16>,
    #[serde(deserialize_with = "path")]
    pub(super) health: Option<String>,
    #[serde(deserialize_with = "runs")]
    pub(super) runs: Option<u16>,
    pub(super) strict: bool,
    #[serde(deserialize_with = "duration")]
    pub(super) stale_bound: Option<Duration>,
    #[serde(deserialize_with = "attacks")]
    pub(super) attacks: Vec<Attack>,
    #[serde(deserialize_with = "duration")]
    pub(super) budget: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    pub(super) start_limit: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    pub(super) drive_limit: Option<Duration>,
    #[serde(deserialize_with = "ignores")]
    pub(super) ignore: Vec<Ignore>,
}

/// Reads `fungible.toml` in the working directory; without it the settings are empty.
pub(super) fn read() -> anyhow::Result<Settings> {
    match std::fs::read_to_string(FILE) {
        Ok(text) => toml::from_str(&text).map_err(|error| anyhow::anyhow!("{FILE}: {}", in_one_line(&error, &text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Settings::default()),
        Err(error) => Err(error).context(format!("cannot read {FILE}")),
    }
}

/// `fungible init`: writes the commented file; an existing one is not overwritten.
pub(super) fn init() -> anyhow::Result<()> {
    let path = Path::new(FILE);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .with_context(|| format!("cannot write {FILE} here"))?;
    std::io::Write::write_all(&mut file, TEMPLATE.as_bytes()).with_context(|| format!("cannot write {FILE}"))?;
    super::screen::print(format!("wrote {FILE}: remove the # before the settings you need, then run `fungible prove`"));
    Ok(())
}

fn in_one_line(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
    let message = error.message().replace('\n', " ");
    let message = message.replace("a sequence", "a list in [ ]").replace("a map", "a table in { }");
    if line == 0 { message } else { format!("line {line}: {message}") }
}

// Values in the file are checked like those of the flags.

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    parse_limit(&String::deserialize(from)?).map(Some).map_err(D::Error::custom)
}

fn path<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    parse_path(&String::deserialize(from)?).map(Some).map_err(D::Error::custom)
}

fn env<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let env = BTreeMap::<String, String>::deserialize(from)?;
    env.into_iter().map(|(key, value)| parse_pair(&format!("{key}={value}")).map_err(D::Error::custom)).collect()
}

fn port<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u16>, D::Error> {
    number(from, 1)
}

fn runs<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u16>, D::Error> {
    number(from, FEWEST_RUNS)
}

fn attacks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Attack>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    names.iter().map(|name| parse_attack(name).map_err(D::Error::custom)).collect()
}

fn number<'de, D: Deserializer<'de>>(from: D, least: i64) -> Result<Option<u16>, D::Error> {
    let value = toml::Value::deserialize(from)?;
    let number = value.as_integer().filter(|number| *number >= least).and_then(|number| u16::try_from(number).ok());
    number.map(Some).ok_or_else(|| D::Error::custom(format!("{value} is no whole number from {least} to {}", u16::MAX)))
}

fn ignores<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Ignore>, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct One {
        place: String,
        reason: String,
    }
    let ones: Vec<One> = Vec::deserialize(from)?;
    if let Some(one) = ones.iter().find(|one| one.reason.trim().is_empty()) {
        return Err(D::Error::custom(format!("the ignore of `{}` needs a reason", one.place)));
    }
    Ok(ones.into_iter().map(|One { place, reason }| Ignore { place, reason }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_init_can_be_read_as_it_is_and_with_every_key_in_use() {
        let settings: Settings = toml::from_str(TEMPLATE).unwrap();
        assert!(settings.prove.command.is_empty());
        let in_use: String = TEMPLATE
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if rest.contains(" = ") || rest.starts_with('[') => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let settings: Settings = toml::from_str(&in_use).unwrap();
        assert_eq!(settings.prove.command[0], "node");
        assert_eq!(settings.prove.budget, Some(Duration::from_mins(10)));
        assert!(!settings.prove.ignore.is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, expected) in [
            ("shares = [\"data\"]", "line 2: unknown field `shares`"),
            ("budget = \"soon\"", "write it as 30s or 5m"),
            ("budget = \"580000000000years\"", "a day is the longest limit"),
            ("drive-limit = 30", "invalid type: integer `30`, expected a string"),
            ("command = \"node server.js\"", "expected a list in [ ]"),
            ("env = [\"A=1\"]", "expected a table in { }"),
            ("env = { PORT = \"80\" }", "PORT is set for each instance"),
            ("listen = 0", "0 is no whole number from 1 to 65535"),
            ("listen = \"http\"", "\"http\" is no whole number from 1 to 65535"),
            ("runs = 2", "2 is no whole number from 3 to 65535"),
            ("attacks = [\"amnesia\", \"flood\"]", "there is no such attack; there are amnesia, rotate"),
            ("health = \"healthz\"", "a path begins with /"),
            ("drive = \"a\"\ndrive = \"b\"", "line 3: duplicate key"),
            ("[[prove.ignore]]\nplace = \"status\"\nreason = \"\"", "needs a reason"),
            ("[prov]", "line 2: unknown field `prov`, expected `prove`"),
        ] {
            let text = format!("[prove]\n{text}\n");
            let error = toml::from_str::<Settings>(&text).unwrap_err();
            let said = in_one_line(&error, &text);
            assert!(said.starts_with("line ") && said.contains(expected), "{text}: {said}");
        }
        let error = toml::from_str::<Settings>("prove = 3").unwrap_err();
        assert!(in_one_line(&error, "prove = 3").contains("expected the table [prove]"), "{error}");
    }
}
