//! The address under which the client sees this service. An instance does not know it; the balancer sends it with each
//! request.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderName, StatusCode, header};

use crate::problem::Problem;

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Scheme and host as the client wrote them, such as `http://127.0.0.1:8080`: the start of absolute addresses.
///
/// A client that reaches an instance directly can put any host here, but only into its own responses.
#[derive(Debug, Clone)]
pub struct Origin(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let field = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let host = field(FORWARDED_HOST).or_else(|| field(header::HOST));
        let host = host.and_then(|host| host.parse::<Authority>().ok()).filter(|host| !host.as_str().contains('@'));
        let Some(host) = host else {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "The request does not say for which host it is."));
        };
        let scheme = if field(FORWARDED_PROTO) == Some("https") { "https" } else { "http" };
        Ok(Self(format!("{scheme}://{host}")))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn origin(headers: &[(&str, &str)]) -> Result<String, StatusCode> {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let found = Origin::from_request_parts(&mut parts, &()).await;
        found.map(|Origin(text)| text).map_err(|problem| problem.status)
    }

    #[tokio::test]
    async fn the_balancer_knows_better_than_the_host() {
        assert_eq!(origin(&[("host", "127.0.0.1:8080")]).await.unwrap(), "http://127.0.0.1:8080");
        let forwarded = [("host", "10.0.0.7"), ("x-forwarded-host", "todo.example"), ("x-forwarded-proto", "https")];
        assert_eq!(origin(&forwarded).await.unwrap(), "https://todo.example");
        assert_eq!(origin(&[("host", "a"), ("x-forwarded-proto", "javascript")]).await.unwrap(), "http://a");
    }

    #[tokio::test]
    async fn what_is_no_host_is_refused() {
        for host in ["", "a b", "a/b", "me@a", "a\"b"] {
            assert_eq!(origin(&[("host", host)]).await, Err(StatusCode::BAD_REQUEST), "{host}");
        }
        assert_eq!(origin(&[]).await, Err(StatusCode::BAD_REQUEST));
    }
}
