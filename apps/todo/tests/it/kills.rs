//! Instances killed in the middle of requests. Clients that got no answer send the same again, to whoever is there:
//! nothing that was acknowledged is missing, and nothing is there twice.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};

use serde_json::json;
use uuid::Uuid;

use crate::program;
use test_basics::{Browser, Random};
use test_cluster::{Engine, Fleet};

const CLIENTS: usize = 4;
const TASKS: usize = 50;
const KILLS: usize = 8;
/// Attempts after which a client gives up.
const ATTEMPTS: usize = 1000;

#[test]
fn instances_killed_at_random_lose_nothing_and_double_nothing() {
    killed_at_random(Engine::Sqlite);
}

#[test]
fn on_postgresql_they_lose_and_double_nothing_either() {
    killed_at_random(Engine::Postgres);
}

#[expect(clippy::print_stdout, reason = "shown when the test fails")]
fn killed_at_random(engine: Engine) {
    let mut fleet = Fleet::start(program(), engine, 3);
    let mut random = Random::new();

    let mut ada = Browser::default();
    let who = json!({ "name": "ada", "password": "correct horse battery" });
    assert_eq!(ada.api(fleet.next(), "POST", "/api/register", who).status, 201);

    let (acknowledged, unanswered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let addresses = Mutex::new(fleet.all());
    thread::scope(|scope| {
        let clients = (0..CLIENTS).map(|client| {
            let (mut ada, addresses, acknowledged, unanswered) = (ada.clone(), &addresses, &acknowledged, &unanswered);
            scope.spawn(move || {
                for number in 0..TASKS {
                    unanswered.fetch_add(add_until_answered(&mut ada, addresses, client, number), Ordering::SeqCst);
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            })
        });
        let clients: Vec<_> = clients.collect();
        // Each kill waits for its share of the work, so that the kills spread over the run.
        for kill in 1..=KILLS {
            let share = kill * CLIENTS * TASKS / (KILLS + 1);
            let all_ended = || clients.iter().all(ScopedJoinHandle::is_finished);
            while acknowledged.load(Ordering::SeqCst) < share && !all_ended() {
                thread::yield_now();
            }
            fleet.kill(random.below(3));
            *addresses.lock().unwrap() = fleet.all();
        }
    });

    println!("{} requests got no answer", unanswered.into_inner());
    let mut expected: Vec<String> = (0..CLIENTS).flat_map(|client| (0..TASKS).map(move |n| title(client, n))).collect();
    expected.sort();
    for to in fleet.all() {
        let answer = ada.get(to, "/api/tasks").json();
        let tasks = answer["tasks"].as_array().unwrap();
        let mut titles: Vec<String> = tasks.iter().map(|task| task["title"].as_str().unwrap().to_owned()).collect();
        titles.sort();
        assert_eq!(titles, expected);
    }
}

fn title(client: usize, number: usize) -> String {
    format!("{client} adds {number}")
}

/// Sends one task until an instance has answered; gives how often none did.
fn add_until_answered(ada: &mut Browser, addresses: &Mutex<Vec<SocketAddr>>, client: usize, number: usize) -> usize {
    let path = format!("/api/tasks/{}", Uuid::new_v4());
    let body = json!({ "title": title(client, number) }).to_string();
    for attempt in 0..ATTEMPTS {
        let to = {
            let all = addresses.lock().unwrap();
            all[(client + number + attempt) % all.len()]
        };
        match ada.send(to, "PUT", &path, "application/json", &body) {
            Ok(answer) if answer.status == 201 || answer.status == 200 => return attempt,
            // Nobody is ever logged out, and no answer is wrong; the store may be busy.
            Ok(answer) => assert_eq!(answer.status, 503, "{answer:?}"),
            Err(_no_answer) => thread::yield_now(),
        }
    }
    panic!("no instance answered {ATTEMPTS} times");
}
