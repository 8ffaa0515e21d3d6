//! `fungible demo`: the article's system in one command. The only module that uses the toolkit and the apps.

mod customers;
mod data;
mod logs;

use std::io::IsTerminal as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::parent_id;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use fungible::{Config, Secret, shutdown_signal};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use self::customers::Customers;
use self::data::Data;
use super::args::{DemoApp, DemoOptions};
use super::line::Line;
use super::printer::Printing;
use super::{control, front, process, run, screen};
use crate::admin::{Admin, AdminSettings, Crowd, Sources};
use crate::balancer::{self, Routing};
use crate::fleet::{
    Asked, ControlReply, ControlRequest, FleetEvent, FleetSettings, FleetStatus, OutputTo, RecycleRule, Release,
    ResourceLimits, Template,
};

/// How often the live table is redrawn.
const REDRAW: Duration = Duration::from_millis(250);

/// Where the page is, unless it is said.
const ANY_ADMIN_PORT: AdminSettings =
    AdminSettings { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0), public: false };

/// How many simulated customers there are.
const CUSTOMERS: usize = 20;

/// The environment variable with the process id of the parent of the payment service.
const PARENT: &str = "FUNGIBLE_DEMO_PARENT";

/// Runs the demo until it is stopped.
///
/// # Errors
/// When its data folder, its port or its instances cannot be used.
pub(super) fn run(options: &DemoOptions) -> anyhow::Result<()> {
    let app = match (options.app, options.broken) {
        (DemoApp::Todo, false) => "todo",
        (DemoApp::Todo, true) => "todo-broken",
        (DemoApp::Shop, false) => "shop",
        (DemoApp::Shop, true) => bail!("there is no broken shop: leave out --broken or --app shop"),
    };
    let data = Data::open(&options.data)?;
    data.logs.keep_short().context("cannot limit the size of the logs")?;
    let listener = front::listen(options.listen)?;
    let admin = Admin::open(options.admin.settings().unwrap_or(ANY_ADMIN_PORT))?;
    let mut env = if options.broken { Vec::new() } else { environment(&data, app, options.store.as_deref())? };
    let desk = if options.app == DemoApp::Shop { Some(front::listen((Ipv4Addr::LOCALHOST, 0).into())?) } else { None };
    if let Some(desk) = &desk {
        env.push(("SHOP_PAYMENTS".to_owned(), format!("http://{}", desk.local_addr()?)));
    }
    if !options.broken {
        prepare(app, &env)?;
    }
    // Started last, when nothing else can fail before the fleet starts.
    desk.map(|desk| payments(&data, desk)).transpose()?;
    let settings = FleetSettings {
        name: if options.app == DemoApp::Shop { "shop" } else { "todo" }.to_owned(),
        count: options.instances.into(),
        release: Release::new(
            Template {
                program: process::executable().display().to_string(),
                args: vec!["demo-instance".to_owned(), app.to_owned()],
                env,
            },
            Some(env!("CARGO_PKG_VERSION").to_owned()),
        ),
        executable: process::executable(),
        namespaces: !options.no_namespaces,
        health_port: false,
        foreign_listeners: false,
        output: OutputTo::Folder(data.logs.path.clone()),
        start_limit: Duration::from_secs(30),
        drain_limit: Duration::from_secs(5),
        grace: Duration::from_secs(10),
        replace_after: Some(Duration::from_secs(10)),
        response_limit: Duration::from_mins(1),
        scaling: None,
        limits: ResourceLimits::default(),
        recycle: RecycleRule::default(),
    };
    let routing = if options.sticky { Routing::Sticky } else { Routing::RoundRobin };
    let mut config = balancer::Config::new(front::random_secret()?);
    config.routing = routing;
    config.health.path = Some("/readyz".to_owned());
    config.meter = Some(admin.meter());
    config.limits.connections = Some(front::connections(options.instances.into()));

    let bars = MultiProgress::new();
    let above = bars.clone();
    let colour = screen::colour();
    let shown = std::io::stderr().is_terminal() && !bars.is_hidden();
    let printing = Printing::start(move |line| {
        // With the live table on the screen, lines are printed above it.
        if shown { above.println(line.to_string()) } else { screen::try_say(line) }
    });
    let printer = printing.printer();
    let hub = admin.hub();
    let mut tell = |event: FleetEvent| {
        run::tell_page(Some(&hub), &event);
        printer.say(screen::line(&Line::default(), &event, colour));
    };
    let outcome = run::fleet(&settings, listener, config, &mut tell, |balancer, ask| {
        let address = balancer.local_addr();
        for line in introduction(options, address).into_iter().chain([see_it(&admin)]) {
            printer.say(line.into());
        }
        let crowd = Arc::new(Crowd::new(CUSTOMERS));
        Customers::new(address, options.app, Arc::clone(&crowd))?.wait_for_their_turn();
        let (name, balancer) = (settings.name.clone(), balancer.clone());
        admin.serve(Sources { name, balancer, commands: Some(ask.clone()), crowd: Some(crowd) })?;
        if shown {
            // On a separate thread, because writing to a terminal may block.
            std::thread::spawn(move || draw(&bars, &ask));
        }
        Ok(())
    });
    printing.finish();
    outcome.with_context(|| format!("the logs of the instances are in {}", data.logs.path.display()))
}

