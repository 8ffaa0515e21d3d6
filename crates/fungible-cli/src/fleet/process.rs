//! What one instance is started with: the command, its environment, its port.

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use super::keeper::{Launch, Output};

/// Where instances listen: below the ports that systems hand out for outgoing connections, so that nobody takes
/// a port between our choice and the instance's bind.
const PORTS: Range<u16> = 10_000..32_000;

/// The command that starts one instance; `{port}` in an argument or a value stands for the instance's port.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
}

impl Template {
    pub(super) fn launch(&self, name: &str, port: u16, output: Output) -> Launch {
        let filled = |text: &String| text.replace("{port}", &port.to_string());
        let mut env = vec![("PORT".to_owned(), port.to_string()), ("FUNGIBLE_INSTANCE".to_owned(), name.to_owned())];
        env.extend(self.env.iter().map(|(key, value)| (key.clone(), filled(value))));
        Launch { program: filled(&self.program), args: self.args.iter().map(filled).collect(), env, output, cell: None }
    }
}

/// A port that nobody listens on now and that is not in `taken`.
pub(crate) fn free_port(taken: &HashSet<u16>) -> io::Result<u16> {
    let mut random = [0_u8; 2];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let start = u16::from_ne_bytes(random) % (PORTS.end - PORTS.start);
    (0..PORTS.end - PORTS.start)
        .map(|step| PORTS.start + (start + step) % (PORTS.end - PORTS.start))
        .filter(|port| !taken.contains(port))
        // An instance may listen on all addresses, so the port must be free on all of them.
        .find(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok())
        .ok_or_else(|| io::Error::other(format!("no free port between {} and {}", PORTS.start, PORTS.end - 1)))
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
    fn a_port_in_use_is_not_handed_out() {
        let first = free_port(&HashSet::new()).unwrap();
        let all_but_first: HashSet<u16> = PORTS.filter(|port| *port != first).collect();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        let error = free_port(&all_but_first).unwrap_err();
        assert!(error.to_string().contains("no free port"), "{error}");
    }
}
