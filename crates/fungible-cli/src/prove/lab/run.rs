//! One run from the first instance to the last answer: the driver's requests are given to instances, and what they are
//! answered is taken down.

use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::dispatcher::Dispatcher;
use super::echo::Echo;
use super::error::ProveError;
use super::instances::{InstanceChange, Instances, Lasting};
use super::setup::Setup;
use crate::balancer::{Balancer, Question};
use crate::exchange::Exchange;
use crate::fleet::{Launcher, ProcessEnd, ProcessId, Waited};
use crate::prove::event::Event;
use crate::prove::journal::{DriverEnd, Journal};
use crate::prove::request_key::RequestPatterns;
use crate::prove::schedule::Added;

/// How long the last answers may take after the driver has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// How many drivers run at once.
const CROWD: usize = 3;

/// What the balancer tells of a run: requests that ask for their instance, and exchanges that have ended.
pub(super) struct Tapped {
    pub(super) asked: UnboundedReceiver<Question>,
    pub(super) ended: UnboundedReceiver<Exchange>,
}

/// One run while it goes on.
pub(super) struct Run<'a, 'l> {
    setup: &'a Setup<'a>,
    lasting: &'a mut Lasting<'l>,
    balancer: Balancer,
    instances: Instances<'a>,
    dispatcher: Dispatcher<'a>,
    exchanges: Vec<Exchange>,
    echo: Echo,
    /// What was seen of the shared files last, and the requests during which they changed; `None` where nobody watches.
    shares: Option<(u64, Vec<usize>)>,
}

/// A run that is over, and how many processes of the app it started.
pub(super) struct Ended {
    pub(super) journal: Journal,
    pub(super) starts: usize,
}

impl<'a, 'l> Run<'a, 'l> {
    pub(super) fn new(
        setup: &'a Setup<'a>,
        lasting: &'a mut Lasting<'l>,
        balancer: Balancer,
        patterns: RequestPatterns,
    ) -> Run<'a, 'l> {
        Run {
            instances: Instances::new(setup, balancer.clone()),
            dispatcher: Dispatcher::new(setup, patterns),
            setup,
            lasting,
            balancer,
            exchanges: Vec::new(),
            echo: Echo::default(),
            shares: setup.experiment.watches_shares().then(|| (0, Vec::new())),
        }
    }

    /// The whole run.
    pub(super) async fn carry_out(mut self, mut tapped: Tapped) -> Result<Ended, ProveError> {
        let began = SystemTime::now();
        let (last, are_last) = oneshot::channel();
        let starting = self.instances.start_first(self.lasting, last);
        let ((), early) = tokio::try_join!(starting, start_drivers_early(self.setup, are_last))?;
        if self.instances.alone.is_some() {
            for driver in early {
                self.setup.launcher.kill(driver).await?;
            }
            self.instances.start_no_more().await;
            return self.over(DriverEnd::Exited(0), Vec::new(), began).await;
        }
        let drivers = if early.is_empty() { start_drivers(self.setup).await? } else { early };
        let (end, which) = self.drive(&drivers, &mut tapped).await?;
        let driver_lines = self.setup.launcher.last_lines(which);
        self.take_last_answers(tapped).await;
        self.instances.start_no_more().await;
        if self.setup.experiment.is_baseline() {
            let listens = self.instances.foreign_ports().await;
            let fixed = self.lasting.fixed_ports.get_or_insert_with(|| listens.clone());
            fixed.retain(|port| listens.contains(port));
        }
        self.over(end, driver_lines, began).await
    }

    /// Serves the drivers until they end, or hang, or an instance cannot start. How they ended, and which of them did so: one that failed, if
    /// any did.
    async fn drive(
        &mut self,
        drivers: &[ProcessId],
        tapped: &mut Tapped,
    ) -> Result<(DriverEnd, ProcessId), ProveError> {
        let setup = self.setup;
        let launcher = &setup.launcher;
        let first = drivers[0];
        let all_ended = all_ended(launcher, drivers);
        tokio::pin!(all_ended);
        let driving = Instant::now();
        let cut_off = loop {
            self.instances.start_more(self.dispatcher.waiting(), self.dispatcher.asked);
            if self.instances.alone.is_some() {
                break DriverEnd::Exited(0);
            }
            let held = self.dispatcher.held + self.echo.took;
            let hung = tokio::time::Instant::from_std(driving + self.setup.patience + held);
            tokio::select! {
                // An answer may be what lets the next request be sent: take it down first.
                biased;
                Some(exchange) = tapped.ended.recv() => {
                    self.look_at_shares(Some(exchange.number)).await?;
                    let ends = self.dispatcher.is_missed(&exchange) || self.dispatcher.is_last(&exchange);
                    self.answered(exchange);
                    self.ask_again().await;
                    if ends {
                        break DriverEnd::Stopped;
                    }
                }
                Some(question) = tapped.asked.recv() => {
                    self.look_at_shares(None).await?;
                    self.dispatcher.question(question, &mut self.instances);
                }
                Some(change) = self.instances.next_change() => {
                    if let InstanceChange::Started(started) = change {
                        self.instances.add(started?, self.lasting).await?;
                    }
                    self.dispatcher.give_spares(&mut self.instances);
                }
                ended = &mut all_ended => return ended,
                () = tokio::time::sleep_until(hung) => break DriverEnd::Hung,
            }
        };
        for driver in drivers {
            launcher.kill(*driver).await?;
        }
        Ok((cut_off, first))
    }

