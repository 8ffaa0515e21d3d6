//! Verdicts to report, short to write.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use proptest::strategy::Strategy;

use crate::exchange::{Body, Exchange, Frame, Outcome, Request};
use crate::prove::{
    Age, AttackRun, Condition, ControlTrial, Coverage, Deviation, DeviationKind, Finding, FindingKind, Harm, Ignored,
    Judgement, Loss, NotJudged, Resend, Resent, Step, Sticky, Verdict, Way, WriteLoss,
};

pub(super) fn verdict(outcome: Judgement) -> Verdict {
    Verdict {
        judgement: outcome,
        requests: 31,
        writes: 12,
        runs: 17,
        starts: 140,
        took: Duration::from_millis(14_200),
        drive: "./e2e.sh".to_owned(),
        command: "node server.js --port {port}".to_owned(),
        covered: Coverage {
            attacks: vec![
                attack_run("amnesia", "each of 31 requests on an instance that had served nothing"),
                attack_run("rotate", "5 passes over 3 live instances"),
            ],
            losses: vec![
                WriteLoss {
                    write: step(3, "POST /cart", "web-1", 303),
                    loss: noticed(step(4, "GET /cart", "web-1", 200)),
                },
                WriteLoss {
                    write: step(6, "POST /logout", "web-1", 303),
                    loss: Loss::Unnoticed { ways: vec![Way::Fork] },
                },
            ],
            resends: vec![
                Resend { request: step(3, "POST /cart", "web-1", 303), resent: Resent::Safe },
                Resend {
                    request: step(5, "POST /orders", "web-1", 201),
                    resent: Resent::DoneTwice {
                        seen_at: Box::new(step(7, "GET /orders", "web-1", 200)),
                        place: "body $[1]".to_owned(),
                    },
                },
            ],
            not_covered: vec![
                "kill in the middle of a request".to_owned(),
                "log-out on the other instances".to_owned(),
            ],
            limits: 0,
            notes: vec!["the disk of each instance was private except /home, which could not be overlaid".to_owned()],
        },
        ignored: Vec::new(),
        driver_lines: Vec::new(),
        app_lines: Vec::new(),
        not_judged: Vec::new(),
        labels: vec![("header x-served-by".to_owned(), vec!["web-1".to_owned(), "web-2".to_owned()])],
        masks: vec![("GET /cart body $.updated".to_owned(), "as a time".to_owned())],
        renaming: vec![("4711".to_owned(), "4712".to_owned())],
    }
}

/// A login on one instance whose session is missed on another, as in the article.
pub(super) fn login(kind: FindingKind) -> Finding {
    let story = |second: &str, status| {
        vec![
            step(1, "GET /", "one", 200),
            step(2, "GET /login", "one", 200),
            answer_header(step(3, "POST /login", "one", 303), "set-cookie", "sid=9f8a7b6c5d4e3f2a; Path=/; HttpOnly"),
            request_header(step(4, "GET /cart", second, status), "cookie", "sid=9f8a7b6c5d4e3f2a"),
            step(5, "GET /about", "one", 200),
        ]
    };
    let failing = story("two", 401);
    Finding {
        kind,
        harm: Harm::LoggedOut,
        writers: vec![failing[2].clone()],
        reader: failing[3].clone(),
        polled: Vec::new(),
        seen_at: None,
        deviations: vec![difference("status", "200", "401"), difference("body $.cart[0]", "\"socks\"", "(absent)")],
        together: (3, 3),
        apart: (0, 3),
        age: None,
        sticky: None,
        attack: "amnesia".to_owned(),
        files: Vec::new(),
        ended: None,
        controls: Vec::new(),
        stored: None,
        last_lines: vec!["listening on 40001".to_owned(), "no session 9f8a7b6c5d4e3f2a, please log in".to_owned()],
        failing,
        sound: story("one", 200),
        also: Vec::new(),
    }
}

/// A request of few words (`"GET /cart"`) that one instance answered.
pub(super) fn step(number: usize, request: &str, instance: &str, status: u16) -> Step {
    let (method, target) = request.split_once(' ').unwrap();
    let outcome = Outcome::Answered { status, headers: Vec::new(), body: Body::Kept(Bytes::new()), complete: true };
    Step {
        number,
        exchange: Exchange {
            number,
            connection: 1,
            instance: Some(instance.to_owned()),
            arrived: Duration::ZERO,
            ended: Duration::ZERO,
            request: Request {
                method: method.to_owned(),
                target: target.to_owned(),
                headers: Vec::new(),
                body: Body::Kept(Bytes::new()),
            },
            outcome,
            left: false,
            frames: Vec::new(),
            again: None,
        },
    }
}

pub(super) fn request_header(mut step: Step, name: &str, value: &str) -> Step {
    step.exchange.request.headers.push((name.to_owned(), value.as_bytes().to_vec()));
    step
}

pub(super) fn answer_header(mut step: Step, name: &str, value: &str) -> Step {
    if let Outcome::Answered { headers, .. } = &mut step.exchange.outcome {
        headers.push((name.to_owned(), value.as_bytes().to_vec()));
    }
    step
}

