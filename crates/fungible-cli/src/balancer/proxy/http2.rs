//! What requests and responses of HTTP/2 need beyond those of HTTP/1, so that everything else treats both alike. Pure.

use http::header::{CONNECTION, COOKIE};
use http::{HeaderMap, HeaderValue, Request, Response};

use super::error_response::{ErrorResponse, TOO_MANY_FIELDS};
use super::response_body::ResponseBody;

/// The number of header fields that hyper accepts in a request of HTTP/1.
const MOST_FIELDS: usize = 100;

/// Turns a request of HTTP/2 into one that HTTP/1 can express.
///
/// # Errors
/// Why a request is refused.
pub(crate) fn for_http1<B>(request: &mut Request<B>) -> Result<(), ErrorResponse> {
    join_cookies(request.headers_mut());
    if request.headers().len() > MOST_FIELDS {
        return Err(TOO_MANY_FIELDS);
    }
    Ok(())
}

/// Removes what belongs to a connection of HTTP/1 from a response.
pub(crate) fn for_http2(response: &mut Response<ResponseBody>) {
    response.headers_mut().remove(CONNECTION);
}

/// HTTP/2 may send each cookie in a field of its own, but programs expect one field (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) else { return };
    let rest = std::iter::once(second).chain(crumbs);
    let joined = rest.fold(first.as_bytes().to_vec(), |mut joined, crumb| {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
        joined
    });
    // Values that are valid one by one are valid when they are joined.
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crumbs_of_cookies_are_joined() {
        let mut request = Request::new(());
        for crumb in ["a=1", "b=2; c=3", "d=\u{e4}"] {
            let value = HeaderValue::from_bytes(crumb.as_bytes()).expect("a value");
            request.headers_mut().append(COOKIE, value);
        }
        for_http1(&mut request).expect("it is accepted");
        let values: Vec<_> = request.headers().get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(values, ["a=1; b=2; c=3; d=\u{e4}".as_bytes()]);
    }

    #[test]
    fn a_request_has_as_many_fields_as_in_http1() {
        for (count, accepted) in [(100, true), (101, false)] {
            let mut request = Request::new(());
            for _ in 0..count {
                request.headers_mut().append("x-a", HeaderValue::from_static("b"));
            }
            assert_eq!(for_http1(&mut request).is_ok(), accepted, "{count}");
        }
    }
}
