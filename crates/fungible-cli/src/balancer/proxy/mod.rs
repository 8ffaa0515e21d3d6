//! One request, from its head to the last byte of its response; [`answer`] and [`forward`] show all steps. Ambiguous
//! requests are refused ([`validate`]), header fields are rewritten ([`headers`]), instances are tried ([`attempts`]),
//! and the response streams back ([`response_body`]) or the connection becomes a tunnel ([`upgrade`]). What requests of
//! HTTP/2 need in addition is in [`http2`].

use std::convert::Infallible;
use std::rc::Rc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, SEC_WEBSOCKET_EXTENSIONS, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;

mod access_log;
mod attempts;
mod context;
mod cookies;
mod error_response;
mod farewell;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod headers;
mod http2;
mod measure;
mod noted;
mod redirect;
mod response_body;
mod retry_budget;
mod trace_context;
mod upgrade;
mod validate;

pub(crate) use context::{Client, ClientOrigin, Context};
pub(crate) use error_response::NO_SOCKETS;
pub(crate) use http2::{for_http1, for_http2};
pub(crate) use noted::{not_readable, refuse};
pub(crate) use redirect::redirect;
pub(crate) use response_body::ResponseBody;
pub(crate) use retry_budget::RetryBudget;

use attempts::{Answered, Attempts, Outgoing};
use context::Direction;
use cookies::Hints;
use error_response::{BAD_ANSWER, ErrorResponse};
use headers::CameFrom;
use noted::Noted;
use response_body::{Passing, ServerSentEvents};
use upgrade::Listener;

use super::config::ServedBy;
use super::observe::Record;
use super::pool::Claim;
use super::upstream::{BodyLimits, Origin, RoundTrip};
use crate::operation::{LONGEST_BODY, is_in_body};

/// Answers one request of a client: with the response of an instance, or with an error response.
pub(crate) async fn answer(
    client: Rc<Client>,
    mut request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let mut noted = Noted::begin(&client, &request);
    let switch = request.extensions_mut().remove::<OnUpgrade>();
    let (head, body) = request.into_parts();
    let direction = client.direction(&head);
    let answer = forward(&client, head, body, switch, &mut noted, direction.as_ref()).await;
    Ok(answer.unwrap_or_else(|error| {
        client.progress.answered();
        if let Some(Direction { record, .. }) = &direction {
            record.answered_by_us(error.status().as_u16(), error.word(), error.is_fault_of_instance());
        }
        noted.answered_by_us(&client, error.status(), error.length());
        error.answer()
    }))
}

/// The response of an instance. Its body records when it has ended, and writes the access line then.
async fn forward(
    client: &Client,
    head: Parts,
    body: Incoming,
    switch: Option<OnUpgrade>,
    notes: &mut Noted,
    direction: Option<&Direction>,
) -> Result<Response<ResponseBody>, ErrorResponse> {
    validate::check(&head)?;
    let config = &client.context.config;
    let (version, hints) = (head.version, Hints::of(&head.headers, config.routing, &config.secret));
    let (outgoing, offers_switch) = outgoing(client, head, body, direction);
    notes.names(&outgoing.headers, &outgoing.added);
    let method = outgoing.method.clone();
    let mut attempts = Attempts::new(client, outgoing, &hints);
    let answered = match direction {
        None => attempts.balanced().await,
        Some(direction) => attempts.directed(direction).await,
    };
    notes.tried(attempts.made());
    let Answered { mut head, round_trip, claim, gate } = answered?;
    let length = round_trip.size_hint().exact();
    if !headers::to_client(&mut head.headers, head.status, &method, length) {
        return Err(BAD_ANSWER);
    }
    head.version = Version::HTTP_11;
    hints.set_cookies(&mut head.headers, config, &claim.name, client.origin.secure);
    if config.served_by == ServedBy::Named {
        headers::name_instance(&mut head.headers, &claim.name, &claim.link.version);
    }
    notes.answered(head.status, &claim);
    let record = direction.map(|direction| direction.record.clone());
    if let Some(record) = &record {
        record.answered(head.status.as_u16(), &head.headers);
    }
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return switch_protocol(client, head, switch.filter(|_| offers_switch), (round_trip, claim), notes, record);
    }
    // What an observer records ends as the app and its client want, and only a GET is repeated by its client.
    let lasts = direction.is_none() && method == Method::GET;
    let stream = if lasts { ServerSentEvents::of(&head.headers, &claim) } else { None };
    let body = ResponseBody::Passing(Box::new(Passing {
        _gate: gate,
        stream,
        ended: false,
        ends_by_closing: version == Version::HTTP_10 && length.is_none(),
        round_trip: Some(round_trip),
        client: client.progress.clone(),
        context: Rc::clone(&client.context),
        claim,
        record,
        broke_off: false,
        line: notes.line.take(),
        bytes: 0,
        measure: notes.measure.take(),
    }));
    Ok(Response::from_parts(head, body))
}