/// Runs one instance of a reference app in this process, configured by its environment.
pub(super) fn instance(app: &str) -> anyhow::Result<()> {
    let lookup = |name: &str| std::env::var(name).ok();
    fungible_web::program::log(None).map_err(anyhow::Error::msg)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if app == "payments" {
            return payment_service().await;
        }
        let port: u16 = lookup("PORT").unwrap_or_default().parse().context("PORT is not a port")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        match app {
            "todo" => fungible_todo::run(listener, Config::from_lookup(lookup)?, shutdown_signal()).await?,
            "shop" => {
                let payments = fungible_shop::Payments::from_lookup(lookup)?;
                fungible_shop::run(listener, Config::from_lookup(lookup)?, payments, shutdown_signal()).await?;
            }
            "todo-broken" => {
                fungible_todo_broken::run(listener, &lookup("FUNGIBLE_INSTANCE").unwrap_or_default()).await?;
            }
            other => bail!("there is no app called {other}"),
        }
        Ok(())
    })
}

/// Opens the store once before the instances do, so that an error is reported here, and only once.
fn prepare(app: &str, env: &[(String, String)]) -> anyhow::Result<()> {
    let value = |name: &str| env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let lookup = |name: &str| if name == "PORT" { Some("0".to_owned()) } else { value(name) };
    let config = Config::from_lookup(lookup)?;
    let runtime = process::runtime()?;
    if app == "shop" {
        let payments = fungible_shop::Payments::from_lookup(lookup)?;
        return Ok(runtime.block_on(fungible_shop::prepare(config, payments))?);
    }
    Ok(runtime.block_on(fungible_todo::prepare(config))?)
}

/// Starts the payment service as a child process that ends with this one. It gets its listener as standard input, so
/// that no other program can take its port.
fn payments(data: &Data, listener: std::net::TcpListener) -> anyhow::Result<()> {
    let cannot = "cannot start the payment service";
    let log = data.logs.append(logs::PAYMENTS).context(cannot)?;
    Command::new(process::executable())
        .args(["demo-instance", "payments"])
        .env("FUNGIBLE_STORE", format!("sqlite:{}", data.path.join("payments.sqlite").display()))
        .env(PARENT, std::process::id().to_string())
        .stdin(OwnedFd::from(listener))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context(cannot)?;
    Ok(())
}

/// Runs the payment service until its parent process has ended.
async fn payment_service() -> anyhow::Result<()> {
    let parent = std::env::var(PARENT).unwrap_or_default();
    let gone = async move {
        while parent_id().to_string() == parent {
            tokio::time::sleep(REDRAW).await;
        }
    };
    let listener = std::net::TcpListener::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    listener.set_nonblocking(true)?;
    let ledger = std::env::var("FUNGIBLE_STORE").unwrap_or_default().parse()?;
    // Ctrl-C is sent to all processes of the terminal, but the instances need the payment service until they end.
    let mut interrupts = signal(SignalKind::interrupt())?;
    tokio::spawn(async move { while interrupts.recv().await.is_some() {} });
    Ok(fungible_payments::run(TcpListener::from_std(listener)?, &ledger, gone).await?)
}

