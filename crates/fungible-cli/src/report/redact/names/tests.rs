//! Which names are those of secrets, and where a secret stands beside one.

use super::*;

#[test]
fn names_of_secrets() {
    for name in [
        "password",
        "user[password]",
        "passwd",
        "newPassword",
        "access_token",
        "authenticity_token",
        "client_secret",
        "session_id",
        "connect.sid",
        "PHPSESSID",
        "csrfmiddlewaretoken",
        "X-CSRF-Token",
        "mcp-session-id",
        "code",
        "api_key",
        "x-api-key",
        "apiKey",
        "accessKey",
        "aws_secret_access_key",
        "authorization",
        "SECRET_KEY_BASE",
        "PGPASSWORD",
        "DBPASSWORD",
        "MYSQLPWD",
        "authtoken",
    ] {
        assert!(is_secret(name), "{name}");
    }
    for name in [
        "status_code",
        "country_code",
        "token_type",
        "max_tokens",
        "sessions",
        "session_timeout",
        "author",
        "key",
        "id",
    ] {
        assert!(!is_secret(name), "{name}");
    }
}

#[test]
fn headers_that_speak_of_secrets_and_hold_none() {
    for (name, value) in [
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "X-Api-Key, X-Session"),
        ("access-control-allow-headers", "authorization"),
        ("sec-token-binding", "AAAA"),
        ("cross-origin-resource-policy", "same-origin"),
        ("vary", "cookie, authorization"),
        ("x-session", "true"),
        ("set-cookie", "theme=dark; Path=/"),
        ("cookie", "lang=en; page=12; seen="),
    ] {
        assert!(in_header(name, value.as_bytes()).is_empty(), "{name}: {value}");
    }
    for (name, value, secret) in [
        ("x-api-key", "hunter", "hunter"),
        ("authorization", "Bearer abc", "abc"),
        ("set-cookie", "sid=herring; Path=/", "herring"),
        ("cookie", "lang=en; s=a1b2c3; theme=9999", "a1b2c3 9999"),
        ("cookie", "nameless", "nameless"),
    ] {
        let found: Vec<&str> = in_header(name, value.as_bytes()).into_iter().map(|range| &value[range]).collect();
        assert_eq!(found.join(" "), secret, "{name}: {value}");
    }
}

#[test]
fn what_a_comparison_says_of_a_cookie() {
    for (place, value) in [("lang.value", "en"), ("connect.sid.expires", "a time"), ("sid.path", "/admin")] {
        assert!(is_readable_of_cookie(place, value.as_bytes()), "{place}: {value}");
    }
    for (place, value) in [("connect.sid.value", "en"), ("lang.value", "s3cr3t"), ("lang", "en"), ("", "en")] {
        assert!(!is_readable_of_cookie(place, value.as_bytes()), "{place}: {value}");
    }
}

#[test]
fn secrets_beside_their_names() {
    for (text, secret) in [
        (r#"{"user":"ann","password":"hunter2"}"#, "hunter2"),
        (r#"{"token" : "a\"b", "x": 1}"#, r#"a\"b"#),
        ("user=ann&password=hunter2&x=1", "hunter2"),
        ("GET /cb?code=4/abc&x=1", "4/abc"),
        ("login with token=abc, user=bob", "abc"),
        ("Password: swordfish", "swordfish"),
        ("Authorization: Bearer abcdefgh", "abcdefgh"),
        ("--api-key hunter2 --verbose", "hunter2"),
        ("--api-key=hunter2 --verbose", "hunter2"),
        ("PGPASSWORD=hunter2 ./e2e.sh", "hunter2"),
        ("STRIPE_KEY='hunter2' ./e2e.sh", "hunter2"),
        ("postgres://app:s3cr@t@localhost/db", "s3cr@t"),
        (r#"<input type="hidden" value="v1" name="csrf_token">"#, "v1"),
        (r#"<meta name="csrf-token" content="v1">"#, "v1"),
        (r#"<input type="password" value="v1">"#, "v1"),
        ("<password>hunter2</password>", "hunter2"),
        ("form-data; name=\"password\"\r\n\r\nhunter2\r\n--x", "hunter2"),
        ("Set-Cookie: a=hunter2; Path=/; HttpOnly", "hunter2"),
        ("curl -H 'Cookie: a=hunter2'", "hunter2"),
        ("{password: 'hunter2'}", "hunter2"),
        (":password => \"hunter2\"", "hunter2"),
    ] {
        let found: Vec<&str> = in_text(text.as_bytes()).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, [secret], "{text}");
    }
}

#[test]
fn what_is_no_secret_beside_such_a_name() {
    for text in [
        "invalid session: expired",
        "session=true",
        "\"code\": 404",
        "\"code\": \"NOT_FOUND\"",
        "code: 'ERR_ERL_UNEXPECTED_X_FORWARDED_FOR',",
        "no session for 42",
        "\"session\": {\"user\": 1}",
        "tokens: 5000 of 10000",
        "http://localhost:3000/a",
        "password",
        "pin=",
        "sort_key=name DUPLICATE_KEY: too long",
    ] {
        assert!(in_text(text.as_bytes()).is_empty(), "{text}");
    }
}