    /// Looks whether shared files have changed since the last look, before a request or after the answer to one.
    async fn look_at_shares(&mut self, answered: Option<usize>) -> Result<(), ProveError> {
        if let Some((before, changed)) = &mut self.shares {
            let now = self.setup.launcher.state_of_shares().await?;
            let is_other = std::mem::replace(before, now) != now;
            changed.extend(answered.filter(|_| is_other));
        }
        Ok(())
    }

    fn answered(&mut self, exchange: Exchange) {
        (self.lasting.tell)(Event::Request { number: exchange.number });
        self.dispatcher.answered(&exchange, &mut self.instances);
        self.echo.answered(&exchange);
        self.exchanges.push(exchange);
    }

    /// After a write, before the next request is given to an instance.
    async fn ask_again(&mut self) {
        if self.setup.experiment.added != Added::Echo || !self.echo.is_due {
            return;
        }
        let pause = self.dispatcher.pause().max(self.setup.echo_after);
        self.echo.took += pause;
        tokio::time::sleep(pause).await;
        let live = self.instances.live();
        let sent = self.echo.ask(&self.exchanges, (&live, self.dispatcher.asked), self.setup.began).await;
        for request in &sent {
            self.dispatcher.note_again(request);
        }
    }

    /// What is still on its way when the driver has ended.
    async fn take_last_answers(&mut self, tapped: Tapped) {
        let Tapped { asked, mut ended } = tapped;
        self.dispatcher.give_up();
        let last = tokio::time::Instant::now() + LAST_ANSWERS;
        while self.exchanges.len() < self.dispatcher.asked {
            match tokio::time::timeout_at(last, ended.recv()).await {
                Ok(Some(exchange)) => self.answered(exchange),
                Ok(None) | Err(_) => break,
            }
        }
        self.ask_again().await;
        if self.setup.experiment.added == Added::Burst {
            self.echo.burst(&self.exchanges, &self.instances.live(), self.setup.began).await;
        }
        drop(asked);
        self.balancer.clone().stop(Duration::ZERO).await;
        while let Ok(exchange) = ended.try_recv() {
            self.exchanges.push(exchange);
        }
    }

    async fn over(
        mut self,
        driver: DriverEnd,
        driver_lines: Vec<String>,
        began: SystemTime,
    ) -> Result<Ended, ProveError> {
        let broke_off = self.exchanges.iter().filter(|one| one.broke_off()).map(|one| one.number);
        let broke_off = self.dispatcher.who_got(broke_off);
        let instances = self.instances.records(&self.dispatcher.served(), &broke_off).await?;
        let mut clients = self.exchanges;
        clients.sort_by_key(|exchange| exchange.number);
        let mut exchanges = self.echo.merged(clients);
        // Numbers without gaps, also where the end of the run cut a request off.
        for (place, exchange) in exchanges.iter_mut().enumerate() {
            exchange.number = place + 1;
        }
        let journal = Journal {
            exchanges,
            instances,
            driver,
            run: self.setup.run.clone(),
            address: self.setup.address.to_string(),
            began,
            took: self.setup.began.elapsed(),
            held: self.dispatcher.held,
            longest_hold: self.dispatcher.longest_hold,
            driver_lines,
            stored: self.shares.map(|(_, changed)| changed),
            alone: self.instances.alone.take(),
        };
        Ok(Ended { journal, starts: self.instances.starts })
    }
}

/// Usually one.
async fn start_drivers(setup: &Setup<'_>) -> Result<Vec<ProcessId>, ProveError> {
    let count = if setup.experiment.added == Added::Crowd { CROWD } else { 1 };
    let mut drivers = Vec::new();
    for number in 1..=count {
        let mut driver = setup.shell("driver", &setup.plan.drive, true);
        driver.env.push(("FUNGIBLE_CLIENT".to_owned(), number.to_string()));
        drivers.push(setup.launcher.launch(driver).await?);
    }
    Ok(drivers)
}

/// Starts them while the last instances that they need are being started, so late that they have nothing to ask before these are
/// ready; none where it is not known how long that takes.
async fn start_drivers_early(setup: &Setup<'_>, are_last: oneshot::Receiver<()>) -> Result<Vec<ProcessId>, ProveError> {
    match (setup.driver_after, are_last.await) {
        (Some(after), Ok(())) => {
            tokio::time::sleep(after).await;
            start_drivers(setup).await
        }
        _ => Ok(Vec::new()),
    }
}

/// Waits until all of these have ended: how, and which of them; one that failed, if any did.
async fn all_ended(launcher: &Launcher, drivers: &[ProcessId]) -> Result<(DriverEnd, ProcessId), ProveError> {
    let mut over = (DriverEnd::Exited(0), drivers[0]);
    for driver in drivers {
        match launcher.ended(*driver).await {
            Waited::Ended(end) if over.0 == DriverEnd::Exited(0) => over = (driver_end(end), *driver),
            Waited::NotStarted(reason) => return Err(ProveError::Driver(reason)),
            Waited::Ended(_) | Waited::Ready | Waited::PortTaken(_) | Waited::Late(_) => {}
        }
    }
    Ok(over)
}

fn driver_end(end: ProcessEnd) -> DriverEnd {
    match end {
        ProcessEnd::Exited(code) => DriverEnd::Exited(code),
        ProcessEnd::Killed(_) | ProcessEnd::KeeperKilled => DriverEnd::Killed(end.to_string()),
    }
}
