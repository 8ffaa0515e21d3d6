//! Which requests pass the CSRF check.

use axum::Router;
use axum::routing::get;
use fungible::ServeOptions;

use crate::support::{request, start, status};

#[tokio::test]
async fn only_requests_of_the_site_itself_change_anything() {
    let handler = get(async || "read").post(async || "changed").put(async || "changed").delete(async || "changed");
    let router = Router::new().route("/", handler).layer(fungible::csrf_protection());
    let server = start(router, None, ServeOptions::default()).await;
    let here = server.address.to_string();
    let (own, own_https) = (format!("Origin: http://{here}"), format!("Origin: https://{here}"));
    let cases = [
        // Safe methods pass, whoever asks.
        ("GET", "Sec-Fetch-Site: cross-site", 200),
        ("HEAD", "Origin: https://evil.example", 200),
        // A browser that says where its requests come from.
        ("POST", "Sec-Fetch-Site: same-origin", 200),
        ("POST", "Sec-Fetch-Site: none", 200),
        ("POST", "Sec-Fetch-Site: same-site", 403),
        ("POST", "Sec-Fetch-Site: cross-site", 403),
        ("PUT", "Sec-Fetch-Site: cross-site", 403),
        ("DELETE", "Sec-Fetch-Site: cross-site", 403),
        ("POST", "Sec-Fetch-Site: anything", 403),
        ("POST", "Sec-Fetch-Site: same-origin\r\nOrigin: https://evil.example", 200),
        // An older one.
        ("POST", own.as_str(), 200),
        ("POST", own_https.as_str(), 200),
        ("POST", "Origin: https://evil.example", 403),
        ("POST", "Origin: http://127.0.0.1:1", 403),
        ("POST", "Origin: null", 403),
        ("POST", "Origin: nonsense", 403),
        // No browser.
        ("POST", "X-Nothing: 1", 200),
        ("DELETE", "X-Nothing: 1", 200),
    ];
    for (method, header, expected) in cases {
        let answer = request(server.address, &format!("{method} / HTTP/1.1\r\n{header}"), "").await;
        assert_eq!(status(&answer), expected, "{method} {header}");
        if expected == 403 {
            assert!(answer.ends_with("Open the page itself and try again.\n"), "{answer}");
        }
    }
}
