//! Refuses requests that two programs might parse differently. hyper refuses most of them before; these checks are in
//! addition. Pure: it reads the head only.

use http::header::{HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Method, Uri, Version};

use super::error_response::ErrorResponse;

/// Checks whether a request may be passed on.
///
/// # Errors
/// The error response for the client; the connection is closed after it.
pub(super) fn check(head: &Parts) -> Result<(), ErrorResponse> {
    check_method(&head.method)?;
    check_framing(&head.headers)?;
    // HTTP/2 names the host in `:authority`, and may repeat it in Host. HTTP/1.0 does not have it.
    let is_in_target = head.version == Version::HTTP_2 && head.uri.authority().is_some();
    let host = the_host(&head.headers, is_in_target || head.version == Version::HTTP_10)?;
    check_target(&head.method, &head.uri, host)
}

fn check_method(method: &Method) -> Result<(), ErrorResponse> {
    if method == Method::CONNECT {
        return Err(ErrorResponse::not_supported("CONNECT is not supported: this is not a forward proxy."));
    }
    Ok(())
}

/// hyper accepts every transfer coding that ends in `chunked`; a server behind us may not.
fn check_framing(headers: &HeaderMap) -> Result<(), ErrorResponse> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(ErrorResponse::bad_request("The only Transfer-Encoding that is accepted is a single \"chunked\".")),
    }
}

/// The value of the only Host header.
fn the_host(headers: &HeaderMap, may_be_missing: bool) -> Result<Option<&str>, ErrorResponse> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => match host.to_str() {
            Ok("") => Err(ErrorResponse::bad_request("The Host header is empty.")),
            Ok(host) if is_host(host) => Ok(Some(host)),
            _ => Err(ErrorResponse::bad_request("The Host header is not a host name with an optional port.")),
        },
        (None, _) if may_be_missing => Ok(None),
        (None, _) => Err(ErrorResponse::bad_request("The Host header is missing.")),
        (Some(_), Some(_)) => Err(ErrorResponse::bad_request("There is more than one Host header.")),
    }
}

/// Whether it consists of a name, an IPv4 address or an IPv6 address in brackets, and a port.
fn is_host(host: &str) -> bool {
    let allowed = |byte: u8| {
        let is_mark = matches!(byte, b'-' | b'.' | b'_' | b'~' | b'[' | b']' | b':' | b'%');
        // Those that a name may have besides (`sub-delims` in RFC 3986), without a comma.
        byte.is_ascii_alphanumeric() || is_mark || matches!(byte, b'!' | b'$' | b'&'..=b'+' | b';' | b'=')
    };
    host.bytes().all(allowed)
}

fn check_target(method: &Method, target: &Uri, host: Option<&str>) -> Result<(), ErrorResponse> {
    if target.path() == "*" && method != Method::OPTIONS {
        return Err(ErrorResponse::bad_request("The target \"*\" is for OPTIONS only."));
    }
    let Some(authority) = target.authority() else {
        return Ok(());
    };
    let port = match target.scheme_str() {
        Some("http") => ":80",
        Some("https") => ":443",
        _ => return Err(ErrorResponse::bad_request("The target is neither a path nor an http address.")),
    };
    // The usual port may be left out (RFC 9110 4.2.1).
    let without_port = |host: &'_ str| host.strip_suffix(port).unwrap_or(host).to_ascii_lowercase();
    match host {
        Some(host) if without_port(authority.as_str()) != without_port(host) => {
            Err(ErrorResponse::bad_request("The target names another host than the Host header."))
        }
        None if !is_host(authority.as_str()) => {
            Err(ErrorResponse::bad_request("The host in the target is not a host name with an optional port."))
        }
        _ => Ok(()),
    }
}
