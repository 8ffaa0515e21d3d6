//! What disturbs a fleet: one random command after the other. At least one instance stays ready.

use std::process::{Child, Stdio};
use std::time::Instant;

use serde_json::Value;
use test_basics::{Random, eventually};

use super::story::{Count, Harm, Story};
use crate::world::{Fleet, signal};

/// From one disturbance to the next so many requests are answered, and up to so many more.
const REQUESTS: usize = 5;
const MORE_REQUESTS: usize = 40;

/// A frozen instance goes on after so many disturbances at most; some are killed by the supervisor before.
const FROZEN_FOR: usize = 4;

/// The kinds of disturbances. Those that stand here more than once come more often.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Kill,
    KillNine,
    Freeze,
    Drain,
    Scale,
    Deploy,
    DeployBroken,
    Pause,
}

const KINDS: [Kind; 13] = [
    Kind::Kill,
    Kind::Kill,
    Kind::KillNine,
    Kind::KillNine,
    Kind::Freeze,
    Kind::Freeze,
    Kind::Drain,
    Kind::Drain,
    Kind::Scale,
    Kind::Scale,
    Kind::Deploy,
    Kind::DeployBroken,
    Kind::Pause,
];

/// The events that are counted in the end.
pub(super) const EVENTS: [&str; 9] =
    ["kill ", "kill -9 ", "freeze ", "thaw ", "drain ", "scale ", "deploy ", "broken deploy ", "pause "];

/// An instance of the fleet.
#[derive(Debug, Clone)]
struct Instance {
    name: String,
    pid: i64,
    state: String,
}

#[derive(Debug)]
struct Frozen {
    instance: Instance,
    /// It is thawed after so many more disturbances.
    turns: usize,
}

#[derive(Debug)]
struct Deploy {
    child: Child,
    began: Instant,
    works: bool,
}

/// Whoever disturbs a fleet.
pub(super) struct Chaos<'a> {
    fleet: &'a Fleet<'a>,
    story: &'a Story,
    random: Random,
    frozen: Vec<Frozen>,
    deploy: Option<Deploy>,
    versions: usize,
}

