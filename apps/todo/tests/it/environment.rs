//! A wrong environment: one line on stderr that says what is wrong and what to do, exit code 2, nothing started.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use test_cluster::{SECRET, directory};

use crate::program;

/// Runs the program with good values, but for one; gives its exit code and what it wrote on stderr.
fn run_with(name: &str, value: Option<&str>) -> (Option<i32>, String) {
    let dir = directory();
    let store = format!("sqlite:{}", dir.join("todo.db").display());
    let mut command = program().command();
    command.env("PORT", "0").env("FUNGIBLE_STORE", store).env("FUNGIBLE_SECRET", SECRET);
    match value {
        Some(value) => command.env(name, value),
        None => command.env_remove(name),
    };
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        sender.send(text)
    });
    let text = ended.recv_timeout(Duration::from_secs(30));
    if text.is_err() {
        child.kill().unwrap();
    }
    let code = child.wait().unwrap().code();
    fs::remove_dir_all(dir).unwrap();
    (code, text.unwrap_or_else(|_| panic!("{name}={value:?}: the program took it and runs")))
}

#[test]
fn each_wrong_value_is_one_line_and_exit_code_2() {
    let wrong: &[(&str, Option<&str>, &str)] = &[
        ("PORT", None, "PORT is not set"),
        ("PORT", Some("http"), "PORT is \"http\": set it to a number"),
        ("PORT", Some("65536"), "PORT is \"65536\""),
        ("HOST", Some("nowhere"), "HOST is \"nowhere\": set it to an IP address"),
        ("FUNGIBLE_STORE", None, "FUNGIBLE_STORE is not set"),
        (
            "FUNGIBLE_STORE",
            Some("todo.db"),
            "FUNGIBLE_STORE cannot be used: it begins with neither sqlite: nor postgres",
        ),
        ("FUNGIBLE_STORE", Some("sqlite:"), "FUNGIBLE_STORE cannot be used: the path is missing: write sqlite:PATH"),
        ("FUNGIBLE_STORE", Some("postgres://db?color=red"), "FUNGIBLE_STORE cannot be used: "),
        (
            "FUNGIBLE_STORE",
            Some("postgres://me:hunter2@127.0.0.1:1/x"),
            "postgres://me@127.0.0.1:1/x cannot be reached",
        ),
        ("FUNGIBLE_STORE", Some("sqlite:/nowhere/at/all/todo.db"), "/nowhere/at/all/todo.db"),
        ("FUNGIBLE_SECRET", None, "FUNGIBLE_SECRET is not set"),
        ("FUNGIBLE_SECRET", Some("short"), "FUNGIBLE_SECRET cannot be used"),
        ("FUNGIBLE_SECRET", Some("AAAA"), "FUNGIBLE_SECRET cannot be used"),
        ("FUNGIBLE_COOKIES", Some("chocolate"), "FUNGIBLE_COOKIES is \"chocolate\": set it to secure"),
        ("RUST_LOG", Some("todo=loud"), "RUST_LOG is \"todo=loud\": error parsing level filter"),
        ("FUNGIBLE_INSTANCE", Some(""), "FUNGIBLE_INSTANCE is \"\""),
        ("FUNGIBLE_INSTANCE", Some("two words"), "FUNGIBLE_INSTANCE is \"two words\""),
    ];
    for (name, value, expected) in wrong {
        let (code, text) = run_with(name, *value);
        assert_eq!(code, Some(2), "{name}={value:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{name}={value:?}: {text}");
        assert!(text.contains(expected) && !text.contains("hunter2"), "{name}={value:?}: {text}");
    }
    // Listening there already: somebody else.
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port().to_string();
    let (code, text) = run_with("PORT", Some(&port));
    assert_eq!((code, text.lines().count()), (Some(2), 1), "{text}");
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
}

#[test]
fn a_secret_is_never_repeated() {
    let (_, text) = run_with("FUNGIBLE_SECRET", Some("c2VjcmV0LW9mLW1pbmU="));
    assert!(!text.contains("c2VjcmV0"), "{text}");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let file = directory().join("letter.txt");
    let letter = "Dear Ada, ".repeat(100);
    fs::write(&file, &letter).unwrap();
    let (code, text) = run_with("FUNGIBLE_STORE", Some(&format!("sqlite:{}", file.display())));
    assert_eq!((code, text.lines().count()), (Some(2), 1), "{text}");
    assert!(text.contains("letter.txt"), "{text}");
    assert_eq!(fs::read_to_string(&file).unwrap(), letter);
    fs::remove_dir_all(file.parent().unwrap()).unwrap();
}
