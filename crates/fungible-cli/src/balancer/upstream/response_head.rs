//! The head of a response, as an instance sends it (RFC 9112, sections 4 and 6.3): its fields, where its body ends, and
//! whether the connection can be used again. Pure.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version};
use httparse::{Header, ParserConfig, Status};
use hyper::ext::ReasonPhrase;
use memchr::memchr_iter;

/// Room for so many fields costs nothing.
const USUAL_FIELDS: usize = 64;

/// A response with more header fields is not passed on.
const MOST_FIELDS: usize = 256;

/// The longest head, in bytes.
pub(super) const LONGEST: usize = 128 * 1024;

/// What an instance sends is not the head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The head of a response.
#[derive(Debug)]
pub(super) struct ResponseHead {
    pub(super) parts: Parts,
    /// Where the body ends.
    pub(super) end: BodyEnd,
    /// Whether the connection may be used again after the body.
    pub(super) keep_alive: bool,
    /// The length of the head, in bytes.
    pub(super) bytes: usize,
}

/// Where the body of a response ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyEnd {
    /// After this many bytes.
    Length(u64),
    /// With its last chunk.
    LastChunk,
    /// With the connection.
    Close,
}

impl ResponseHead {
    /// Parses the head at the beginning of `data`; `None` if more bytes are needed. `of_head`: of a HEAD request.
    ///
    /// # Errors
    /// When it is malformed, or its body has no certain end.
    pub(super) fn parse(data: &Bytes, of_head: bool) -> Result<Option<ResponseHead>, Malformed> {
        let mut usual = [const { MaybeUninit::uninit() }; USUAL_FIELDS];
        match ResponseHead::with_room(data, of_head, &mut usual) {
            Err(httparse::Error::TooManyHeaders) => {
                let mut many = vec![MaybeUninit::uninit(); MOST_FIELDS];
                ResponseHead::with_room(data, of_head, &mut many).map_err(|_| Malformed)
            }
            result => result.map_err(|_| Malformed),
        }
    }

    fn with_room<'d>(
        data: &'d Bytes,
        of_head: bool,
        room: &mut [MaybeUninit<Header<'d>>],
    ) -> Result<Option<ResponseHead>, httparse::Error> {
        let mut response = httparse::Response::new(&mut []);
        let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut response, data, room)?;
        let Status::Complete(bytes) = parsed else {
            return if data.len() > LONGEST { Err(httparse::Error::TooManyHeaders) } else { Ok(None) };
        };
        if bytes > LONGEST {
            return Err(httparse::Error::TooManyHeaders);
        }
        let (mut parts, ()) = Response::new(()).into_parts();
        let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
        parts.status = status.ok_or(httparse::Error::Status)?;
        parts.version = if response.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
        let reason = response.reason.unwrap_or_default();
        if Some(reason) != parts.status.canonical_reason()
            && let Ok(reason) = ReasonPhrase::try_from(reason.as_bytes())
        {
            parts.extensions.insert(reason);
        }
        parts.headers = fields(response.headers, data).ok_or(httparse::Error::HeaderName)?;
        let end = body_end(&parts, of_head).ok_or(httparse::Error::HeaderValue)?;
        let keep_alive = end != BodyEnd::Close && stays_open(&parts);
        Ok(Some(ResponseHead { parts, end, keep_alive, bytes }))
    }
}

/// Whether a head may end in these bytes.
pub(super) fn has_blank_line(data: &[u8]) -> bool {
    let mut ends = memchr_iter(b'\n', data);
    ends.any(|at| matches!(data[at + 1..], [b'\n', ..] | [b'\r', b'\n', ..]))
}

/// The fields that were parsed from `data`, whose values share its memory.
pub(super) fn fields(parsed: &[Header<'_>], data: &Bytes) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(parsed.len());
    for field in parsed {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_maybe_shared(data.slice_ref(field.value)).ok()?);
    }
    Some(headers)
}

