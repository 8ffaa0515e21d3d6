//! Effects that happen exactly once: sent again, at the same moment, on other instances, and by instances that die.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::response::IntoResponse as _;
use fungible::{
    Done, IdempotencyKey, IdempotencyKeyRejection, Jobs, Migration, Once, OnceError, OnceKey, OnceOptions, Store,
    StoreError, Tx, params,
};
use test_basics::{Random, eventually_async};

use crate::helper::Helper;
use crate::on_both_engines;
use crate::support::{Engine, eprint};

const TABLE: &str = "CREATE TABLE effects (who TEXT NOT NULL)";
pub(crate) const EFFECTS: &[Migration] = &[Migration { version: 1, name: "effects", sqlite: TABLE, postgres: TABLE }];

#[derive(Debug, PartialEq)]
pub(crate) enum Problem {
    Store(StoreError),
    Once(OnceError),
    Mine,
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        Problem::Store(error)
    }
}

impl From<OnceError> for Problem {
    fn from(error: OnceError) -> Problem {
        Problem::Once(error)
    }
}

pub(crate) fn key(text: &str, body: &str) -> OnceKey {
    IdempotencyKey::parse(text, "POST /orders").unwrap().of("ann", &body)
}

/// An effect that leaves a row and a job, and answers how many rows there are by then.
pub(crate) async fn effect(tx: &mut Tx, who: &str) -> Result<i64, Problem> {
    tx.execute("INSERT INTO effects (who) VALUES ($1)", params![who]).await?;
    Jobs::enqueue(tx, "receipt", &who).await?;
    let rows = tx.query("SELECT count(*) AS n FROM effects", &[]).await?;
    Ok(rows[0].get("n")?)
}

/// An instance.
pub(crate) struct Instance {
    pub(crate) store: Store,
    once: Once,
}

impl Instance {
    pub(crate) async fn new(store: Store, options: OnceOptions) -> Instance {
        let once = Once::new(store.clone(), options);
        store.migrate("effects", EFFECTS).await.unwrap();
        Jobs::new(store.clone()).migrate().await.unwrap();
        once.migrate().await.unwrap();
        Instance { store, once }
    }

    async fn on(engine: &Engine) -> Instance {
        Instance::new(engine.open().await, OnceOptions::default()).await
    }

    pub(crate) async fn run(&self, key: OnceKey, who: &'static str) -> Result<Done<i64>, Problem> {
        self.once.try_run(key, async move |tx: &mut Tx| effect(tx, who).await).await
    }

    /// Effects, jobs, kept answers.
    pub(crate) async fn counts(&self) -> [i64; 3] {
        let mut counts = [0; 3];
        for (count, table) in counts.iter_mut().zip(["effects", "fungible_jobs", "fungible_once"]) {
            let row = self.store.get(&format!("SELECT count(*) AS n FROM {table}"), &[]).await.unwrap().unwrap();
            *count = row.get("n").unwrap();
        }
        counts
    }
}

