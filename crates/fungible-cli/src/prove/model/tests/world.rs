//! A journal, written line by line.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::super::{Comparison, Ignore, Model};
use crate::exchange::{Body, Exchange, Frame, Outcome, Request};
use crate::prove::deviation::Deviation;
use crate::prove::journal::{DriverEnd, InstanceRecord, Journal};
use crate::prove::parse::ParsedRun;
use std::sync::Arc;

/// A run: every further line belongs to the exchange that was begun last.
#[derive(Clone, Debug)]
pub(super) struct Log {
    journal: Journal,
    number_of_run: u64,
    instance: String,
    clock: Duration,
}

/// The `nth` run, on an instance `i1`. Runs begin 40 seconds apart.
pub(super) fn run(nth: u64) -> Log {
    let log = Log {
        journal: Journal {
            exchanges: Vec::new(),
            instances: Vec::new(),
            driver: DriverEnd::Exited(0),
            run: format!("run{nth}x"),
            address: "127.0.0.1:40001".to_owned(),
            began: UNIX_EPOCH + Duration::from_secs(1_795_461_333 + 40 * nth),
            took: Duration::from_secs(2),
            held: Duration::ZERO,
            longest_hold: Duration::ZERO,
            driver_lines: Vec::new(),
            stored: None,
            alone: None,
        },
        number_of_run: nth,
        instance: String::new(),
        clock: Duration::ZERO,
    };
    log.on("i1")
}

/// 32 hexadecimal digits that look random: others for each run and each name.
pub(super) fn token(run: u64, name: &str) -> String {
    let digest = Sha256::digest(format!("{run}/{name}"));
    let number = digest.iter().take(16).fold(0, |number: u128, byte| number << 8 | u128::from(*byte));
    format!("{number:032x}")
}

impl Log {
    /// What follows is answered by this instance.
    pub(super) fn on(mut self, instance: &str) -> Log {
        instance.clone_into(&mut self.instance);
        if !self.journal.instances.iter().any(|record| record.name == instance) {
            let place = u16::try_from(self.journal.instances.len()).unwrap();
            let run = u16::try_from(self.number_of_run).unwrap();
            self.journal.instances.push(InstanceRecord {
                name: instance.to_owned(),
                port: 41_000 + run * 100 + place,
                pids: vec![i32::from(7000 + run * 50 + place)],
                host_name: format!("host-{run}-{instance}"),
                started: Duration::ZERO,
                ready: Some(Duration::ZERO),
                killed: None,
                files: Vec::<PathBuf>::new(),
                ended: None,
                last_lines: Vec::new(),
            });
        }
        self
    }

    /// The port of the instance at hand.
    pub(super) fn port(&self) -> u16 {
        self.journal.instances.iter().find(|record| record.name == self.instance).unwrap().port
    }

    /// Seconds since 1970 at the beginning of the run.
    pub(super) fn now(&self) -> u64 {
        self.journal.began.duration_since(UNIX_EPOCH).unwrap().as_secs() + self.clock.as_secs()
    }

    pub(super) fn send(mut self, method: &str, target: &str, kind: &str, body: &str) -> Log {
        let headers = if kind.is_empty() { Vec::new() } else { vec![("content-type".to_owned(), kind.into())] };
        let arrived = self.clock;
        self.clock += Duration::from_millis(10);
        self.journal.exchanges.push(Exchange {
            number: self.journal.exchanges.len() + 1,
            connection: 1,
            instance: Some(self.instance.clone()),
            arrived,
            ended: arrived + Duration::from_millis(5),
            left: false,
            request: Request {
                method: method.to_owned(),
                target: target.to_owned(),
                headers,
                body: Body::Kept(Bytes::copy_from_slice(body.as_bytes())),
            },
            outcome: Outcome::Answered {
                status: 200,
                headers: Vec::new(),
                body: Body::Kept(Bytes::new()),
                complete: true,
            },
            frames: Vec::new(),
            again: None,
        });
        self
    }

    /// What follows is sent so many seconds later.
    pub(super) fn later(mut self, seconds: u64) -> Log {
        self.clock += Duration::from_secs(seconds);
        self
    }

    pub(super) fn get(self, target: &str) -> Log {
        self.send("GET", target, "", "")
    }

    pub(super) fn post(self, target: &str, form: &str) -> Log {
        self.send("POST", target, "application/x-www-form-urlencoded", form)
    }

    pub(super) fn post_json(self, target: &str, body: &str) -> Log {
        self.send("POST", target, "application/json", body)
    }

    fn last(&mut self) -> &mut Exchange {
        self.journal.exchanges.last_mut().unwrap()
    }

