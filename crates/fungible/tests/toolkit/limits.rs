//! Limits that hold over all instances together.

use std::sync::Arc;
use std::time::Duration;

use axum::response::IntoResponse as _;
use fungible::{Limit, Limits};
use test_basics::eventually_async;

use crate::on_both_engines;
use crate::support::Engine;

const SLOW: Limit = Limit { name: "slow", burst: 10, window: Duration::from_hours(1) };
const QUICK: Limit = Limit { name: "quick", burst: 2, window: Duration::from_secs(8) };

async fn limits(engine: &Engine) -> Limits {
    let limits = Limits::new(engine.open().await);
    limits.migrate().await.unwrap();
    limits
}

on_both_engines! {
    async fn a_quota_is_one_over_all_instances(engine: &Engine) {
        let instances = [limits(engine).await, limits(engine).await, limits(engine).await].map(Arc::new);
        let tasks: Vec<_> = (0..60)
            .map(|nth| {
                let limits = instances[nth % 3].clone();
                tokio::spawn(async move { limits.take(SLOW, "ann").await.unwrap() })
            })
            .collect();
        let mut left = Vec::new();
        for task in tasks {
            let quota = task.await.unwrap();
            if quota.is_allowed() {
                left.push(quota.remaining);
            } else {
                assert!(quota.retry_in > Duration::from_mins(5) && quota.retry_in <= Duration::from_mins(6), "{quota:?}");
            }
        }
        left.sort_unstable();
        assert_eq!(left, (0..10).collect::<Vec<_>>());
        // Others, and other limits, have quotas of their own.
        assert!(instances[0].take(SLOW, "bob").await.unwrap().is_allowed());
        assert!(instances[0].take(QUICK, "ann").await.unwrap().is_allowed());
        instances[0].forget(SLOW, "ann").await.unwrap();
        assert_eq!(instances[1].take(SLOW, "ann").await.unwrap().remaining, 9);
    }

    async fn a_quota_fills_again_with_time(engine: &Engine) {
        let limits = limits(engine).await;
        let allowed = async || limits.take(QUICK, "ann").await.unwrap().is_allowed();
        let mut at_once = 0;
        while allowed().await {
            at_once += 1;
        }
        assert!(at_once >= 2, "{at_once}");
        eventually_async("another one", allowed).await;
    }
}

#[tokio::test]
async fn headers_say_what_is_left() {
    let engine = Engine::sqlite();
    let limits = limits(&engine).await;
    let first = limits.take(SLOW, "ann").await.unwrap();
    let response = (first, "done").into_response();
    assert_eq!(response.headers()["ratelimit-policy"], "\"slow\";q=10;w=3600");
    assert_eq!(response.headers()["ratelimit"], "\"slow\";r=9;t=360");
    let mut quota = first;
    while quota.is_allowed() {
        quota = limits.take(SLOW, "ann").await.unwrap();
    }
    let response = quota.into_response();
    assert_eq!(response.status().as_u16(), 429);
    assert!(response.headers()["ratelimit"].to_str().unwrap().starts_with("\"slow\";r=0;t=3"), "{response:?}");
    let after: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((355..=360).contains(&after), "{after}");
}
