//! Sealed values: for one purpose, for a while, and some of them once.

use std::time::Duration;

use fungible::sealed::SealError;
use fungible::{KeyOptions, KeyRing, Seals, Secret};

use crate::on_both_engines;
use crate::support::{Engine, Random};

const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

async fn seals(engine: &Engine) -> Seals {
    let store = engine.open().await;
    let ring = KeyRing::open(store.clone(), &Secret::parse(SECRET).unwrap(), KeyOptions::default()).await.unwrap();
    let seals = Seals::new(store, ring);
    seals.migrate().await.unwrap();
    seals
}

const MINUTE: Duration = Duration::from_mins(1);

on_both_engines! {
    async fn what_one_instance_seals_another_opens(engine: &Engine) {
        let [one, two] = [seals(engine).await, seals(engine).await];
        let sealed = one.seal("oauth state", &("verifier", 7), MINUTE).await.unwrap();
        assert!(sealed.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'), "{sealed}");
        assert!(!sealed.contains("verifier"));
        assert_eq!(two.open::<(String, u32)>("oauth state", &sealed).await, Ok(("verifier".to_owned(), 7)));
        assert_ne!(one.seal("oauth state", &("verifier", 7), MINUTE).await.unwrap(), sealed, "each is another");
        assert_eq!(two.open::<(String, u32)>("reset link", &sealed).await, Err(SealError::Invalid));
        assert_eq!(two.open::<u32>("oauth state", &sealed).await, Err(SealError::Invalid));
        let expired = one.seal("oauth state", &1, Duration::ZERO).await.unwrap();
        assert_eq!(two.open::<u32>("oauth state", &expired).await, Err(SealError::Expired));
    }

    async fn one_that_is_good_once_is_good_once_on_all_instances(engine: &Engine) {
        let instances = [seals(engine).await, seals(engine).await, seals(engine).await];
        let sealed = instances[0].seal("challenge", &"x", MINUTE).await.unwrap();
        let tasks: Vec<_> = (0..30)
            .map(|nth| {
                let (seals, sealed) = (instances[nth % 3].clone(), sealed.clone());
                tokio::spawn(async move { seals.open_once::<String>("challenge", &sealed).await })
            })
            .collect();
        let mut opened = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => opened += 1,
                Err(error) => assert_eq!(error, SealError::Spent),
            }
        }
        assert_eq!(opened, 1);
    }
}

#[tokio::test]
async fn whatever_was_changed_is_refused() {
    let engine = Engine::sqlite();
    let seals = seals(&engine).await;
    let sealed = seals.seal("link", &"x", MINUTE).await.unwrap();
    let mut random = Random::new();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/. ";
    for _ in 0..20_000 {
        let mut forged = sealed.clone().into_bytes();
        match random.below(3) {
            0 => forged.truncate(random.below(forged.len())),
            1 => forged.push(alphabet[random.below(alphabet.len())]),
            _ => {
                let at = random.below(forged.len());
                forged[at] = alphabet[random.below(alphabet.len())];
            }
        }
        let forged = String::from_utf8(forged).unwrap();
        if forged != sealed {
            assert_eq!(seals.open::<String>("link", &forged).await, Err(SealError::Invalid), "{forged}");
        }
    }
}