pub(super) fn difference(place: &str, baseline: &str, attack: &str) -> Deviation {
    let (place, baseline, attack) = (place.to_owned(), baseline.to_owned(), attack.to_owned());
    Deviation { exchange: Some(1), place, kind: DeviationKind::Body, baseline, attack }
}

pub(super) fn for_any<T: Debug>(strategy: &impl Strategy<Value = T>, property: impl Fn(T)) {
    test_basics::for_any(30, strategy, property);
}

/// One verdict of each word, with a text from `next` in every place that holds one, except where secrets stand.
pub(super) fn filled(next: &mut impl FnMut() -> String) -> Vec<Verdict> {
    let kinds = [FindingKind::Trapped, FindingKind::Collision];
    let findings = kinds.map(|kind| filled_finding(kind, next)).to_vec();
    let outcomes = [Judgement::Fungible, Judgement::NotFungible(findings), Judgement::NotShown(vec![next(), next()])];
    outcomes.map(|outcome| filled_verdict(outcome, next)).to_vec()
}

pub(super) fn attack_run(name: &'static str, covers: &str) -> AttackRun {
    AttackRun { name, covers: covers.to_owned() }
}

fn noticed(reader: Step) -> Loss {
    Loss::Noticed { reader: Box::new(reader), place: "body $.items".to_owned(), way: Way::Fork }
}

fn filled_verdict(outcome: Judgement, next: &mut impl FnMut() -> String) -> Verdict {
    Verdict {
        judgement: outcome,
        requests: 1,
        writes: 1,
        runs: usize::MAX,
        starts: 0,
        took: Duration::MAX,
        drive: next(),
        command: next(),
        covered: Coverage {
            attacks: vec![attack_run("amnesia", &next()), attack_run("rotate", &next())],
            losses: vec![WriteLoss {
                write: filled_step(4, next),
                loss: Loss::Noticed { reader: Box::new(filled_step(6, next)), place: next(), way: Way::Replaced },
            }],
            resends: vec![Resend {
                request: filled_step(2, next),
                resent: Resent::HalfDone { seen_at: Box::new(filled_step(4, next)), place: next() },
            }],
            not_covered: vec![next(), next()],
            limits: 0,
            notes: vec![next()],
        },
        ignored: vec![Ignored { place: next(), reason: next(), times: 1 }],
        driver_lines: vec![next()],
        app_lines: vec![next()],
        not_judged: vec![NotJudged {
            step: filled_step(8, next),
            deviations: vec![filled_difference(next)],
            why: next(),
            holds: false,
            ended: Some(next()),
            last_lines: vec![next()],
        }],
        labels: vec![(next(), vec![next(), next()])],
        masks: vec![(next(), next())],
        renaming: vec![(next(), next())],
    }
}

fn filled_finding(kind: FindingKind, next: &mut impl FnMut() -> String) -> Finding {
    let failing: Vec<Step> = (1..=4).map(|number| filled_step(number, next)).collect();
    Finding {
        kind,
        harm: Harm::DataLost,
        writers: vec![failing[1].clone()],
        reader: failing[3].clone(),
        polled: vec![filled_step(3, next)],
        seen_at: Some(filled_step(5, next)),
        deviations: (0..10).map(|_| filled_difference(next)).collect(),
        together: (3, 3),
        apart: (0, 3),
        age: Some(Age { still: Duration::from_secs(1), gone: Some(Duration::from_secs(2)) }),
        sticky: Some(Sticky { hidden: true, affected: 1, clients: 2 }),
        attack: next(),
        files: vec![next().into(), next().into()],
        ended: Some(next()),
        last_lines: vec![next(), next()],
        controls: vec![ControlTrial { condition: Condition::OneDisk, right: 2, runs: 2 }],
        stored: Some(true),
        failing,
        sound: (2..=4).map(|number| filled_step(number, next)).collect(),
        also: vec![filled_step(7, next)],
    }
}

fn filled_step(number: usize, next: &mut impl FnMut() -> String) -> Step {
    let mut step = step(number, "GET /", &next(), 200);
    let exchange = &mut step.exchange;
    exchange.request.method = next();
    exchange.request.target = next();
    exchange.request.headers = vec![(next(), next().into_bytes())];
    exchange.request.body = Body::Kept(next().into());
    exchange.frames = vec![Frame { from_client: true, data: Body::Kept(next().into()), at: Duration::ZERO }];
    exchange.outcome = match number % 4 {
        1 => Outcome::Ours { status: 502, reason: next() },
        3 => Outcome::Abandoned,
        _ => Outcome::Answered {
            status: 200,
            headers: vec![(next(), next().into_bytes())],
            body: Body::Kept(next().into()),
            complete: number == 4,
        },
    };
    step
}

fn filled_difference(next: &mut impl FnMut() -> String) -> Deviation {
    difference(&next(), &next(), &next())
}
