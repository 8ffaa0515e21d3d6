//! The command line: parses arguments, runs commands, prints, and chooses exit codes. The only module that reads
//! arguments and the environment, or prints.

mod access_log;
mod args;
mod balance;
mod cell;
mod connecting;
mod control;
#[cfg(feature = "demo")]
mod demo;
mod deploy;
mod front;
mod line;
mod output;
mod printer;
mod process;
mod progress;
mod prove;
mod run;
mod screen;
mod settings;
mod systemd;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use self::args::{Arguments, Command};
use crate::balancer::Routing;
use crate::fleet::{self, InstanceSignal};

/// The exit code for wrong usage, or for a failure of the tool itself.
const FAILED: u8 = 2;

/// Runs the tool with the arguments of this process.
///
/// Exit codes: 0 success; 2 wrong usage or a failure of the tool itself. `prove` and `deploy` have more.
pub fn main() -> ExitCode {
    let Arguments { command } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let error = args::with_advice(error);
            // It fails if the reader of --help went away, which is no failure of ours.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(FAILED) } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match command {
        // Before anything else, because it needs a process with a single thread.
        Command::Keeper { stage } => return fleet::keeper_main(&stage),
        Command::Cell(options) => cell::run(&options),
        Command::Limited { group, command } => {
            let (program, args) = command.split_first().map_or(("", &[][..]), |(program, args)| (program, args));
            return fleet::enter_groups(&group, program, args);
        }
        Command::Run(options) => options.into_plan(3, Routing::PowerOfTwo).and_then(|plan| run::run(&plan)),
        Command::Dev(options) => options.into_plan(2, Routing::NeverTwice).and_then(|plan| run::run(&plan)),
        Command::Balance(options) => balance::run(&options),
        Command::Prove(options) => {
            return prove::run(*options).unwrap_or_else(|error| {
                screen::problem(&error);
                ExitCode::from(FAILED)
            });
        }
        Command::Judge(options) => {
            return prove::judge(&options).unwrap_or_else(|error| {
                screen::problem(&error);
                ExitCode::from(FAILED)
            });
        }
        Command::Init => settings::init(),
        Command::Status { fleet, json } => control::status(fleet.as_deref(), json),
        Command::Kill { fleet, instance } => control::signal(fleet.as_deref(), &instance, InstanceSignal::Kill),
        Command::Freeze { fleet, instance } => control::signal(fleet.as_deref(), &instance, InstanceSignal::Freeze),
        Command::Thaw { fleet, instance } => control::signal(fleet.as_deref(), &instance, InstanceSignal::Thaw),
        Command::Drain { fleet, instance } => control::drain(fleet.as_deref(), &instance),
        Command::Scale { fleet, count } => control::scale(fleet.as_deref(), count),
        Command::SystemdUnit(options) => systemd::print_units(&options),
        Command::Pause { fleet, limit } => control::pause(fleet.as_deref(), limit),
        Command::Resume { fleet } => control::pause(fleet.as_deref(), Duration::ZERO),
        Command::Deploy(options) => {
            return deploy::run(options).unwrap_or_else(|error| {
                screen::problem(&error);
                ExitCode::from(FAILED)
            });
        }
        Command::Stop { fleet } => control::stop(fleet.as_deref()),
        #[cfg(feature = "demo")]
        Command::Demo(options) => demo::run(&options),
        #[cfg(feature = "demo")]
        Command::DemoInstance { app } => demo::instance(&app),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen::problem(&error);
            ExitCode::from(FAILED)
        }
    }
}
