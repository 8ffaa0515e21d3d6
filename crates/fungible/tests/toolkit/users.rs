//! Registering, checking and changing passwords.

use fungible::{ChangePasswordError, Hasher, HasherOptions, LoginError, RegisterError, Users};

use crate::on_both_engines;
use crate::support::{Engine, quick_hasher};

async fn users(engine: &Engine, hasher: Hasher) -> Users {
    let users = Users::new(engine.open().await, hasher);
    users.migrate().await.unwrap();
    users
}

on_both_engines! {
    async fn a_user_registers_logs_in_and_changes_the_password(engine: &Engine) {
        let users = users(engine, quick_hasher()).await;
        let ann = users.register(" Ann ", "correct horse").await.unwrap();
        assert_eq!(ann.name, "Ann");
        assert_eq!(users.check("ann", "correct horse").await, Ok(ann.clone()));
        assert_eq!(users.check("ann", "wrong horse").await, Err(LoginError::Wrong));
        assert_eq!(users.check("bob", "correct horse").await, Err(LoginError::Wrong));

        let change = async |old, new| users.change_password(ann.id, old, new).await.map(|account| account.name);
        assert_eq!(change("wrong horse", "new password").await, Err(ChangePasswordError::Wrong));
        assert_eq!(change("wrong horse", "short").await, Err(ChangePasswordError::Wrong));
        assert!(matches!(change("correct horse", "short").await, Err(ChangePasswordError::BadPassword(_))));
        assert_eq!(change("correct horse", "new password").await, Ok("Ann".to_owned()));
        assert_eq!(users.check("Ann", "correct horse").await, Err(LoginError::Wrong));
        assert_eq!(users.check("Ann", "new password").await.unwrap().id, ann.id);
    }

    async fn a_registration_may_be_sent_again(engine: &Engine) {
        let users = users(engine, quick_hasher()).await;
        let ann = users.register("Ann", "correct horse").await.unwrap();
        assert_eq!(users.register("ann", "correct horse").await, Ok(ann));
        assert_eq!(users.register("ANN", "another horse").await, Err(RegisterError::Taken));
        // At the same moment on several instances, too.
        let instances = [&users, &self::users(engine, quick_hasher()).await, &users];
        let answers = tokio::join!(
            instances[0].register("Bob", "correct horse"),
            instances[1].register("Bob", "correct horse"),
            instances[2].register("bob", "another horse"),
        );
        let ids: Vec<_> = [answers.0, answers.1, answers.2].into_iter().flatten().map(|account| account.id).collect();
        assert!(ids.len() == 2 && ids[0] == ids[1] || ids.len() == 1, "{ids:?}");
    }

    async fn names_and_passwords_that_cannot_be_used_get_a_sentence(engine: &Engine) {
        let users = users(engine, quick_hasher()).await;
        for name in ["", "  ", "a\nb", &"x".repeat(65), "a\u{200b}nn", "a\u{202e}nn", "ann\u{feff}", "ann\0"] {
            let error = users.register(name, "correct horse").await.unwrap_err();
            assert!(matches!(error, RegisterError::BadName(_)) && error.to_string().ends_with('.'), "{name}: {error}");
            assert_eq!(error.status().as_u16(), 422);
            assert_eq!(users.check(name, "correct horse").await, Err(LoginError::Wrong), "{name:?}");
        }
        // Nobody has such a name: not even one that the store cannot hold.
        for name in ["", "a\0b", &"x".repeat(100_000)] {
            assert_eq!(users.check(name, "correct horse").await, Err(LoginError::Wrong), "{name:.9}");
        }
        for password in ["", "1234567", &"x".repeat(1025)] {
            let error = users.register("ann", password).await.unwrap_err();
            assert!(matches!(error, RegisterError::BadPassword(_)), "{password}: {error}");
        }
        assert!(users.register("Zoë", "pässwört").await.is_ok());
        assert!(users.check("ZOË", "pässwört").await.is_ok());
        // The longest is counted in characters.
        let long = "ö".repeat(1024);
        assert!(users.register("Max", &long).await.is_ok());
        assert!(users.check("Max", &long).await.is_ok());
    }

    async fn a_password_counts_as_it_was_given(engine: &Engine) {
        let users = users(engine, quick_hasher()).await;
        let longest = "ü".repeat(512);
        let given = ["aaaaaaaa", "12345678", " spaces ", "        ", "ÄÖÜäöü€𝄞", "\u{7}\u{0}\n\t\r\u{1b}\u{200b}\u{202e}", &longest];
        for (nth, password) in given.iter().enumerate() {
            let name = format!("user {nth}");
            users.register(&name, password).await.unwrap();
            assert!(users.check(&name, password).await.is_ok(), "{password:?}");
            let others = [password.trim().to_owned(), password.to_lowercase(), format!("{password} "), password.chars().skip(1).collect()];
            for other in others.iter().filter(|other| *other != password) {
                assert_eq!(users.check(&name, other).await, Err(LoginError::Wrong), "{password:?} {other:?}");
            }
        }
    }

    async fn an_unknown_name_costs_the_same_work(engine: &Engine) {
        let nobody_waits = Hasher::new(&HasherOptions::default().memory_kib(64 * 1024).passes(4).at_once(1).waiting(0));
        let users = users(engine, nobody_waits).await;
        // While one unknown name is being checked, the second finds the hasher taken: the first does hash.
        let (one, two) = tokio::join!(users.check("nobody", "some password"), users.check("no one", "some password"));
        assert_eq!((one, two), (Err(LoginError::Wrong), Err(LoginError::TooManyAtOnce)));
    }

    async fn of_two_changes_at_once_one_wins(engine: &Engine) {
        let users = users(engine, quick_hasher()).await;
        let ann = users.register("Ann", "correct horse").await.unwrap();
        let (one, two) = tokio::join!(
            users.change_password(ann.id, "correct horse", "password one"),
            users.change_password(ann.id, "correct horse", "password two"),
        );
        assert_eq!([&one, &two].into_iter().filter(|result| result.is_ok()).count(), 1, "{one:?} {two:?}");
        let right = if one.is_ok() { "password one" } else { "password two" };
        assert!(users.check("Ann", right).await.is_ok());
    }

    async fn no_password_stands_in_the_file(engine: &Engine) {
        let users = users(engine, quick_hasher()).await;
        users.register("Ann", "correct horse").await.unwrap();
        assert!(!engine.holds(b"correct horse"));
        assert!(engine.holds(b"$argon2id$"));
    }
}
