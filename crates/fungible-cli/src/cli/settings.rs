//! `fungible.toml`: what may stand there instead of on the command line. Flags win.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Deserializer};

use crate::prove::Ignore;

/// The file's name, looked for in the working directory.
const FILE: &str = "fungible.toml";

/// What `fungible init` writes: every key, commented out, with what it does.
const TEMPLATE: &str = include_str!("fungible.toml");

/// What the file says about `prove`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Settings {
    #[serde(default)]
    pub(super) prove: Prove,
}

/// The table `[prove]`: each key as the flag of the same name.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct Prove {
    pub(super) command: Vec<String>,
    pub(super) drive: Option<String>,
    pub(super) hurl: Vec<PathBuf>,
    pub(super) share: Vec<PathBuf>,
    pub(super) real: Vec<PathBuf>,
    pub(super) env: std::collections::BTreeMap<String, String>,
    pub(super) file: Vec<String>,
    pub(super) reset: Option<String>,
    pub(super) beside: Vec<String>,
    pub(super) listen: Option<u16>,
    pub(super) health: Option<String>,
    pub(super) runs: Option<usize>,
    #[serde(deserialize_with = "duration")]
    pub(super) budget: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    pub(super) start_limit: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    pub(super) drive_limit: Option<Duration>,
    #[serde(deserialize_with = "ignores")]
    pub(super) ignore: Vec<Ignore>,
}

/// Reads `fungible.toml` in the working directory; without one everything is left to the flags.
pub(super) fn read() -> anyhow::Result<Settings> {
    match std::fs::read_to_string(FILE) {
        Ok(text) => toml::from_str(&text).map_err(|error| anyhow::anyhow!("{FILE}: {}", in_one_line(&error, &text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Settings::default()),
        Err(error) => Err(error).context(format!("cannot read {FILE}")),
    }
}

/// `fungible init`: writes the commented file, never over one that is there.
pub(super) fn init() -> anyhow::Result<()> {
    let path = Path::new(FILE);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .with_context(|| format!("cannot write {FILE} here"))?;
    std::io::Write::write_all(&mut file, TEMPLATE.as_bytes()).with_context(|| format!("cannot write {FILE}"))?;
    super::screen::print(&format!("wrote {FILE}: take out the # before what you need, then `fungible prove`"));
    Ok(())
}

fn in_one_line(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
    let message = error.message().replace('\n', " ");
    if line == 0 { message } else { format!("line {line}: {message}") }
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    humantime::parse_duration(&text)
        .map(Some)
        .map_err(|error| serde::de::Error::custom(format!("{error}; write it as \"30s\" or \"5m\"")))
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
        return Err(serde::de::Error::custom(format!("the ignore of `{}` needs a reason", one.place)));
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
    fn an_unknown_key_is_named() {
        let error = toml::from_str::<Settings>("[prove]\nshares = [\"data\"]\n").unwrap_err();
        assert!(in_one_line(&error, "[prove]\nshares = [\"data\"]\n").contains("line 2: unknown field `shares`"));
        let error = toml::from_str::<Settings>("[prove]\nbudget = \"soon\"\n").unwrap_err();
        assert!(error.message().contains("write it as \"30s\""), "{error}");
        let error = toml::from_str::<Settings>("[[prove.ignore]]\nplace = \"status\"\nreason = \"\"\n").unwrap_err();
        assert!(error.message().contains("needs a reason"), "{error}");
    }
}
