//! `fungible status`, `kill`, `freeze`, `thaw`, `drain`, `scale`, `pause`, `resume` and `stop`: send a request to a running
//! fleet.

use std::time::Duration;

use anyhow::bail;

use super::line::{Line, in_ascii};
use super::process;
use super::screen::{coloured, print, print_as_it_is, state_colour};
use crate::fleet::{ControlError, ControlReply, ControlRequest, FleetStatus, Fleets, InstanceSignal, ScalingStatus};

/// Prints the status of one fleet, or of all without `fleet`.
///
/// # Errors
/// When no fleet matches, or it does not answer.
pub(super) fn status(fleet: Option<&str>, json: bool) -> anyhow::Result<()> {
    let fleets = Fleets::within(process::control_folder())?;
    let names = match fleets.find(fleet) {
        Ok(name) => vec![name],
        // Without --fleet, the status of all fleets is printed.
        Err(ControlError::Several(names)) if fleet.is_none() => names,
        Err(error) => return Err(error.into()),
    };
    process::runtime()?.block_on(async {
        for name in names {
            match fleets.ask(&name, &ControlRequest::Status).await? {
                ControlReply::Status(status) if json => print_as_it_is(&in_ascii(&serde_json::to_string(&status)?)),
                ControlReply::Status(status) => {
                    let colour = coloured(std::io::IsTerminal::is_terminal(&std::io::stdout()));
                    table(&status, colour).into_iter().for_each(print);
                }
                ControlReply::Done(text) | ControlReply::Refused(text) => bail!("{text}"),
            }
        }
        Ok(())
    })
}

/// Kills, freezes or thaws one instance. Without `fleet` it is looked for in all fleets.
///
/// # Errors
/// When no fleet or instance matches, or several have an instance of this name.
pub(super) fn signal(fleet: Option<&str>, instance: &str, signal: InstanceSignal) -> anyhow::Result<()> {
    order_about(fleet, instance, &ControlRequest::Signal { instance: instance.to_owned(), signal })
}

/// Drains one instance. Without `fleet` it is looked for in all fleets.
///
/// # Errors
/// When no fleet or instance matches, or several have an instance of this name.
pub(super) fn drain(fleet: Option<&str>, instance: &str) -> anyhow::Result<()> {
    order_about(fleet, instance, &ControlRequest::Drain { instance: instance.to_owned() })
}

/// Sends a request about one instance to its fleet.
fn order_about(fleet: Option<&str>, instance: &str, request: &ControlRequest) -> anyhow::Result<()> {
    let fleets = Fleets::within(process::control_folder())?;
    let name = match fleets.find(fleet) {
        Err(ControlError::Several(names)) if fleet.is_none() => {
            process::runtime()?.block_on(fleet_with(&fleets, names, instance))?
        }
        found => found?,
    };
    order_of(&fleets, &name, request)
}

/// The only one of these fleets that has an instance of this name.
async fn fleet_with(fleets: &Fleets, names: Vec<String>, instance: &str) -> anyhow::Result<String> {
    let mut with = Vec::new();
    for name in &names {
        // One that does not answer now may have ended.
        if let Ok(ControlReply::Status(status)) = fleets.ask(name, &ControlRequest::Status).await
            && status.instances.iter().any(|one| one.name == instance)
        {
            with.push(name.clone());
        }
    }
    match with.as_slice() {
        [one] => Ok(one.clone()),
        [] => {
            bail!("no instance is called {instance} in any fleet ({}); `fungible status` lists them", names.join(", "))
        }
        several => {
            bail!("several fleets have an instance called {instance}: choose one with --fleet ({})", several.join(", "))
        }
    }
}

/// Changes the number of instances.
///
/// # Errors
/// When no fleet matches, or the number is out of range.
pub(super) fn scale(fleet: Option<&str>, count: usize) -> anyhow::Result<()> {
    order(fleet, &ControlRequest::Scale { count }).map(|_| ())
}

