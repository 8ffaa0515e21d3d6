//! Measures how long a refused login takes: of a name that nobody has, of a wrong password, and of a disabled account.
//! `cargo run --release -p fungible --example bench_logins` prints the medians: apart by less than they vary, nobody
//! learns from them whether there is an account.

#![expect(clippy::unwrap_used, reason = "a benchmark may stop at the first surprise")]
#![expect(clippy::print_stdout, reason = "its result")]

use std::time::{Duration, Instant};

use fungible::{Hasher, Store, StoreUrl, Users};

const ROUNDS: usize = 300;
const NAMES: [&str; 3] = ["nobody", "ann", "carl"];

#[tokio::main]
async fn main() {
    let dir = std::env::temp_dir().join(format!("fungible-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&dir).unwrap();
    let store = Store::open(&StoreUrl::sqlite(dir.join("store.db"))).await.unwrap();
    let users = Users::new(store, Hasher::default());
    users.migrate().await.unwrap();
    users.register("ann", "correct horse").await.unwrap();
    let carl = users.register("carl", "correct horse").await.unwrap();
    users.disable(carl.id).await.unwrap();
    let mut times: [Vec<Duration>; 3] = Default::default();
    // In turns, so that whatever else the machine does meets all of them alike.
    for _ in 0..ROUNDS {
        for (name, times) in NAMES.iter().zip(&mut times) {
            let began = Instant::now();
            assert!(users.check(name, "wrong horse").await.is_err());
            times.push(began.elapsed());
        }
    }
    for (what, times) in ["unknown name", "wrong password", "disabled account"].iter().zip(&mut times) {
        times.sort();
        let [low, median, high] = [ROUNDS / 4, ROUNDS / 2, ROUNDS * 3 / 4].map(|at| times[at]);
        println!("{what:17} median {median:.2?}, half of them between {low:.2?} and {high:.2?}");
    }
    std::fs::remove_dir_all(dir).unwrap();
}
