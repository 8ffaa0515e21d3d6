//! One run from the first instance to the last answer: the driver's requests are given to instances, and what they are
//! answered is taken down.

use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc::UnboundedReceiver;

use super::dispatcher::Dispatcher;
use super::error::ProveError;
use super::instances::{Instances, Lasting};
use super::setup::Setup;
use crate::balancer::{Balancer, Question};
use crate::exchange::Exchange;
use crate::fleet::{ProcessEnd, ProcessId, Waited};
use crate::prove::event::Event;
use crate::prove::journal::{DriverEnd, Journal};
use crate::prove::request_key::RequestPatterns;

/// How long the last answers may take after the driver has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

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
        }
    }

    /// The whole run.
    pub(super) async fn carry_out(mut self, mut tapped: Tapped) -> Result<Ended, ProveError> {
        let began = SystemTime::now();
        self.instances.start_first(self.lasting).await?;
        if self.instances.alone.is_some() {
            self.instances.start_no_more().await;
            return self.over(DriverEnd::Exited(0), Vec::new(), began).await;
        }
        let driver = self.setup.launcher.launch(self.setup.shell("driver", &self.setup.plan.drive, true)).await?;
        let end = self.drive(driver, &mut tapped).await?;
        let driver_lines = self.setup.launcher.last_lines(driver);
        self.take_last_answers(tapped).await;
        self.instances.start_no_more().await;
        if self.setup.experiment.is_baseline() {
            let listens = self.instances.foreign_ports().await;
            let fixed = self.lasting.fixed_ports.get_or_insert_with(|| listens.clone());
            fixed.retain(|port| listens.contains(port));
        }
        self.over(end, driver_lines, began).await
    }

    /// Serves the driver until it ends, or hangs, or an instance cannot start.
    async fn drive(&mut self, driver: ProcessId, tapped: &mut Tapped) -> Result<DriverEnd, ProveError> {
        let setup = self.setup;
        let launcher = &setup.launcher;
        let driver_ended = launcher.ended(driver);
        tokio::pin!(driver_ended);
        let driving = Instant::now();
        loop {
            self.instances.start_more(self.dispatcher.waiting());
            if self.instances.alone.is_some() {
                launcher.kill(driver).await?;
                return Ok(DriverEnd::Exited(0));
            }
            let hung = tokio::time::Instant::from_std(driving + self.setup.patience + self.dispatcher.held);
            tokio::select! {
                // An answer may be what lets the next request be sent: take it down first.
                biased;
                Some(exchange) = tapped.ended.recv() => {
                    let is_missed = self.dispatcher.is_missed(&exchange);
                    self.answered(exchange);
                    if is_missed {
                        launcher.kill(driver).await?;
                        return Ok(DriverEnd::Stopped);
                    }
                }
                Some(question) = tapped.asked.recv() => self.dispatcher.question(question, &mut self.instances),
                Some(started) = self.instances.next_started(), if self.instances.are_starting() => {
                    self.instances.add(started?, self.lasting).await?;
                    self.dispatcher.give_spares(&mut self.instances);
                }
                ended = &mut driver_ended => match ended {
                    Waited::Ended(end) => return Ok(driver_end(end)),
                    Waited::NotStarted(reason) => return Err(ProveError::Driver(reason)),
                    Waited::Ready | Waited::PortTaken(_) | Waited::Late(_) => {}
                },
                () = tokio::time::sleep_until(hung) => {
                    launcher.kill(driver).await?;
                    return Ok(DriverEnd::Hung);
                }
            }
        }
    }

    fn answered(&mut self, exchange: Exchange) {
        (self.lasting.tell)(Event::Request { number: exchange.number });
        self.dispatcher.answered(&exchange, &mut self.instances);
        self.exchanges.push(exchange);
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
        let mut exchanges = self.exchanges;
        exchanges.sort_by_key(|exchange| exchange.number);
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
            alone: self.instances.alone.take(),
        };
        Ok(Ended { journal, starts: self.instances.starts })
    }
}

fn driver_end(end: ProcessEnd) -> DriverEnd {
    match end {
        ProcessEnd::Exited(code) => DriverEnd::Exited(code),
        ProcessEnd::Killed(_) | ProcessEnd::KeeperKilled => DriverEnd::Killed(end.to_string()),
    }
}