/// The environment of the instances, without the port.
fn environment(data: &Data, app: &str, store: Option<&str>) -> anyhow::Result<Vec<(String, String)>> {
    let own = || format!("sqlite:{}", data.path.join(format!("{app}.sqlite")).display());
    let secret = data.secret()?;
    Secret::parse(&secret).with_context(|| {
        format!("cannot use the secret in {} (move that folder away to start with a new one)", data.path.display())
    })?;
    Ok([
        ("HOST", Ipv4Addr::LOCALHOST.to_string()),
        ("FUNGIBLE_STORE", store.map_or_else(own, str::to_owned)),
        ("FUNGIBLE_SECRET", secret),
        // The demo uses plain http, for which browsers and curl drop cookies marked Secure.
        ("FUNGIBLE_COOKIES", "plain".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec())
}

/// What to try, in three steps.
fn introduction(options: &DemoOptions, address: SocketAddr) -> Vec<String> {
    let (count, me) = (options.instances, own_command());
    let (what, steps) = match (options.app, options.broken, options.sticky) {
        (DemoApp::Shop, ..) => (
            format!("An online store on {count} interchangeable instances, one shared store, and a payment service"),
            [
                "Open it, fill the cart, register and order; the small print says which instance answered.".to_owned(),
                format!("Kill instances as you like, also while you pay: {me} kill shop-1"),
                "Go on: you are logged in, and each order is charged once. Ctrl-C ends the demo.".to_owned(),
            ],
        ),
        (DemoApp::Todo, false, _) => (
            format!("A to-do list on {count} interchangeable instances, one shared store"),
            [
                "Open it, register and add a task; the small print says which instance answered.".to_owned(),
                format!("Kill that instance: {me} kill todo-1"),
                "Go on: you are logged in and your tasks are there. Ctrl-C ends the demo.".to_owned(),
            ],
        ),
        (DemoApp::Todo, true, false) => (
            format!("A to-do list on {count} instances that keep sessions and tasks in their own memory"),
            [
                "Open it and register.".to_owned(),
                "Look at your tasks: \"please log in again\" - the next instance does not know you.".to_owned(),
                format!("The same without --broken works: {me} demo"),
            ],
        ),
        (DemoApp::Todo, true, true) => (
            format!(
                "A to-do list on {count} instances that keep sessions in their own memory, hidden by a sticky cookie"
            ),
            [
                "Open it, register and add a task: it works, you always meet the same instance.".to_owned(),
                format!("Kill that instance: {me} kill todo-1"),
                "Go on: \"please log in again\", and your tasks are gone. Sticky sessions only hid it.".to_owned(),
            ],
        ),
    };
    let mut lines = vec![format!("{what}: http://{address}")];
    if !address.ip().is_loopback() {
        lines.push("  This is plain http: anybody on the network path can read passwords and cookies.".to_owned());
    }
    lines.extend(steps.into_iter().zip(1..).map(|(step, number)| format!("  {number}. {step}")));
    lines
}

fn see_it(admin: &Admin) -> String {
    format!("See the instances at work, and send {CUSTOMERS} customers: {}", admin.page_url())
}

/// How the user can call this program from the current folder.
fn own_command() -> String {
    let Ok(own) = std::env::current_exe() else { return "fungible".to_owned() };
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join("fungible") == own) {
        return "fungible".to_owned();
    }
    let here = std::env::current_dir().unwrap_or_default();
    let shown = own.strip_prefix(&here).unwrap_or(&own).display().to_string();
    if shown.contains(' ') { format!("'{shown}'") } else { shown }
}

/// Draws a live table of the instances at the bottom of the terminal, until the fleet ends.
fn draw(bars: &MultiProgress, ask: &mpsc::Sender<Asked>) {
    let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    let mut lines: Vec<ProgressBar> = Vec::new();
    while let Some(status) = ask_status(ask) {
        // The first line of the table names the fleet, which the introduction has printed.
        let rows: Vec<_> = control::table(&status, screen::colour()).into_iter().skip(1).collect();
        while lines.len() < rows.len() {
            lines.push(bars.add(ProgressBar::new_spinner().with_style(style.clone())));
        }
        for surplus in lines.drain(rows.len()..) {
            surplus.finish_and_clear();
        }
        for (line, row) in lines.iter().zip(&rows) {
            line.set_message(row.to_string());
            line.tick();
        }
        std::thread::park_timeout(REDRAW);
    }
}

fn ask_status(ask: &mpsc::Sender<Asked>) -> Option<FleetStatus> {
    let (reply, answer) = oneshot::channel();
    ask.blocking_send(Asked { request: ControlRequest::Status, reply }).ok()?;
    match answer.blocking_recv().ok()? {
        ControlReply::Status(status) => Some(*status),
        ControlReply::Done(_) | ControlReply::Refused(_) => None,
    }
}
