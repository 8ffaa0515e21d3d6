//! Which instance a client gets: round robin, sticky, never twice; and health.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use test_basics::eventually_async;
use tokio::sync::Notify;

use super::world::{Fake, Raw, Step, add_healthy, balancer, config, ok, raw, until_state};
use crate::balancer::{Config, HealthCheck, Routing, State};

#[tokio::test]
async fn round_robin_is_per_request_also_on_one_connection() {
    let (one, two, three) = (Fake::plain("1").await, Fake::plain("2").await, Fake::plain("3").await);
    let balancer = balancer(config(Routing::RoundRobin));
    add_healthy(&balancer, &[&one, &two, &three]).await;
    let mut client = Raw::connect(&balancer).await;
    let mut counts = HashMap::new();
    for _ in 0..30 {
        *counts.entry(client.get("/").await.body).or_insert(0) += 1;
    }
    assert_eq!(counts, HashMap::from([("1".into(), 10), ("2".into(), 10), ("3".into(), 10)]));
}

#[tokio::test]
async fn sticky_stays_where_the_cookie_says_and_believes_no_forged_one() {
    let (one, two) = (Fake::plain("1").await, Fake::plain("2").await);
    let balancer = balancer(config(Routing::Sticky));
    let ids = add_healthy(&balancer, &[&one, &two]).await;
    let mut client = Raw::connect(&balancer).await;
    let first = client.get("/").await;
    let cookie = first.cookie().expect("a cookie is set");
    assert!(cookie.starts_with("fungible_instance=i"), "{cookie}");
    for _ in 0..10 {
        let again = client.ask("GET", "/", &format!("Cookie: x=1; {cookie}\r\n"), "").await;
        assert_eq!((&again.body, again.cookie()), (&first.body, None));
    }
    let forged = cookie.replace("=i0.", "=i1.").replace("=i1.", "=i9.");
    for bad in
        [forged, cookie[..cookie.len() - 1].to_owned(), "fungible_instance=i0".into(), "fungible_instance=".into()]
    {
        let answer = client.ask("GET", "/", &format!("Cookie: {bad}\r\n"), "").await;
        assert!(answer.cookie().is_some(), "{bad}");
    }
    // The instance is gone: another one, and a new cookie.
    let gone = usize::from(first.body == "2");
    balancer.ended(ids[gone]);
    let moved = client.ask("GET", "/", &format!("Cookie: {cookie}\r\n"), "").await;
    assert_ne!(moved.body, first.body);
    assert!(moved.cookie().is_some_and(|new| new != cookie));
}

#[tokio::test]
async fn never_twice_alternates_for_each_client_with_or_without_cookies() {
    let (one, two) = (Fake::plain("1").await, Fake::plain("2").await);
    let balancer = balancer(config(Routing::NeverTwice));
    let ids = add_healthy(&balancer, &[&one, &two]).await;
    let mut plain = Raw::connect(&balancer).await;
    let mut last = String::new();
    for _ in 0..10 {
        let answer = plain.get("/").await.body;
        assert_ne!(answer, last);
        last = answer;
    }
    // Clients without cookies are told apart by their addresses: by turns alone the first would meet one twice.
    let (mut near, mut far) = (Raw::from(&balancer, 2).await, Raw::from(&balancer, 3).await);
    let (mut last_near, mut last_far) = (String::new(), String::new());
    for turn in 0..12 {
        let (client, last) = if turn % 2 == 0 { (&mut near, &mut last_near) } else { (&mut far, &mut last_far) };
        let answer = client.get("/").await.body;
        assert_ne!(answer, *last, "turn {turn}");
        *last = answer;
    }
    // Two clients with cookies, in turns and out of step: each alternates.
    let mut clients = [
        (Raw::connect(&balancer).await, String::new(), String::new()),
        (Raw::connect(&balancer).await, String::new(), String::new()),
    ];
    for turn in 0..20 {
        let (client, cookie, last) = &mut clients[usize::from(turn % 3 == 0)];
        let answer = client.ask("GET", "/", &format!("Cookie: {cookie}\r\n"), "").await;
        assert!(last.is_empty() || answer.body != *last, "turn {turn}");
        *last = answer.body.clone();
        *cookie = answer.cookie().unwrap_or_else(|| cookie.clone());
    }
    // With one instance left it is used: better that than none.
    balancer.ended(ids[0]);
    assert_eq!((plain.get("/").await.body, plain.get("/").await.body), ("2".into(), "2".into()));
}

