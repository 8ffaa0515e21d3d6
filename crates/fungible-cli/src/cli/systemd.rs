//! systemd: the units that run a fleet, the socket that it passes on (`sd_listen_fds(3)`), and what it is told
//! (`sd_notify(3)`).

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use listenfd::ListenFd;
use sd_notify::NotifyState;

use super::args::{RunPlan, SystemdOptions};
use super::{process, screen};
use crate::balancer::Routing;
use crate::fleet::FleetEvent;

/// The socket that systemd listens on for us, if it does.
///
/// # Errors
/// When it is no listening TCP socket.
pub(super) fn listener() -> anyhow::Result<Option<TcpListener>> {
    ListenFd::from_env().take_tcp_listener(0).context("the socket that systemd passed on is no TCP listener")
}

/// Tells systemd that the fleet serves, or ends. Without systemd this does nothing.
pub(super) fn notify(event: &FleetEvent) {
    static SERVES: AtomicBool = AtomicBool::new(false);
    let state = match event {
        FleetEvent::Ready { .. } if !SERVES.swap(true, Ordering::Relaxed) => NotifyState::Ready,
        FleetEvent::Draining => NotifyState::Stopping,
        _ => return,
    };
    // A fleet runs as well if systemd does not listen.
    let _ = sd_notify::notify(&[state]);
}

/// `fungible systemd-unit`: prints the units for a fleet with these options.
///
/// # Errors
/// When the options contradict each other.
pub(super) fn print_units(options: &SystemdOptions) -> anyhow::Result<()> {
    let plan = options.run.clone().into_plan(3, Routing::PowerOfTwo)?;
    screen::print_as_it_is(&units(options, &plan, std::env::args().skip(2)));
    Ok(())
}

fn units(options: &SystemdOptions, plan: &RunPlan, words: impl Iterator<Item = String>) -> String {
    let name = &plan.name;
    // As they were typed, but for those that are meant for the unit.
    let mut run = Vec::new();
    let mut words = words;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--user" | "--working-directory" => drop(words.next()),
            word if word.starts_with("--user=") || word.starts_with("--working-directory=") => {}
            "--" => {
                run.push(quoted("--"));
                run.extend(words.by_ref().map(|word| quoted(&word)));
            }
            word => run.push(quoted(word)),
        }
    }
    // What this process calls itself means systemd's own executable there.
    let tool = std::env::current_exe().unwrap_or_else(|_| process::executable());
    let stop = plan.balancer.drain_limit + plan.grace + Duration::from_secs(5);
    format!(
        "# /etc/systemd/system/{name}.socket
[Unit]
Description=The socket of {name}

[Socket]
ListenStream={listen}
# Connections wait here while the service is restarted.
Backlog=4096
NoDelay=true

[Install]
WantedBy=sockets.target

# /etc/systemd/system/{name}.service
[Unit]
Description={name}, on interchangeable instances
Requires={name}.socket
After=network.target {name}.socket

[Service]
Type=notify
ExecStart={tool} run {run}
# Replaces all instances, one after the other.
ExecReload=/bin/kill -HUP $MAINPID
KillMode=mixed
TimeoutStartSec={start}
TimeoutStopSec={stop}
Restart=on-failure
User={user}
WorkingDirectory={folder}
# The folder of the control socket; `fungible status` needs the same XDG_RUNTIME_DIR.
RuntimeDirectory={name}
RuntimeDirectoryMode=0700
Environment=XDG_RUNTIME_DIR=/run/{name}
# For --memory and --cpus.
Delegate=yes
LimitNOFILE=65536
NoNewPrivileges=true
AmbientCapabilities={capabilities}

[Install]
WantedBy=multi-user.target

# systemctl daemon-reload && systemctl enable --now {name}.socket {name}.service",
        listen = plan.balancer.listen,
        tool = quoted(&tool.display().to_string()),
        run = run.join(" "),
        start = (plan.start_limit + Duration::from_secs(5)).as_secs(),
        stop = stop.as_secs(),
        capabilities = if opens_low_port(plan) { "CAP_NET_BIND_SERVICE" } else { "" },
        user = options.user,
        folder = options.working_directory.display().to_string().replace('%', "%%"),
    )
}

/// Whether the fleet opens a port by itself that only root may open. systemd opens that of the socket.
fn opens_low_port(plan: &RunPlan) -> bool {
    let redirect = plan.balancer.connecting.redirect_http.map(|address| address.port());
    let admin = plan.balancer.admin.map(|admin| admin.listen.port());
    [redirect, admin].into_iter().flatten().any(|port| (1..1024).contains(&port))
}

/// A word of a command line in a unit (`systemd.service(5)`, "Command lines").
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:={}@,+".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    for letter in word.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '%' | '$' => quoted.extend([letter, letter]),
            '\n' => quoted.push_str("\\n"),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_systemd_reads_them() {
        for (word, expected) in [
            ("--port={port}", "--port={port}"),
            ("", "\"\""),
            ("two words", "\"two words\""),
            ("50%", "\"50%%\""),
            ("$HOME", "\"$$HOME\""),
            ("a\"b\\c", "\"a\\\"b\\\\c\""),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