/// The response to a request whose connection becomes a tunnel.
fn switch_protocol(
    client: &Client,
    head: http::response::Parts,
    switch: Option<OnUpgrade>,
    (round_trip, claim): (RoundTrip, Claim),
    notes: &mut Noted,
    record: Option<Record>,
) -> Result<Response<ResponseBody>, ErrorResponse> {
    let (Some(to_client), Some(to_instance)) = (switch, round_trip.into_tunnel()) else {
        return Err(BAD_ANSWER);
    };
    client.progress.changes_protocol();
    let is_websocket = upgrade::is_websocket(head.headers.get(UPGRADE));
    let listener = record.map(|record| Listener::new(record, is_websocket));
    if let (Some(meter), Some(measure)) = (&client.context.config.meter, notes.measure.take()) {
        measure.finish(meter, Some(&claim));
    }
    upgrade::start(&client.context, to_client, to_instance, claim, notes.line.take(), listener, is_websocket);
    Ok(Response::from_parts(head, ResponseBody::Ours(Bytes::new())))
}

/// The request as instances get it, and whether its client offers to switch the protocol.
fn outgoing(client: &Client, head: Parts, body: Incoming, direction: Option<&Direction>) -> (Outgoing, bool) {
    let context = &client.context;
    let Parts { method, uri, version, mut headers, .. } = head;
    let keyed = context.config.resend_keyed && headers.contains_key("idempotency-key");
    let repeatable = direction.is_none() && (method.is_idempotent() || keyed);
    let record = direction.map(|direction| direction.record.clone());
    let limits = &context.config.limits.body;
    let named = record.as_ref().is_some_and(|_| is_named_by(&headers, &body));
    let to_be_named = named.then(|| BodyLimits { buffer: LONGEST_BODY, ..limits.clone() });
    let origin = Origin::new(body, repeatable, to_be_named.as_ref().unwrap_or(limits), &context.in_memory, record);
    let from = CameFrom {
        client: &client.address_value,
        target: uri.authority(),
        our_host: &context.our_host,
        secure: client.origin.secure,
        trust_forwarded: context.config.trust_forwarded,
    };
    let has_body = !matches!(origin, Origin::Empty);
    let waits = direction.is_none() && has_body && version == Version::HTTP_11;
    let expects_continue = headers::expects_continue(&mut headers, waits);
    let (added, offer) = headers::to_instance(&mut headers, version, has_body, &from, || context.new_id());
    if direction.is_some() {
        // An observer cannot read compressed messages, and a client must accept that its offer is declined (RFC 6455,
        // 9.1).
        headers.remove(SEC_WEBSOCKET_EXTENSIONS);
    } else {
        trace_context::carry(&mut headers, context.config.new_traces);
    }
    match origin.length() {
        None => {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            // HTTP/2 allows an empty one. Never both (RFC 9112, 6.2).
            headers.remove(CONTENT_LENGTH);
        }
        Some(length) if headers.contains_key(CONTENT_LENGTH) => headers::set_length(&mut headers, length),
        Some(_) => {}
    }
    (
        Outgoing {
            method,
            target: only_path(uri),
            headers,
            added,
            origin,
            repeatable,
            unsent: None,
            expects_continue,
            gate: None,
        },
        offer.is_some(),
    )
}

/// Whether an observer may need this body to know what its request asks for.
fn is_named_by(headers: &HeaderMap, body: &Incoming) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|kind| String::from_utf8_lossy(kind.as_bytes()));
    let is_short = body.size_hint().lower() <= LONGEST_BODY as u64;
    is_short && kind.is_some_and(|kind| is_in_body(&kind))
}

/// The target without scheme and host, which the Host header contains.
fn only_path(target: Uri) -> Uri {
    if target.authority().is_none() {
        return target;
    }
    target.into_parts().path_and_query.map_or_else(|| Uri::from_static("/"), Uri::from)
}