    /// A field of the request.
    pub(super) fn with(mut self, name: &str, value: &str) -> Log {
        self.last().request.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The body of the request.
    pub(super) fn body(mut self, bytes: Vec<u8>) -> Log {
        self.last().request.body = Body::Kept(bytes.into());
        self
    }

    /// A field of the answer.
    pub(super) fn field(mut self, name: &str, value: &str) -> Log {
        if let Outcome::Answered { headers, .. } = &mut self.last().outcome {
            headers.push((name.to_owned(), value.into()));
        }
        self
    }

    pub(super) fn answer(mut self, status_is: u16, kind: &str, bytes: impl Into<Bytes>) -> Log {
        if let Outcome::Answered { status, headers, body, .. } = &mut self.last().outcome {
            *status = status_is;
            headers.push(("content-type".to_owned(), kind.into()));
            *body = Body::Kept(bytes.into());
        }
        self
    }

    pub(super) fn status(mut self, status_is: u16) -> Log {
        if let Outcome::Answered { status, .. } = &mut self.last().outcome {
            *status = status_is;
        }
        self
    }

    pub(super) fn json(self, body: &str) -> Log {
        self.answer(200, "application/json", body.to_owned())
    }

    pub(super) fn html(self, body: &str) -> Log {
        self.answer(200, "text/html; charset=utf-8", format!("<!doctype html><html><body>{body}</body></html>"))
    }

    pub(super) fn text(self, body: &str) -> Log {
        self.answer(200, "text/plain", body.to_owned())
    }

    pub(super) fn outcome(mut self, outcome: Outcome) -> Log {
        self.last().outcome = outcome;
        self
    }

    pub(super) fn cut_short(mut self) -> Log {
        if let Outcome::Answered { complete, .. } = &mut self.last().outcome {
            *complete = false;
        }
        self
    }

    /// The client went away before the answer had ended.
    pub(super) fn left(mut self) -> Log {
        self.last().left = true;
        self
    }

    /// How long the client waited, in milliseconds.
    pub(super) fn stayed(mut self, milliseconds: u64) -> Log {
        let last = self.last();
        last.ended = last.arrived + Duration::from_millis(milliseconds);
        self
    }

    pub(super) fn frame(self, from_client: bool, data: &str) -> Log {
        self.message(from_client, Body::Kept(Bytes::copy_from_slice(data.as_bytes())))
    }

    pub(super) fn message(mut self, from_client: bool, data: Body) -> Log {
        let at = self.clock;
        self.last().frames.push(Frame { from_client, data, at });
        self
    }

    /// In flight together with the one before.
    pub(super) fn meanwhile(mut self) -> Log {
        let end = self.clock;
        let at = self.journal.exchanges.len() - 2;
        self.journal.exchanges[at].ended = end;
        self
    }

    pub(super) fn driver(mut self, end: DriverEnd) -> Log {
        self.journal.driver = end;
        self
    }

    /// What the exchange begun last is, and all before.
    pub(super) fn journal(self) -> Journal {
        self.journal
    }

    /// As if this run had begun when the first did.
    pub(super) fn began_with_the_first(mut self) -> Log {
        self.journal.began = run(1).journal.began;
        self
    }
}

/// The model of these baselines.
pub(super) fn learned(baselines: &[Journal], ignores: &[Ignore]) -> Model {
    let baselines: Vec<Arc<ParsedRun>> =
        baselines.iter().map(|journal| Arc::new(ParsedRun::new(journal.clone()))).collect();
    Model::new(&baselines, ignores)
}

/// What a model says of a journal.
pub(super) trait Compare {
    fn compare(&self, journal: &Journal) -> Comparison;
}

impl Compare for Model {
    fn compare(&self, journal: &Journal) -> Comparison {
        self.judge(&ParsedRun::new(journal.clone()))
    }
}

/// Two baselines and an attack, each by the same description of a run.
pub(super) fn compare(describe: impl Fn(u64) -> Log) -> Comparison {
    against(&describe, describe(3))
}

/// Two baselines by a description, against another run.
pub(super) fn against(baseline: impl Fn(u64) -> Log, attack: Log) -> Comparison {
    learned(&[baseline(1).journal(), baseline(2).journal()], &[]).compare(&attack.journal())
}

#[track_caller]
pub(super) fn clean(comparison: &Comparison) {
    assert!(comparison.deviations.is_empty(), "a false alarm: {:#?}", comparison.deviations);
}

/// The first difference, which must be at this exchange and this place.
#[track_caller]
pub(super) fn found(comparison: &Comparison, exchange: usize, place: &str) -> Deviation {
    let first = comparison.deviations.first().expect("a miss: no difference").clone();
    assert_eq!((first.exchange, first.place.as_str()), (Some(exchange), place), "{:#?}", comparison.deviations);
    first
}
