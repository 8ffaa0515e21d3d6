//! The soak: customers use `apps/todo` and `apps/shop` while instances are killed, frozen, drained, deployed and scaled at
//! random by the commands that a person uses. Each write that was acknowledged must be in the store, once. It lasts two
//! minutes, or as long as `FUNGIBLE_SOAK` says (`10m`).

use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use test_basics::{Random, seed};
use tokio::task::{JoinSet, LocalSet};

mod chaos;
mod customer;
mod http;
mod shop;
mod story;
mod todo;

use self::chaos::Chaos;
use self::customer::{Customer, Stopped};
use self::http::Protocol;
use self::story::Story;
use super::world::{Fleet, Place, is_whole};

/// How many customers each app has; every third speaks HTTP/2.
const CUSTOMERS: usize = 12;

/// The secret that all instances share.
const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// From one look at what the supervisor says to the next.
const LISTEN_AGAIN: Duration = Duration::from_millis(100);

#[test]
fn no_acknowledged_write_is_lost_or_doubled_by_kills_freezes_deploys_and_scaling() {
    if !is_whole() {
        return; // scripts/check --quick leaves it out
    }
    let length = std::env::var("FUNGIBLE_SOAK").unwrap_or_else(|_| "2m".to_owned());
    let length = humantime::parse_duration(&length).expect("FUNGIBLE_SOAK is a time such as 10m");
    let seed = seed();
    thread::scope(|scope| {
        let todo = scope.spawn(move || todo::soak(Random::from_seed(seed), length));
        let shop = scope.spawn(move || shop::soak(Random::from_seed(seed.wrapping_add(1)), length));
        for app in [todo, shop] {
            app.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
}

/// `fungible run` with three instances of a reference app over one store, `NAME.sqlite`.
fn fleet<'a>(place: &'a Place, app: &str, more: &[&str]) -> Fleet<'a> {
    let tool = env!("CARGO_BIN_EXE_fungible");
    let store = format!("FUNGIBLE_STORE=sqlite:{}", place.folder.path().join(format!("{app}.sqlite")).display());
    let secret = format!("FUNGIBLE_SECRET={SECRET}");
    let options = [
        &["run", "-n", "3", "--name", app, "--version", "first", "--listen", "127.0.0.1:0", "--h2c"][..],
        &["--health", "/readyz", "--replace-after", "3s", "--drain-limit", "5s", "--grace", "3s"],
        &["--env", &store, "--env", &secret, "--env", "FUNGIBLE_COOKIES=plain", "--env", "HOST=127.0.0.1"],
        more,
        &["--", tool, "demo-instance", app],
    ];
    let fleet = place.fleet(&options.concat());
    fleet.healthy(3);
    fleet
}

/// Has customers live while the fleet is disturbed for so long, and until each of their writes is acknowledged. Returns
/// what `live` gives for each of them; `live` ends when the story is over.
fn disturbed<T: Send + 'static, F: Future<Output = Result<T, Stopped>> + 'static>(
    fleet: &Fleet<'_>,
    mut random: Random,
    length: Duration,
    live: impl Fn(Customer) -> F + Send + Sync,
) -> Vec<T> {
    let story = Story::begin(length);
    let customers: Vec<(Protocol, Random)> = (0..CUSTOMERS)
        .map(|number| (if number % 3 == 2 { Protocol::Http2 } else { Protocol::Http1 }, random.fork()))
        .collect();
    let lived = thread::scope(|scope| {
        let (story, fleet, live) = (&story, &fleet, &live);
        let customers = scope.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, async {
                let mut tasks = JoinSet::new();
                for (number, (protocol, random)) in customers.into_iter().enumerate() {
                    let name = format!("customer-{number}");
                    tasks.spawn_local(live(Customer::new(name, fleet.address, protocol, random, story.clone())));
                }
                let mut lived = Vec::new();
                while !tasks.is_empty() {
                    tokio::select! {
                        Some(one) = tasks.join_next() => lived.extend(one.unwrap()),
                        () = tokio::time::sleep(LISTEN_AGAIN) => story.hears(&fleet.said()),
                    }
                }
                lived
            })
        });
        Chaos::new(fleet, story, random).reign();
        customers.join().unwrap_or_else(|panic| resume_unwind(panic))
    });
    story.hears(&fleet.said());
    story.ends_well(&lived.len());
    lived
}