/// Holds the requests to a fleet for so long; with zero, lets them go on.
///
/// # Errors
/// When no fleet matches.
pub(super) fn pause(fleet: Option<&str>, limit: Duration) -> anyhow::Result<()> {
    order(fleet, &ControlRequest::Pause { limit }).map(|_| ())
}

/// Stops a fleet, and returns when it has ended.
pub(super) fn stop(fleet: Option<&str>) -> anyhow::Result<()> {
    let name = order(fleet, &ControlRequest::Stop)?;
    process::runtime()?.block_on(Fleets::within(process::control_folder())?.ended(&name));
    print("stopped");
    Ok(())
}

/// Sends a request, prints the reply, and returns the name of the fleet.
fn order(fleet: Option<&str>, request: &ControlRequest) -> anyhow::Result<String> {
    let fleets = Fleets::within(process::control_folder())?;
    let name = fleets.find(fleet)?;
    order_of(&fleets, &name, request)?;
    Ok(name)
}

fn order_of(fleets: &Fleets, name: &str, request: &ControlRequest) -> anyhow::Result<()> {
    match process::runtime()?.block_on(fleets.ask(name, request))? {
        ControlReply::Done(text) => print(text),
        ControlReply::Refused(text) => bail!("{text}"),
        ControlReply::Status(_) => bail!("fleet {name} answered something else; is it another version?"),
    }
    Ok(())
}

/// The status of a fleet as a table.
pub(super) fn table(status: &FleetStatus, colour: bool) -> Vec<Line> {
    let head = ["INSTANCE", "STATE", "VERSION", "PID", "ADDRESS", "UP", "IN FLIGHT", "SERVED", "RESTARTS"];
    let mut rows = vec![head.map(str::to_owned)];
    let dash = || "-".to_owned();
    for one in &status.instances {
        rows.push([
            one.name.clone(),
            one.state.word().to_owned(),
            one.version.clone(),
            one.pid.map_or_else(dash, |pid| pid.to_string()),
            one.address.map_or_else(dash, |address| address.to_string()),
            one.up_ms.map_or_else(dash, |ms| humantime::format_duration(Duration::from_secs(ms / 1000)).to_string()),
            one.in_flight.to_string(),
            one.served.to_string(),
            one.last_end.as_ref().map_or_else(|| one.restarts.to_string(), |end| format!("{} ({end})", one.restarts)),
        ]);
    }
    let widths: Vec<usize> =
        (0..head.len()).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
    let colours = std::iter::once(None).chain(status.instances.iter().map(|one| Some(state_colour(one.state))));
    let lines = rows.iter().zip(colours).map(|(row, of_state)| {
        let cells = row.iter().zip(&widths).enumerate();
        cells.fold(Line::default(), |line, (column, (cell, width))| {
            // The last column needs no padding.
            let cell = if column + 1 < row.len() { format!("{cell:width$}  ") } else { cell.clone() };
            match of_state {
                Some(code) if column == 1 => line.painted(colour, code, &cell),
                _ => line.plain(&cell),
            }
        })
    });
    let first = format!("{} at {}, supervisor pid {}", status.name, status.url(), status.pid);
    let scaling = status.scaling.as_ref().map(|scaling| {
        let ScalingStatus { min, max, target_in_flight, wanted } = scaling;
        Line::from(format!(
            "scales from {min} to {max} instances, {target_in_flight} requests in flight each; now {wanted}"
        ))
    });
    let paused = status.paused_ms.map(|ms| {
        Line::from(format!("paused: requests are held for {:.1} s more", Duration::from_millis(ms).as_secs_f32()))
    });
    let deploy = status.deploy.as_ref().map(|deploy| super::deploy::in_words(deploy).into());
    std::iter::once(first.into()).chain(scaling).chain(paused).chain(deploy).chain(lines).collect()
}
