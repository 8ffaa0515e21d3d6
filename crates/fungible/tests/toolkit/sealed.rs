//! Sealed values: for one purpose, for a while, and some of them once.

use std::time::Duration;

use fungible::{KeyOptions, KeyRing, SealError, Seals, Secret, Tx};
use sha2::{Digest as _, Sha256};
use test_basics::{Random, eventually_async};

use crate::on_both_engines;
use crate::support::Engine;

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
        assert_eq!(one.open::<u32>("oauth state", &expired).await, Err(SealError::Expired));
        // Another may think that it is some milliseconds earlier.
        let is_expired = async || two.open::<u32>("oauth state", &expired).await == Err(SealError::Expired);
        eventually_async("the other one's time has come", is_expired).await;
    }

    async fn a_redirect_comes_back_to_an_instance_that_never_saw_it_leave(engine: &Engine) {
        // OAuth's state and the verifier of PKCE (RFC 7636), and a nonce that binds them to the browser by a cookie.
        let [one, two] = [seals(engine).await, seals(engine).await];
        let leave = async |seals: &Seals, nonce: &str| {
            let verifier = format!("verifier of {nonce}");
            let challenge = Sha256::digest(&verifier);
            (seals.seal("oauth state", &(verifier, nonce), MINUTE).await.unwrap(), challenge)
        };
        // At the provider, a code is given for the challenge; who has the code must know the verifier.
        let back = async |seals: &Seals, state: &str, cookie: &str| {
            let (verifier, nonce) = seals.open_once::<(String, String)>("oauth state", state).await?;
            if nonce == cookie { Ok(Sha256::digest(verifier)) } else { Err(SealError::Invalid) }
        };
        let (state, challenge) = leave(&one, "nonce of ann").await;
        drop(one);
        assert_eq!(back(&two, &state, "nonce of ann").await, Ok(challenge));
        assert_eq!(back(&two, &state, "nonce of ann").await, Err(SealError::Spent), "a callback that is played again");
        let (state, _) = leave(&two, "nonce of mallory").await;
        assert_eq!(back(&two, &state, "nonce of ann").await, Err(SealError::Invalid), "a state slipped to another browser");
    }

    async fn one_is_used_up_with_what_it_is_good_for_or_not_at_all(engine: &Engine) {
        let store = engine.open().await;
        let seals = seals(engine).await;
        let sealed = seals.seal("reset link", &"ann", MINUTE).await.unwrap();
        for works in [false, true] {
            let spend = seals.ticket::<String>("reset link", &sealed).await.unwrap().spend;
            let effect = async move |tx: &mut Tx| {
                spend.take(tx).await?;
                if works { Ok(()) } else { Err(SealError::Expired) }
            };
            assert_eq!(store.try_write(effect).await.is_ok(), works);
        }
        assert_eq!(seals.open_once::<String>("reset link", &sealed).await, Err(SealError::Spent));
        assert_eq!(seals.open::<String>("reset link", &sealed).await, Ok("ann".to_owned()));
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