#[tokio::test]
async fn least_busy_goes_where_nothing_is_in_flight() {
    let busy = Fake::new(|seen| {
        let wait = seen.line.contains("/slow");
        if wait { vec![Step::Wait(Arc::new(Notify::new()))] } else { vec![ok("busy")] }
    })
    .await;
    let free = Fake::plain("free").await;
    let balancer = balancer(config(Routing::LeastBusy));
    let mut changes = balancer.changes();
    let ids = add_healthy(&balancer, &[&busy]).await;
    let mut slow = Raw::connect(&balancer).await;
    slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually_async("it is in flight", async || balancer.instances()[0].in_flight == 1).await;
    changes.mark_unchanged();
    balancer.add("free", free.address, None, None);
    eventually_async("the other one is healthy", async || balancer.instances()[1].state == State::Healthy).await;
    assert!(changes.has_changed().expect("the balancer lives"), "each change of a state is told");
    let mut client = Raw::connect(&balancer).await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.body, "free");
    }
    let views = balancer.instances();
    assert_eq!((views[0].id, views[0].served), (ids[0], 1));
    assert_eq!((views[1].address, views[1].served), (free.address, 10));
}

/// An instance whose health check answers as the flags say.
async fn with_health(healthy: &Arc<AtomicBool>, frozen: &Arc<AtomicBool>, name: &'static str) -> Fake {
    let (healthy, frozen) = (Arc::clone(healthy), Arc::clone(frozen));
    Fake::new(move |seen| {
        if frozen.load(Ordering::SeqCst) {
            return vec![Step::Wait(Arc::new(Notify::new()))];
        }
        if seen.line.contains("/health") && !healthy.load(Ordering::SeqCst) {
            return vec![raw("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n")];
        }
        vec![ok(name)]
    })
    .await
}

fn checked() -> Config {
    let health = HealthCheck { path: Some("/health".into()), ..HealthCheck::default() };
    Config { health, ..config(Routing::RoundRobin) }
}

#[tokio::test]
async fn a_failing_check_takes_an_instance_out_and_a_passing_one_brings_it_back() {
    let (healthy, never) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let sick = with_health(&healthy, &never, "sick").await;
    let well = Fake::plain("well").await;
    let balancer = balancer(checked());
    let ids = add_healthy(&balancer, &[&sick, &well]).await;
    healthy.store(false, Ordering::SeqCst);
    until_state(&balancer, ids[0], State::Unhealthy).await;
    let problem = balancer.instances()[0].last_problem.clone().expect("it says why");
    assert!(problem.contains("/health") && problem.contains("500"), "{problem}");
    let mut client = Raw::connect(&balancer).await;
    for _ in 0..6 {
        assert_eq!(client.get("/").await.body, "well");
    }
    healthy.store(true, Ordering::SeqCst);
    until_state(&balancer, ids[0], State::Healthy).await;
    assert_eq!(balancer.instances()[0].last_problem, None);
}

#[tokio::test]
async fn a_request_leaves_a_frozen_instance_if_it_may_be_sent_twice() {
    let (yes, frozen) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let sick = with_health(&yes, &frozen, "sick").await;
    let well = Fake::plain("well").await;
    let balancer = balancer(Config { response_timeout: Duration::from_secs(2), ..checked() });
    add_healthy(&balancer, &[&sick, &well]).await;
    frozen.store(true, Ordering::SeqCst);
    // Two requests: by round robin one of them meets the frozen one.
    let (mut one, mut two) = (Raw::connect(&balancer).await, Raw::connect(&balancer).await);
    let (first, second) = tokio::join!(one.get("/a"), two.get("/a"));
    assert_eq!((&*first.body, &*second.body), ("well", "well"));
    assert!(sick.seen().iter().any(|seen| seen.line.contains("/a")), "one of them met the frozen one");
}

#[tokio::test]
async fn a_post_stays_at_a_frozen_instance_until_504() {
    for body in ["x", ""] {
        let (yes, frozen) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let sick = with_health(&yes, &frozen, "sick").await;
        let well = Fake::plain("well").await;
        let response_timeout = Duration::from_secs(2);
        let balancer = balancer(Config { response_timeout, ..checked() });
        add_healthy(&balancer, &[&sick, &well]).await;
        frozen.store(true, Ordering::SeqCst);
        let (mut one, mut two) = (Raw::connect(&balancer).await, Raw::connect(&balancer).await);
        let (first, second) = tokio::join!(one.post("/a", body), two.post("/a", body));
        let mut both = [first, second].map(|answer| (answer.status, answer.error().map(str::to_owned)));
        both.sort();
        assert_eq!(both, [(200, None), (504, Some("no-answer-in-time".into()))]);
        let posts = |fake: &Fake| fake.seen().iter().filter(|seen| seen.method() == "POST").count();
        assert_eq!((posts(&sick), posts(&well)), (1, 1));
    }
}

#[tokio::test]
async fn when_all_are_only_slow_they_stay_in_use() {
    // The check is never answered, everything else is.
    let stuck = Fake::new(|seen| {
        if seen.line.contains("/health") && seen.connection > 3 {
            vec![Step::Wait(Arc::new(Notify::new()))]
        } else {
            vec![ok("slow")]
        }
    })
    .await;
    let balancer = balancer(checked());
    let ids = add_healthy(&balancer, &[&stuck]).await;
    until_state(&balancer, ids[0], State::Unhealthy).await;
    assert_eq!(Raw::connect(&balancer).await.get("/").await.body, "slow");
}