on_both_engines! {
    async fn sent_again_it_answers_the_same_and_does_nothing(engine: &Engine) {
        let [one, two] = [Instance::on(engine).await, Instance::on(engine).await];
        assert_eq!(one.run(key("a", "x"), "a").await, Ok(Done { answer: 1, repeated: false }));
        assert_eq!(one.run(key("b", "x"), "b").await, Ok(Done { answer: 2, repeated: false }));
        assert_eq!(two.run(key("a", "x"), "a").await, Ok(Done { answer: 1, repeated: true }));
        assert_eq!(two.counts().await, [2, 2, 2]);
    }

    async fn another_request_under_the_same_key_is_refused(engine: &Engine) {
        let instance = Instance::on(engine).await;
        instance.run(key("a", "x"), "a").await.unwrap();
        assert_eq!(instance.run(key("a", "y"), "a").await, Err(Problem::Once(OnceError::OtherRequest)));
        assert_eq!(instance.counts().await, [1, 1, 1]);
        let response = OnceError::OtherRequest.into_response();
        assert_eq!(response.status().as_u16(), 422);
    }

    async fn an_effect_that_fails_leaves_its_key_free(engine: &Engine) {
        let instance = Instance::on(engine).await;
        let fails = async move |tx: &mut Tx| {
            effect(tx, "a").await?;
            Err::<i64, _>(Problem::Mine)
        };
        assert_eq!(instance.once.try_run(key("a", "x"), fails).await, Err(Problem::Mine));
        assert_eq!(instance.counts().await, [0, 0, 0]);
        assert_eq!(instance.run(key("a", "x"), "a").await, Ok(Done { answer: 1, repeated: false }));
    }

    async fn an_effect_needs_no_error_of_its_own(engine: &Engine) {
        let instance = Instance::on(engine).await;
        let add = async |tx: &mut Tx| Ok(tx.execute("INSERT INTO effects (who) VALUES ('a')", &[]).await?);
        let fails = async |tx: &mut Tx| {
            tx.execute("INSERT INTO effects (who) VALUES ('a')", &[]).await?;
            tx.execute("INSERT INTO effects (who) VALUES (NULL)", &[]).await?;
            Ok(())
        };
        let failed = instance.once.run(key("a", "x"), fails).await.unwrap_err();
        assert!(matches!(failed, OnceError::Store(StoreError::Constraint(_))), "{failed:?}");
        assert_eq!((failed.status().as_u16(), instance.counts().await), (500, [0, 0, 0]));
        assert_eq!(failed.into_response().status().as_u16(), 500);
        for repeated in [false, true] {
            assert_eq!(instance.once.run(key("a", "x"), add).await, Ok(Done { answer: 1, repeated }));
        }
        assert_eq!(instance.counts().await, [1, 0, 1]);
    }

    async fn a_hundred_at_the_same_moment_have_one_effect(engine: &Engine) {
        let mut instances = Vec::new();
        for _ in 0..3 {
            instances.push(Arc::new(Instance::on(engine).await));
        }
        let tasks: Vec<_> = (0..100)
            .map(|nth| {
                let instance = instances[nth % 3].clone();
                tokio::spawn(async move { instance.run(key("a", "x"), "a").await })
            })
            .collect();
        let mut first = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(Done { answer, repeated }) => {
                    assert_eq!(answer, 1);
                    first += usize::from(!repeated);
                }
                Err(error) => assert_eq!(error, Problem::Once(OnceError::Running)),
            }
        }
        assert_eq!((first, instances[0].counts().await), (1, [1, 1, 1]));
    }

    async fn an_answer_is_kept_for_its_time(engine: &Engine) {
        let options = OnceOptions::default().keep(Duration::from_millis(1));
        let instance = Instance::new(engine.open().await, options).await;
        instance.run(key("a", "x"), "a").await.unwrap();
        let expired = "SELECT count(*) AS n FROM fungible_once WHERE expires_ms <= fungible_now_ms()";
        eventually_async("its time is over", async || {
            instance.store.get(expired, &[]).await.unwrap().unwrap().get::<i64>("n").unwrap() == 1
        })
        .await;
        assert_eq!(instance.run(key("a", "y"), "a").await, Ok(Done { answer: 2, repeated: false }));
        // Others sweep away what has expired.
        for nth in 0..200 {
            instance.run(key(&nth.to_string(), "x"), "a").await.unwrap();
        }
        assert!(instance.counts().await[2] < 150, "{:?}", instance.counts().await);
    }

    async fn an_answer_may_be_kept_for_ever(engine: &Engine) {
        let instance = Instance::new(engine.open().await, OnceOptions::default().keep(Duration::MAX)).await;
        for repeated in [false, true] {
            assert_eq!(instance.run(key("a", "x"), "a").await, Ok(Done { answer: 1, repeated }));
        }
    }

    async fn instances_that_are_killed_do_nothing_twice_and_lose_nothing(engine: &Engine) {
        let mut random = Random::new();
        let own = Instance::on(engine).await;
        let mut helpers: Vec<Helper> = (0..3).map(|_| Helper::start("once", &engine.url())).collect();
        let mut expected = 0;
        for round in 0..40 {
            let name = format!("round {round}");
            expected += 1;
            // The same request to all, and one of them dies somewhere on the way.
            for helper in &mut helpers {
                helper.tell(&name);
            }
            let victim = random.below(helpers.len());
            for _ in 0..random.below(4000) {
                std::hint::spin_loop();
            }
            helpers.swap_remove(victim).kill();
            let answers: Vec<String> = helpers.iter().map(Helper::hear).collect();
            assert!(answers.iter().all(|answer| answer == &expected.to_string()), "{name}: {answers:?}");
            helpers.push(Helper::start("once", &engine.url()));
        }
        assert_eq!(own.counts().await, [expected, expected, expected]);
        engine.assert_sound();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_first_is_at_work_an_equal_one_waits_and_is_then_refused() {
    let engine = Engine::postgres();
    let slow = Instance::on(&engine).await;
    let options = OnceOptions::default().wait(Duration::from_millis(100));
    let other = Instance::new(engine.open().await, options).await;
    let sleeps = async move |tx: &mut Tx| {
        let answer = effect(tx, "a").await?;
        tx.query("SELECT pg_sleep(2) IS NULL AS slept", &[]).await?;
        Ok::<_, Problem>(answer)
    };
    let first = tokio::spawn(async move { slow.once.try_run(key("a", "x"), sleeps).await });
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()";
    let Engine::Postgres(server, _) = &engine else { unreachable!() };
    eventually_async("the first is at work", async || server.sql("postgres", running) == "1").await;
    let refused = other.run(key("a", "x"), "a").await;
    assert_eq!(refused, Err(Problem::Once(OnceError::Running)));
    let response = OnceError::Running.into_response();
    assert_eq!((response.status().as_u16(), response.headers().contains_key("retry-after")), (409, true));
    assert_eq!(first.await.unwrap(), Ok(Done { answer: 1, repeated: false }));
    assert_eq!(other.run(key("a", "x"), "a").await, Ok(Done { answer: 1, repeated: true }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_was_lost_is_resolved() {
    let engine = Engine::postgres();
    let Engine::Postgres(server, _) = &engine else { unreachable!() };
    let instance = Arc::new(Instance::on(&engine).await);
    // Somebody cuts connections as long as the requests go on, also in the midst of commits.
    let (asked, lost) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let (instance, asked, lost) = (instance.clone(), asked.clone(), lost.clone());
            tokio::spawn(async move {
                for nth in 0..150 {
                    let key = key(&format!("{client}-{nth}"), "x");
                    match instance.run(key, "a").await {
                        Ok(done) => assert!(!done.repeated, "{done:?}"),
                        // The client sends it again, until it knows.
                        Err(Problem::Store(error)) => {
                            assert_eq!(error.status().as_u16(), 503, "{error:?}");
                            lost.fetch_add(1, Ordering::Relaxed);
                            while instance.run(key, "a").await.is_err() {}
                        }
                        Err(error) => panic!("{error:?}"),
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let mut cuts = 0;
    while clients.iter().any(|client| !client.is_finished()) {
        server.sql("postgres", cut);
        cuts += 1;
    }
    for client in clients {
        client.await.unwrap();
    }
    eprint(&format!("{cuts} times all connections were cut, {} answers were 503", lost.load(Ordering::Relaxed)));
    assert_eq!((asked.load(Ordering::Relaxed), instance.counts().await), (600, [600, 600, 600]));
}

#[tokio::test]
async fn the_header_is_read_as_the_draft_says() {
    let read = async |values: &[&str]| {
        let mut request = Request::builder().method("POST").uri("/orders?x=1");
        for value in values {
            request = request.header("Idempotency-Key", *value);
        }
        let (mut parts, _) = request.body(Body::empty()).unwrap().into_parts();
        <IdempotencyKey as axum::extract::FromRequestParts<()>>::from_request_parts(&mut parts, &()).await
    };
    assert_eq!(read(&["\"k\""]).await, Ok(IdempotencyKey::parse("k", "POST /orders").unwrap()));
    assert_eq!(read(&["k"]).await, Ok(IdempotencyKey::parse("k", "POST /orders").unwrap()));
    assert_eq!(read(&[]).await, Err(IdempotencyKeyRejection::Missing));
    assert_eq!(read(&["k", "l"]).await, Err(IdempotencyKeyRejection::Malformed));
    assert_eq!(read(&["Zoë"]).await, Err(IdempotencyKeyRejection::Malformed));
    assert_eq!(IdempotencyKeyRejection::Missing.into_response().status().as_u16(), 400);
}