/// Where the body ends (RFC 9112, section 6.3); `None` if that is not certain.
fn body_end(parts: &Parts, of_head: bool) -> Option<BodyEnd> {
    let bodiless = [StatusCode::SWITCHING_PROTOCOLS, StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];
    if of_head || bodiless.contains(&parts.status) {
        return Some(BodyEnd::Length(0));
    }
    let mut codings = parts.headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => {}
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            return (parts.version == Version::HTTP_11).then_some(BodyEnd::LastChunk);
        }
        // A client that we tell nothing of other codings would take what they encode for the body.
        _ => return None,
    }
    let mut lengths = parts.headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return Some(BodyEnd::Close) };
    let mut numbers = std::iter::once(first)
        .chain(lengths)
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(number);
    let length = numbers.next()??;
    numbers.all(|other| other == Some(length)).then_some(BodyEnd::Length(length))
}

/// A number of digits only.
fn number(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Whether the instance leaves the connection open (RFC 9112, section 9.3).
fn stays_open(parts: &Parts) -> bool {
    let options = || {
        let values = parts.headers.get_all(CONNECTION).iter();
        values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
    };
    let says = |word: &[u8]| options().any(|option| option.eq_ignore_ascii_case(word));
    !says(b"close") && (parts.version == Version::HTTP_11 || says(b"keep-alive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<ResponseHead>, Malformed> {
        ResponseHead::parse(&Bytes::copy_from_slice(text.as_bytes()), false)
    }

    fn end(fields: &str) -> Result<(BodyEnd, bool), Malformed> {
        let head = parse(&format!("{fields}\r\n\r\nbody"))?.expect("it is complete");
        Ok((head.end, head.keep_alive))
    }

    #[test]
    fn where_the_body_ends_and_whether_the_connection_stays() {
        use BodyEnd::{Close, LastChunk, Length};
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 4", Ok((Length(4), true))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\nContent-Length: 4", Ok((Length(4), true))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5", Err(Malformed)),
            ("HTTP/1.1 200 OK\r\nContent-Length: +4", Err(Malformed)),
            ("HTTP/1.1 200 OK\r\nContent-Length:", Err(Malformed)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616", Err(Malformed)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 4", Ok((LastChunk, true))),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked", Err(Malformed)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Err(Malformed)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity", Err(Malformed)),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked", Err(Malformed)),
            ("HTTP/1.1 200 OK", Ok((Close, false))),
            ("HTTP/1.1 204 No Content", Ok((Length(0), true))),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9", Ok((Length(0), true))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: a, Close", Ok((Length(4), false))),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\nConnection: keep-alive",
                Ok((Length(4), false)),
            ),
            ("HTTP/1.0 200 OK\r\nContent-Length: 4", Ok((Length(4), false))),
            ("HTTP/1.0 200 OK\r\nContent-Length: 4\r\nConnection: keep-alive", Ok((Length(4), true))),
            ("HTTP/1.1 2000 OK", Err(Malformed)),
            ("HTTP/1.1 099 OK", Err(Malformed)),
            ("HTTP/2.0 200 OK", Err(Malformed)),
            ("HTTP/1.1 200 OK\r\nA : b", Err(Malformed)),
            ("HTTP/1.1 200 OK\r\nA: b\r\n c", Err(Malformed)),
            ("HTTP/1.1 200 OK\r\nA: b\0c", Err(Malformed)),
        ] {
            assert_eq!(end(head), expected, "{head:?}");
        }
    }

    #[test]
    fn a_head_is_complete_with_its_blank_line_and_may_have_256_fields() {
        let of = |count: usize| format!("HTTP/1.1 299 Some\r\n{}\r\n", "a: b\r\n".repeat(count));
        let whole = of(256);
        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).is_ok_and(|head| head.is_none()), "{length}");
        }
        let head = parse(&whole).expect("it is sound").expect("it is complete");
        assert_eq!((head.bytes, head.parts.headers.len()), (whole.len(), 256));
        assert!(head.parts.extensions.get::<ReasonPhrase>().is_some_and(|reason| reason.as_bytes() == b"Some"));
        assert!(parse(&of(257)).is_err());
        assert!(parse(&format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(LONGEST))).is_err());
    }
}