impl<'a> Chaos<'a> {
    pub(super) fn new(fleet: &'a Fleet<'a>, story: &'a Story, random: Random) -> Chaos<'a> {
        Chaos { fleet, story, random, frozen: Vec::new(), deploy: None, versions: 0 }
    }

    /// Disturbs the fleet until the story is long enough, then leaves it as it was.
    pub(super) fn reign(mut self) {
        while !self.story.is_long_enough() {
            self.waits();
            let kind = KINDS[self.random.below(KINDS.len())];
            self.disturbs(kind);
            self.thaws(false);
            self.ends_deploy(false);
        }
        self.thaws(true);
        self.ends_deploy(true);
        self.ask(&["scale", "3"]);
        self.fleet.healthy(3);
        self.story.ends();
        println!("{}", self.story.summary(&EVENTS));
    }

    /// Lets some requests be answered.
    fn waits(&mut self) {
        let goal = self.story.counted(Count::Answered) + REQUESTS + self.random.below(MORE_REQUESTS);
        eventually("answers", || {
            (self.story.counted(Count::Answered) >= goal || self.story.has_failed()).then_some(())
        });
    }

    fn disturbs(&mut self, kind: Kind) {
        match kind {
            Kind::Kill => self.kills(),
            Kind::KillNine => {
                let Some(victim) = self.victim() else { return };
                self.story.harms(Harm::Killed, victim.pid);
                self.story.tells(format!("kill -9 {} {}", victim.pid, victim.name));
                signal(i32::try_from(victim.pid).unwrap(), "KILL");
                self.sees_the_end_of(&victim);
            }
            Kind::Freeze => {
                let Some(victim) = self.victim() else { return };
                self.story.harms(Harm::Frozen, victim.pid);
                self.ask(&["freeze", &victim.name]);
                let turns = 1 + self.random.below(FROZEN_FOR);
                self.frozen.push(Frozen { instance: victim, turns });
            }
            Kind::Drain => {
                if let Some(one) = self.victim() {
                    self.ask(&["drain", &one.name]);
                }
            }
            Kind::Scale => {
                let count = (2 + self.random.below(4)).to_string();
                self.ask(&["scale", &count]);
            }
            Kind::Deploy => self.deploys(true),
            Kind::DeployBroken => self.deploys(false),
            Kind::Pause => {
                self.ask(&["pause", "--limit", "4s"]);
                self.kills();
                self.ask(&["resume"]);
            }
        }
    }

    fn kills(&mut self) {
        let Some(victim) = self.victim() else { return };
        self.story.harms(Harm::Killed, victim.pid);
        self.ask(&["kill", &victim.name]);
        self.sees_the_end_of(&victim);
    }

    /// An instance beside which another one serves.
    fn victim(&mut self) -> Option<Instance> {
        let frozen: Vec<i64> = self.frozen.iter().map(|one| one.instance.pid).collect();
        let mut serving = self.instances();
        serving.retain(|one| one.state == "healthy" && !frozen.contains(&one.pid));
        if serving.len() < 2 { None } else { Some(serving.swap_remove(self.random.below(serving.len()))) }
    }

    fn instances(&self) -> Vec<Instance> {
        let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
        let instance = |one: &Value| {
            Some(Instance { name: text(one, "name"), pid: one["pid"].as_i64()?, state: text(one, "state") })
        };
        self.fleet.status()["instances"].as_array().unwrap().iter().filter_map(instance).collect()
    }

    fn is_there(&self, instance: &Instance) -> bool {
        self.instances().iter().any(|one| one.pid == instance.pid)
    }

    fn sees_the_end_of(&self, victim: &Instance) {
        eventually("its end in the status", || (!self.is_there(victim)).then_some(()));
        self.story.heals(victim.pid);
    }

    /// Lets those go on that have been frozen for long enough, or all of them.
    fn thaws(&mut self, all: bool) {
        for mut one in std::mem::take(&mut self.frozen) {
            one.turns -= 1;
            if !self.is_there(&one.instance) {
                self.story.tells(format!("{} was replaced while it was frozen", one.instance.name));
                self.story.heals(one.instance.pid);
            } else if all || one.turns == 0 {
                self.ask(&["thaw", &one.instance.name]);
                self.story.heals(one.instance.pid);
            } else {
                self.frozen.push(one);
            }
        }
    }

    fn deploys(&mut self, works: bool) {
        if self.deploy.is_some() {
            return;
        }
        self.versions += 1;
        let version = if works { format!("v{}", self.versions) } else { "broken".to_owned() };
        let mut arguments = vec!["deploy", "--probation", "500ms", "--version", &version];
        if !works {
            arguments.extend(["--", "false"]);
        }
        self.story.tells(format!("{}{arguments:?}", if works { "deploy " } else { "broken deploy " }));
        let mut command = self.fleet.place.tool(&arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        self.deploy = Some(Deploy { child, began: Instant::now(), works });
    }

    /// Looks at the outcome of the deploy, if it is over or is waited for.
    fn ends_deploy(&mut self, wait: bool) {
        let Some(mut deploy) = self.deploy.take() else { return };
        if !wait && deploy.child.try_wait().unwrap().is_none() {
            self.deploy = Some(deploy);
            return;
        }
        let output = deploy.child.wait_with_output().unwrap();
        self.story.tells(format!("the deploy ended: {output:?}"));
        // A new instance that is harmed in its probation has it rolled back.
        let harmed = self.story.was_harmed_since(deploy.began, &[Harm::Killed, Harm::Frozen]);
        match output.status.code() {
            Some(0) if deploy.works => {}
            Some(1) if harmed || !deploy.works => {}
            _ => {
                self.story.fails(format!("a deploy that works ({}): {output:?}", deploy.works));
            }
        }
    }

    /// Gives a command. It may be refused only while a deploy runs, or because its instance is gone.
    fn ask(&mut self, arguments: &[&str]) {
        self.story.tells(arguments.join(" "));
        let output = self.fleet.ask(arguments);
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            self.story.tells(format!("refused: {}", said.trim_end()));
            let gone = said.contains("no instance is called") || said.contains("is not running");
            if self.deploy.is_none() && !gone {
                self.story.fails(format!("{arguments:?}: {said}"));
            }
        }
    }
}
