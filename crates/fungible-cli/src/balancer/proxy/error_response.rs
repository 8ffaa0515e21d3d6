//! The error responses of the balancer: a sentence in plain text, and the header `X-Fungible-Error`, so that they can
//! be told from responses of the app.

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

use super::response_body::ResponseBody;
use crate::balancer::upstream::Problem;
use crate::balancer::upstream::fields::ERROR_HEADER;
use crate::exchange::NOT_REACHED;

/// The response if none of an instance can be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ErrorResponse {
    status: StatusCode,
    word: &'static str,
    sentence: &'static str,
    /// The connection is closed, because the rest of it cannot be parsed.
    close: bool,
}

impl ErrorResponse {
    const fn new(status: StatusCode, word: &'static str, sentence: &'static str) -> ErrorResponse {
        ErrorResponse { status, word, sentence, close: false }
    }

    /// 400, after which the connection is closed.
    pub(super) const fn bad_request(sentence: &'static str) -> ErrorResponse {
        ErrorResponse { close: true, ..ErrorResponse::new(StatusCode::BAD_REQUEST, "bad-request", sentence) }
    }

    /// The response to a body that cannot be passed on.
    pub(super) const fn of_body(problem: Problem) -> ErrorResponse {
        match problem {
            Problem::Broken => BAD_BODY,
            Problem::Slow => SLOW_BODY,
            Problem::TooLarge => BODY_TOO_LARGE,
        }
    }

    /// 405, after which the connection is closed.
    pub(super) const fn not_supported(sentence: &'static str) -> ErrorResponse {
        ErrorResponse { close: true, ..ErrorResponse::new(StatusCode::METHOD_NOT_ALLOWED, "not-supported", sentence) }
    }

    /// The value of `X-Fungible-Error`.
    pub(super) const fn word(self) -> &'static str {
        self.word
    }

    /// The status.
    pub(super) const fn status(self) -> StatusCode {
        self.status
    }

    /// The length of the body.
    pub(super) const fn length(self) -> u64 {
        self.sentence.len() as u64
    }

    /// Whether the cause is that the instance did not respond, or not in HTTP.
    pub(super) fn is_fault_of_instance(self) -> bool {
        [BROKE_OFF, NOBODY_ANSWERED, BAD_ANSWER, NO_ANSWER_IN_TIME].iter().any(|one| one.word == self.word)
    }

    /// The response for the client.
    pub(super) fn answer(self) -> Response<ResponseBody> {
        let mut answer = Response::new(ResponseBody::Ours(Bytes::from_static(self.sentence.as_bytes())));
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(ERROR_HEADER, HeaderValue::from_static(self.word));
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
        }
        answer
    }
}

/// No instance became ready in time.
pub(super) const NONE_READY: ErrorResponse = ErrorResponse::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "none-ready",
    "No instance is ready to answer. Try again in a moment.\n",
);

/// The system has no sockets left for connections to instances.
pub(crate) const NO_SOCKETS: ErrorResponse = ErrorResponse::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "no-sockets",
    "The balancer has no more connections to give. Try again in a moment.\n",
);

/// A request of HTTP/2 has more header fields than HTTP/1 allows here; hyper refuses it in the same way there.
pub(super) const TOO_MANY_FIELDS: ErrorResponse = ErrorResponse::new(
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    "bad-request",
    "The request has too many header fields.\n",
);

/// Too many requests wait for an instance.
pub(super) const TOO_MANY_WAIT: ErrorResponse = ErrorResponse::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "too-many-wait",
    "No instance is ready to answer, and too many requests wait already. Try again in a moment.\n",
);

/// The instance broke off, and the request may have been executed.
pub(super) const BROKE_OFF: ErrorResponse = ErrorResponse::new(
    StatusCode::BAD_GATEWAY,
    "broke-off",
    "The instance broke off before it answered. It may have carried out the request; so it was not sent to another one.\n",
);

/// No instance is left to which the request may be sent.
pub(super) const NOBODY_ANSWERED: ErrorResponse = ErrorResponse::new(
    StatusCode::BAD_GATEWAY,
    NOT_REACHED,
    "No instance could answer this request: each one that was tried broke off or could not be reached.\n",
);

const BAD_BODY: ErrorResponse = ErrorResponse::bad_request("The body of the request is not valid, or it broke off.\n");

const SLOW_BODY: ErrorResponse = ErrorResponse {
    status: StatusCode::REQUEST_TIMEOUT,
    ..ErrorResponse::bad_request("The body of the request did not arrive in time, or too slowly.\n")
};

const BODY_TOO_LARGE: ErrorResponse = ErrorResponse {
    status: StatusCode::PAYLOAD_TOO_LARGE,
    ..ErrorResponse::bad_request("The body of the request is larger than this service accepts.\n")
};

/// The response is not HTTP, or its end is ambiguous.
pub(super) const BAD_ANSWER: ErrorResponse =
    ErrorResponse::new(StatusCode::BAD_GATEWAY, "bad-answer", "The instance's answer is not valid HTTP/1.1.\n");

/// The instance did not respond in time.
pub(super) const NO_ANSWER_IN_TIME: ErrorResponse = ErrorResponse::new(
    StatusCode::GATEWAY_TIMEOUT,
    "no-answer-in-time",
    "The instance did not answer in time. It may still carry out the request.\n",
);
