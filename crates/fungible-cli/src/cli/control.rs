//! `fungible status`, `kill`, `scale` and `stop`: a word to a running fleet.

use std::time::Duration;

use anyhow::bail;

use super::screen::{coloured, paint, print, state_colour};
use crate::fleet::{ControlError, FleetStatus, Fleets, Reply, Request};

pub(super) fn status(fleet: Option<&str>, json: bool) -> anyhow::Result<()> {
    let fleets = Fleets::within(super::control_folder())?;
    let names = match fleets.find(fleet) {
        Ok(name) => vec![name],
        // All of them may be looked at together.
        Err(ControlError::Several(names)) if fleet.is_none() => names,
        Err(error) => return Err(error.into()),
    };
    super::runtime()?.block_on(async {
        for name in names {
            match fleets.ask(&name, &Request::Status).await? {
                Reply::Status(status) if json => print(&serde_json::to_string(&status)?),
                Reply::Status(status) => {
                    print(&table(&status, coloured(std::io::IsTerminal::is_terminal(&std::io::stdout()))));
                }
                Reply::Done(text) | Reply::Refused(text) => bail!("{text}"),
            }
        }
        Ok(())
    })
}

pub(super) fn kill(fleet: Option<&str>, instance: String) -> anyhow::Result<()> {
    order(fleet, &Request::Kill { instance }).map(|_| ())
}

pub(super) fn scale(fleet: Option<&str>, count: usize) -> anyhow::Result<()> {
    order(fleet, &Request::Scale { count }).map(|_| ())
}

/// Returns once the fleet has ended.
pub(super) fn stop(fleet: Option<&str>) -> anyhow::Result<()> {
    let name = order(fleet, &Request::Stop)?;
    super::runtime()?.block_on(Fleets::within(super::control_folder())?.ended(&name));
    print("stopped");
    Ok(())
}

/// Gives an order, prints what was done, and returns the name of the fleet.
fn order(fleet: Option<&str>, request: &Request) -> anyhow::Result<String> {
    let fleets = Fleets::within(super::control_folder())?;
    let name = fleets.find(fleet)?;
    match super::runtime()?.block_on(fleets.ask(&name, request))? {
        Reply::Done(text) => print(&text),
        Reply::Refused(text) => bail!("{text}"),
        Reply::Status(_) => bail!("fleet {name} answered something else; is it another version?"),
    }
    Ok(name)
}

/// A fleet as a table.
pub(super) fn table(status: &FleetStatus, colour: bool) -> String {
    let head = ["INSTANCE", "STATE", "PID", "ADDRESS", "UP", "IN FLIGHT", "SERVED", "RESTARTS"];
    let mut rows = vec![head.map(str::to_owned)];
    let dash = || "-".to_owned();
    for one in &status.instances {
        rows.push([
            one.name.clone(),
            one.state.word().to_owned(),
            one.pid.map_or_else(dash, |pid| pid.to_string()),
            one.address.map_or_else(dash, |address| address.to_string()),
            one.up_ms.map_or_else(dash, |ms| humantime::format_duration(Duration::from_secs(ms / 1000)).to_string()),
            one.in_flight.to_string(),
            one.served.to_string(),
            one.restarts.to_string(),
        ]);
    }
    let widths: Vec<usize> =
        (0..head.len()).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
    let mut text = format!("{} at http://{}, supervisor pid {}\n", status.name, status.listen, status.pid);
    for (at, row) in rows.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padded = format!("{cell:width$}  ");
            let state = at.checked_sub(1).and_then(|instance| status.instances.get(instance)).map(|one| one.state);
            text.push_str(&match state {
                Some(state) if column == 1 => paint(colour, state_colour(state), &padded),
                _ => padded,
            });
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text.pop();
    text
}
