//! The command that starts one instance, and its environment.

use sha2::{Digest as _, Sha256};

use super::keeper::{Launch, Output};
use crate::encoding::hex;

/// The command that starts one instance. `{port}` in an argument or in the value of a variable is replaced with the port of
/// the instance.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
}

/// A command that a fleet runs, under the name by which it is told apart from those before and after it.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    pub(crate) template: Template,
    pub(crate) version: String,
}

impl Release {
    /// `version`: what the user calls it; without, the first digits of a hash of the command and its variables.
    pub(crate) fn new(template: Template, version: Option<String>) -> Release {
        let version = version.unwrap_or_else(|| template.hash());
        Release { template, version }
    }

    /// The command as it would be typed.
    pub(crate) fn command(&self) -> String {
        let words = std::iter::once(&self.template.program).chain(&self.template.args);
        words.cloned().collect::<Vec<_>>().join(" ")
    }
}

impl Template {
    fn hash(&self) -> String {
        let mut hash = Sha256::new();
        let variables = self.env.iter().flat_map(|(key, value)| [key, value]);
        for word in std::iter::once(&self.program).chain(&self.args).chain(variables) {
            hash.update(word.len().to_le_bytes());
            hash.update(word);
        }
        hex(&hash.finalize()[..4])
    }

    /// The command for the instance called `name` on this port.
    pub(super) fn launch(&self, name: &str, port: u16, output: Output) -> Launch {
        let filled = |text: &String| text.replace("{port}", &port.to_string());
        let mut env = vec![("PORT".to_owned(), port.to_string()), ("FUNGIBLE_INSTANCE".to_owned(), name.to_owned())];
        env.extend(self.env.iter().map(|(key, value)| (key.clone(), filled(value))));
        Launch {
            program: filled(&self.program),
            args: self.args.iter().map(filled).collect(),
            env,
            output,
            cell: None,
            groups: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_stands_wherever_it_is_named() {
        let template = Template {
            program: "serve".into(),
            args: vec!["--bind=0.0.0.0:{port}".into(), "{ports}".into(), "{port}{port}".into()],
            env: vec![("ADDRESS".into(), "http://localhost:{port}/".into())],
        };
        let launch = template.launch("web-1", 4000, Output::Prefixed(String::new()));
        assert_eq!(launch.args, ["--bind=0.0.0.0:4000", "{ports}", "40004000"]);
        let value = |key: &str| launch.env.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        assert_eq!(value("ADDRESS"), Some("http://localhost:4000/"));
        assert_eq!(value("PORT"), Some("4000"));
        assert_eq!(value("FUNGIBLE_INSTANCE"), Some("web-1"));
    }

    #[test]
    fn another_command_is_another_version() {
        let of = |program: &str, args: &[&str], env: &[(&str, &str)]| {
            let args = args.iter().map(|text| (*text).to_owned()).collect();
            let env = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            Release::new(Template { program: program.to_owned(), args, env }, None).version
        };
        let one = of("serve", &["a", "b"], &[]);
        assert_eq!(one, of("serve", &["a", "b"], &[]));
        assert_eq!(one.len(), 8);
        for other in
            [of("serve", &["ab"], &[]), of("serve", &["a"], &[("b", "")]), of("serve", &["a", "b"], &[("K", "V")])]
        {
            assert_ne!(one, other);
        }
    }
}
