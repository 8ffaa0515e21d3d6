//! `fungible deploy`: asks a running fleet to replace its instances, and shows how that goes.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};

use super::args::DeployOptions;
use super::line::Line;
use super::screen::{print, problem, say};
use super::{process, run};
use crate::fleet::{ControlReply, ControlRequest, DeployRequest, DeployState, DeployStatus, Fleets};

/// The exit code of a deploy that was rolled back.
const ROLLED_BACK: u8 = 1;

/// How often the fleet is asked how far it is.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// So many more looks are made for the last lines of what failed, which may come a little later.
const LOOKS_FOR_LINES: usize = 10;

/// Deploys, and returns when that has ended.
///
/// # Errors
/// When no fleet matches, it refuses, or it ends meanwhile.
pub(super) fn run(options: DeployOptions) -> anyhow::Result<ExitCode> {
    let fleets = Fleets::within(process::control_folder())?;
    let name = fleets.find(options.fleet.as_deref())?;
    let dry_run = options.dry_run;
    let request = ControlRequest::Deploy(DeployRequest {
        command: options.command,
        env: options.env,
        version: options.version,
        surge: options.surge.into(),
        probation: options.probation,
        before: options.before,
        dry_run,
    });
    process::runtime()?.block_on(async {
        match fleets.ask(&name, &request).await? {
            ControlReply::Done(text) => print(text),
            ControlReply::Refused(text) => bail!("{text}"),
            ControlReply::Status(_) => bail!("fleet {name} answered something else; is it another version?"),
        }
        if dry_run { Ok(ExitCode::SUCCESS) } else { follow(&fleets, &name).await }
    })
}

/// Shows how a deploy goes, until it has ended.
async fn follow(fleets: &Fleets, name: &str) -> anyhow::Result<ExitCode> {
    let mut stops = run::stop_signals()?;
    let mut shown = None;
    let mut looks_for_lines = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(BETWEEN_LOOKS) => {}
            Some(()) = stops.recv() => match fleets.ask(name, &ControlRequest::CancelDeploy).await? {
                ControlReply::Done(text) => print(text),
                // It has just ended.
                ControlReply::Refused(_) | ControlReply::Status(_) => {}
            },
        }
        let status = fleets.ask(name, &ControlRequest::Status).await.context("the fleet ended during the deploy")?;
        let ControlReply::Status(status) = status else { bail!("fleet {name} answered something else") };
        let deploy = status.deploy.ok_or_else(|| anyhow!("the fleet is ending, and the deploy with it"))?;
        let progress = in_words(&deploy);
        if shown.as_ref() != Some(&progress) {
            print(progress.clone());
            shown = Some(progress);
        }
        match deploy.state {
            DeployState::Before | DeployState::Rolling | DeployState::RollingBack => {}
            DeployState::Done => return Ok(ExitCode::SUCCESS),
            DeployState::Failed if deploy.last_lines.is_empty() && looks_for_lines < LOOKS_FOR_LINES => {
                looks_for_lines += 1;
            }
            DeployState::Failed => {
                failed(&deploy);
                return Ok(ExitCode::from(ROLLED_BACK));
            }
        }
    }
}

/// How far a deploy is, in one sentence.
pub(super) fn in_words(deploy: &DeployStatus) -> String {
    let DeployStatus { version, replaces, available, wanted, .. } = deploy;
    match deploy.state {
        DeployState::Before => format!("running the command before version {version}"),
        DeployState::Rolling => format!("{available} of {wanted} instances are on version {version}"),
        DeployState::RollingBack => {
            format!("rolling back: {available} of {wanted} instances are on version {replaces}")
        }
        DeployState::Failed => {
            format!("version {version} could not be deployed; the instances are on version {replaces}")
        }
        DeployState::Done => {
            format!("deployed version {version} in {:.1} s", Duration::from_millis(deploy.took_ms).as_secs_f32())
        }
    }
}

fn failed(deploy: &DeployStatus) {
    let reason = deploy.reason.as_deref().unwrap_or("no reason is known");
    problem(&anyhow!("version {} could not be deployed: {reason}", deploy.version));
    if !deploy.last_lines.is_empty() {
        say(Line::default().plain("the last lines of its output:"));
    }
    for line in &deploy.last_lines {
        say(Line::default().plain(&format!("  | {line}")));
    }
}
