//! Answers requests without TLS: the same address with https. It asks no instance.

use std::convert::Infallible;
use std::rc::Rc;

use bytes::Bytes;
use http::header::{HOST, LOCATION};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::context::Client;
use super::error_response::ErrorResponse;
use super::noted::Noted;
use super::response_body::ResponseBody;
use super::validate;

/// The port that an https address need not name.
const USUAL_PORT: u16 = 443;

/// Redirects a request to https with status 308, after which clients repeat it with its method and body.
pub(crate) async fn redirect(
    client: Rc<Client>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let noted = Noted::begin(&client, &request);
    let (head, _) = request.into_parts();
    let port = client.context.config.connecting.redirect.as_ref().map_or(USUAL_PORT, |redirect| redirect.port);
    let (response, length) = match location(&head, port) {
        Ok(location) => {
            let mut response = Response::new(ResponseBody::Ours(Bytes::new()));
            *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
            response.headers_mut().insert(LOCATION, location);
            (response, 0)
        }
        Err(error) => (error.answer(), error.length()),
    };
    noted.answered_by_us(&client, response.status(), length);
    client.progress.answered();
    Ok(response)
}

/// The https address of a request.
pub(super) fn location(head: &Parts, port: u16) -> Result<HeaderValue, ErrorResponse> {
    const NO_HOST: ErrorResponse =
        ErrorResponse::bad_request("The Host header is not a host name with an optional port.");
    validate::check(head)?;
    let named = head.headers.get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let authority = named.as_ref().or(head.uri.authority()).ok_or(NO_HOST)?;
    let host = authority.host();
    // What follows a colon must be a port, or it would be dropped in silence.
    let is_host_with_port =
        [host.len(), host.len() + 1].contains(&authority.as_str().len()) || authority.port().is_some();
    if host.is_empty() || !is_host_with_port {
        return Err(NO_HOST);
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    // `*`, the target of an OPTIONS request for the whole server, is no path.
    let path = if path.starts_with('/') { path } else { "/" };
    let port = if port == USUAL_PORT { String::new() } else { format!(":{port}") };
    HeaderValue::try_from(format!("https://{host}{port}{path}")).map_err(|_| NO_HOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(target: &str, host: &str, port: u16) -> Option<String> {
        let request = Request::builder().uri(target).header(HOST, host).body(()).expect("a request");
        let location = location(&request.into_parts().0, port).ok()?;
        Some(location.to_str().expect("visible characters").to_owned())
    }

    #[test]
    fn host_and_path_stay_as_they_are() {
        for (target, host, port, expected) in [
            ("/", "shop.example", 443, "https://shop.example/"),
            ("/a?b=c&d", "shop.example:80", 443, "https://shop.example/a?b=c&d"),
            ("/a", "shop.example:8080", 8443, "https://shop.example:8443/a"),
            ("//evil.example/a", "shop.example", 443, "https://shop.example//evil.example/a"),
            ("/a", "[::1]:8080", 8443, "https://[::1]:8443/a"),
            ("http://shop.example/a?b", "shop.example", 443, "https://shop.example/a?b"),
        ] {
            assert_eq!(of(target, host, port).as_deref(), Some(expected), "{target} {host}");
        }
    }

    #[test]
    fn a_host_that_is_none_is_refused() {
        for host in ["", "a b", "a/b", "a@b", ":80", "a:b", "a:99999", "a,b", "[::1"] {
            assert_eq!(of("/", host, 443), None, "{host:?}");
        }
    }
}
