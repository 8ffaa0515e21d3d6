//! The command that starts one instance, and its environment.

use super::keeper::{Launch, Output};

/// The command that starts one instance. `{port}` in an argument or in the value of a variable is replaced with the port of
/// the instance.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
}

impl Template {
    /// The command for the instance called `name` on this port.
    pub(super) fn launch(&self, name: &str, port: u16, output: Output) -> Launch {
        let filled = |text: &String| text.replace("{port}", &port.to_string());
        let mut env = vec![("PORT".to_owned(), port.to_string()), ("FUNGIBLE_INSTANCE".to_owned(), name.to_owned())];
        env.extend(self.env.iter().map(|(key, value)| (key.clone(), filled(value))));
        Launch { program: filled(&self.program), args: self.args.iter().map(filled).collect(), env, output, cell: None }
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
}
