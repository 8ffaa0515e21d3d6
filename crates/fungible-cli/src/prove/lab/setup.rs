//! What one run is made of: the commands with their words filled in, and how long things may take. It starts nothing.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::exchange::Exchange;
use crate::fleet::{Launcher, Port, Spec};
use crate::prove::placeholders::{Placeholders, named_ports};
use crate::prove::plan::Plan;
use crate::prove::request_key::RequestKey;
use crate::prove::schedule::Experiment;

/// One run of the traffic, as it is to be carried out.
pub(super) struct Setup<'a> {
    pub(super) plan: &'a Plan,
    pub(super) experiment: &'a Experiment,
    /// What the baselines know of each of their requests, for experiments that withhold some.
    pub(super) known: &'a [KnownRequest],
    /// What `{run}` stands for.
    pub(super) run: String,
    /// Where clients connect.
    pub(super) address: SocketAddr,
    pub(super) launcher: Arc<Launcher>,
    /// How many instances may start at once.
    pub(super) cores: usize,
    /// How many instances are ready ahead.
    pub(super) ahead: usize,
    /// How many requests are expected.
    pub(super) requests: Option<usize>,
    /// The run ends with the answer to this one.
    pub(super) last_request: Option<&'a RequestKey>,
    /// How long after the start of the last instances the driver is started, so that it is ready when they are; `None`: when
    /// they are ready.
    pub(super) driver_after: Option<Duration>,
    /// How long after a write earlier requests are asked again.
    pub(super) echo_after: Duration,
    /// How long an instance may take to become ready.
    pub(super) start_limit: Duration,
    /// How long the driver may take before it counts as hanging, not counted that we held its requests back.
    pub(super) patience: Duration,
    pub(super) began: Instant,
}

/// A request of the first baseline.
#[derive(Clone, Debug)]
pub(crate) struct KnownRequest {
    pub(crate) key: RequestKey,
    pub(crate) exchange: Exchange,
    /// The statuses that it got in all baselines.
    pub(crate) statuses: Vec<u16>,
    /// Places in its response of values that later requests carry.
    pub(crate) minted_at: Vec<String>,
}

/// The ports of one instance.
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) own: Port,
    pub(super) named: BTreeMap<String, Port>,
}

impl Ports {
    pub(super) fn numbers(&self) -> impl Iterator<Item = u16> + '_ {
        self.named.values().chain([&self.own]).map(Port::number)
    }
}

impl Setup<'_> {
    /// What the words in braces stand for in commands that are no instances.
    pub(super) fn words(&self) -> Placeholders {
        Placeholders { run: self.run.clone(), url: format!("http://{}", self.address), ..Placeholders::default() }
    }

    /// A command line of the user's, for the shell. `outside`: it sees the real disk.
    pub(super) fn shell(&self, name: &str, command: &str, outside: bool) -> Spec {
        let words = self.words();
        let mut env = self.environment(&words);
        env.extend(["BASE_URL", "FUNGIBLE_URL"].map(|name| (name.to_owned(), words.url.clone())));
        Spec {
            name: name.to_owned(),
            program: "sh".to_owned(),
            args: vec!["-c".to_owned(), words.fill(command)],
            env,
            outside,
        }
    }

    fn environment(&self, words: &Placeholders) -> Vec<(String, String)> {
        self.plan.env.iter().map(|(key, value)| (key.clone(), words.fill(value))).collect()
    }

    /// Free ports for one instance, with the further ones, wherever their names stand.
    pub(super) fn ports(&self) -> io::Result<Ports> {
        let plan = self.plan;
        let templates = plan.files.iter().map(|(path, _)| std::fs::read_to_string(path));
        let templates = templates.collect::<io::Result<Vec<String>>>()?;
        let words = std::iter::once(&plan.program)
            .chain(&plan.args)
            .chain(&plan.old)
            .chain(plan.env.iter().map(|(_, value)| value));
        let files = plan.files.iter().map(|(_, place)| place).chain(&templates);
        let mut ports = Ports { own: Port::free()?, named: BTreeMap::new() };
        for name in named_ports(words.chain(files).map(String::as_str)) {
            ports.named.insert(name, Port::free()?);
        }
        Ok(ports)
    }

    /// What one instance is started with: its command in a shell that first puts its files in place, where it has any.
    pub(super) fn instance(&self, name: &str, ports: &Ports, old: bool) -> io::Result<Spec> {
        let dir = self.launcher.world().private_folder(name);
        std::fs::create_dir_all(&dir)?;
        let words = Placeholders {
            port: Some(ports.own.number()),
            ports: ports.named.iter().map(|(name, port)| (name.clone(), port.number())).collect(),
            dir: Some(dir.clone()),
            ..self.words()
        };
        let mut env = vec![
            ("PORT".to_owned(), ports.own.number().to_string()),
            ("FUNGIBLE_INSTANCE".to_owned(), name.to_owned()),
        ];
        env.extend(self.environment(&words));
        let (mut program, mut args) = match &self.plan.old {
            Some(command) if old => ("sh".to_owned(), vec!["-c".to_owned(), words.fill(command)]),
            _ => (words.fill(&self.plan.program), self.plan.args.iter().map(|one| words.fill(one)).collect::<Vec<_>>()),
        };
        if !self.plan.files.is_empty() {
            let mut wrapped = vec!["-c".to_owned()];
            wrapped.extend(self.put_files_in_place(&dir, &words)?);
            wrapped.push(std::mem::replace(&mut program, "sh".to_owned()));
            wrapped.append(&mut args);
            args = wrapped;
        }
        Ok(Spec { name: name.to_owned(), program, args, env, outside: false })
    }

    /// The script that puts the files of an instance in place, with its name and its first arguments. They go to its private
    /// disk, which only the instance sees: so it is the instance that copies them.
    fn put_files_in_place(&self, dir: &std::path::Path, words: &Placeholders) -> io::Result<Vec<String>> {
        let mut script = String::new();
        let mut places = Vec::new();
        for (number, (template, place)) in self.plan.files.iter().enumerate() {
            let filled: PathBuf = dir.join(format!(".file-{number}"));
            std::fs::write(&filled, words.fill(&std::fs::read_to_string(template)?))?;
            places.extend([filled.display().to_string(), words.fill(place)]);
            script.push_str("mkdir -p \"$(dirname \"$2\")\" && cp \"$1\" \"$2\" && chmod u+w \"$2\" || { echo \"--file cannot be put in place at $2\" >&2; exit 1; }; shift 2; ");
        }
        script.push_str("exec \"$@\"");
        let mut all = vec![script, "sh".to_owned()];
        all.append(&mut places);
        Ok(all)
    }
}
