//! What the buttons of the page do: the same control requests as the commands of the tool, and the customers. It cannot
//! start another program: a deploy from the page is one of the same command.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::snapshot::Snapshots;
use crate::fleet::{ControlReply, ControlRequest, DeployRequest, InstanceSignal};

/// A command of the page, as JSON: `{"kill": "web-1"}`, `"deploy-again"`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PageCommand {
    Kill(String),
    Freeze(String),
    Thaw(String),
    Drain(String),
    Scale(usize),
    /// Replaces the instances by those of the same command.
    DeployAgain,
    CancelDeploy,
    /// Sends the simulated customers, or calls them back.
    Customers(bool),
}

/// The answer to a command.
#[derive(Debug, Serialize)]
pub(super) struct CommandAnswer {
    pub(super) text: String,
}

/// Carries out a command.
pub(super) async fn carry_out(snapshots: &Snapshots, command: PageCommand) -> (StatusCode, CommandAnswer) {
    let signal = |instance, signal| ControlRequest::Signal { instance, signal };
    let request = match command {
        PageCommand::Kill(name) => signal(name, InstanceSignal::Kill),
        PageCommand::Freeze(name) => signal(name, InstanceSignal::Freeze),
        PageCommand::Thaw(name) => signal(name, InstanceSignal::Thaw),
        PageCommand::Drain(instance) => ControlRequest::Drain { instance },
        PageCommand::Scale(count) => ControlRequest::Scale { count },
        PageCommand::DeployAgain => ControlRequest::Deploy(DeployRequest::again()),
        PageCommand::CancelDeploy => ControlRequest::CancelDeploy,
        PageCommand::Customers(on) => return customers(snapshots, on),
    };
    let (status, text) = match snapshots.ask(request).await {
        Some(ControlReply::Done(text)) => (StatusCode::OK, text),
        Some(ControlReply::Refused(text)) => (StatusCode::CONFLICT, text),
        Some(ControlReply::Status(_)) | None => {
            (StatusCode::SERVICE_UNAVAILABLE, "the fleet does not answer".to_owned())
        }
    };
    (status, CommandAnswer { text })
}

fn customers(snapshots: &Snapshots, on: bool) -> (StatusCode, CommandAnswer) {
    let Some(crowd) = &snapshots.sources.crowd else {
        return (StatusCode::CONFLICT, CommandAnswer { text: "there are no simulated customers here".to_owned() });
    };
    crowd.turn(on);
    let text = if on { format!("{} customers are coming", crowd.size) } else { "the customers go home".to_owned() };
    (StatusCode::OK, CommandAnswer { text })
}
