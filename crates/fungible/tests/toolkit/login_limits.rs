//! Passwords cannot be tried out, on however many instances.

use fungible::{ChangePasswordError, ClientAddress, LoginError, LoginLimits, Logins, RegisterError, Users};

use crate::on_both_engines;
use crate::support::{Engine, quick_hasher};

const PASSWORD: &str = "correct horse";

/// An instance, with the limits that are the default.
async fn logins(engine: &Engine) -> Logins {
    let store = engine.open().await;
    let (users, limits) = (Users::new(store.clone(), quick_hasher()), fungible::Limits::new(store));
    users.migrate().await.unwrap();
    limits.migrate().await.unwrap();
    Logins::new(users, limits, LoginLimits::default())
}

fn address(last: u8) -> ClientAddress {
    ClientAddress([192, 0, 2, last].into())
}

on_both_engines! {
    async fn who_fails_too_often_waits_on_every_instance(engine: &Engine) {
        let instances = [logins(engine).await, logins(engine).await];
        instances[0].register("Ann", PASSWORD, address(1)).await.unwrap();
        // Whether there is such a user makes no difference.
        for name in ["Ann", "nobody"] {
            for nth in 0..10 {
                let checked = instances[nth % 2].check(name, "wrong", address(1)).await;
                assert_eq!(checked, Err(LoginError::Wrong), "{name} {nth}");
            }
            for instance in &instances {
                let checked = instance.check(&name.to_uppercase(), PASSWORD, address(1)).await;
                assert!(matches!(checked, Err(LoginError::TooOften(_))), "{name}: {checked:?}");
            }
        }
        // Nor can it be done by registering, or by a change of the password.
        let registered = instances[0].register("Ann", PASSWORD, address(1)).await;
        assert!(matches!(registered, Err(RegisterError::TooOften(_))), "{registered:?}");
        // Ann herself is somewhere else.
        let ann = instances[1].check("Ann", PASSWORD, address(2)).await.unwrap();
        let changed = instances[1].change_password((ann.id, "Ann"), PASSWORD, "another horse", address(1)).await;
        assert!(matches!(changed, Err(ChangePasswordError::TooOften(_))), "{changed:?}");
    }

    async fn who_knows_the_password_may_log_in_as_often_as_she_likes(engine: &Engine) {
        let instances = [logins(engine).await, logins(engine).await];
        instances[0].register("Ann", PASSWORD, address(1)).await.unwrap();
        for nth in 0..150 {
            // She is mistaken now and then.
            if nth % 20 == 0 {
                assert_eq!(instances[0].check("Ann", "wrong", address(1)).await, Err(LoginError::Wrong));
            }
            instances[nth % 2].check("Ann", PASSWORD, address(1)).await.unwrap();
            instances[nth % 2].register("Ann", PASSWORD, address(1)).await.unwrap();
        }
    }

    async fn one_address_cannot_try_many_names_nor_shut_somebody_out(engine: &Engine) {
        let logins = logins(engine).await;
        logins.register("Ann", PASSWORD, address(2)).await.unwrap();
        for nth in 0..100 {
            assert_eq!(logins.check(&format!("name {nth}"), "wrong", address(1)).await, Err(LoginError::Wrong), "{nth}");
        }
        for _ in 0..150 {
            let checked = logins.check("Ann", "wrong", address(1)).await;
            assert!(matches!(checked, Err(LoginError::TooOften(_))), "{checked:?}");
        }
        logins.check("Ann", PASSWORD, address(2)).await.unwrap();
    }

    async fn many_addresses_cannot_try_one_name_for_long(engine: &Engine) {
        let logins = logins(engine).await;
        logins.register("Ann", PASSWORD, address(250)).await.unwrap();
        let mut refused = 0;
        for nth in 0..120 {
            match logins.check("Ann", "wrong", address(nth)).await {
                Err(LoginError::Wrong) => {}
                Err(LoginError::TooOften(_)) => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(refused >= 19, "{refused}");
    }

    async fn many_tries_at_once_are_owed_and_shut_nobody_out(engine: &Engine) {
        let instances = [logins(engine).await, logins(engine).await, logins(engine).await];
        instances[0].register("Ann", PASSWORD, address(2)).await.unwrap();
        let tries: Vec<_> = (0..240)
            .map(|nth| {
                let logins = instances[nth % 3].clone();
                tokio::spawn(async move { logins.check("Ann", "wrong", address(1)).await })
            })
            .collect();
        let mut wrong = 0_u64;
        for one in tries {
            wrong += u64::from(one.await.unwrap() == Err(LoginError::Wrong));
        }
        assert!(wrong >= 10, "{wrong}");
        let Err(LoginError::TooOften(quota)) = instances[0].check("Ann", "wrong", address(1)).await else { panic!() };
        // What was too much is paid first: to the address in steps of 36 s, or to the pair in steps of a minute.
        let owed = if wrong > 100 { 36 * (wrong - 100) } else { 60 * (wrong - 10) };
        assert!(quota.retry_in.as_secs() + 60 > owed, "{wrong} {quota:?}");
        // Ann is somewhere else, and is let in.
        instances[1].check("Ann", PASSWORD, address(2)).await.unwrap();
    }
}
