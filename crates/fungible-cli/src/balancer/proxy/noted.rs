//! What is noted about requests, for people and programs that look at the balancer: a line of the access log, and counters.
//! Also those that the balancer answers itself.

use std::sync::Arc;

use http::{HeaderMap, Method, Request, Response, StatusCode};

use super::access_log::AccessLine;
use super::context::Client;
use super::error_response::ErrorResponse;
use super::measure::Measure;
use super::response_body::ResponseBody;
use crate::balancer::pool::Claim;
use crate::balancer::upstream::fields::Field;

/// Refuses a request that no instance gets to see.
pub(crate) fn refuse<B>(client: &Client, request: &Request<B>, error: ErrorResponse) -> Response<ResponseBody> {
    Noted::begin(client, request).answered_by_us(client, error.status(), error.length());
    error.answer()
}

/// Notes that something was answered which cannot be read as a request of HTTP/1, so that nothing else is known of it.
pub(crate) fn not_readable(client: &Client, too_large: bool) {
    let status = if too_large { StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE } else { StatusCode::BAD_REQUEST };
    let mut unknown = Request::new(());
    // Method and path are unknown, and stand in the log as a dash.
    if let Ok(dash) = Method::from_bytes(b"-") {
        *unknown.method_mut() = dash;
    }
    let mut noted = Noted::begin(client, &unknown);
    if let Some(line) = &mut noted.line {
        "-".clone_into(&mut line.entry.path);
    }
    noted.answered_by_us(client, status, 0);
}

/// What is noted about a request for people and programs that look at the balancer. What ends the response takes it.
pub(super) struct Noted {
    pub(super) line: Option<Box<AccessLine>>,
    pub(super) measure: Option<Measure>,
}

impl Noted {
    /// Begins with the head of a request. Nothing is noted unless somebody asked for it.
    pub(super) fn begin<B>(client: &Client, request: &Request<B>) -> Noted {
        let (config, address) = (&client.context.config, client.origin.address.ip());
        let measure = |meter| Measure::begin(meter, request.method(), request.headers(), address);
        Noted {
            line: AccessLine::begin(config.access.as_ref(), request, address),
            measure: config.meter.as_deref().map(measure),
        }
    }

    /// The balancer itself has answered.
    pub(super) fn answered_by_us(self, client: &Client, status: StatusCode, length: u64) {
        if let Some(mut line) = self.line {
            line.entry.status = status.as_u16();
            line.write(Some(length), true);
        }
        if let (Some(meter), Some(mut measure)) = (&client.context.config.meter, self.measure) {
            measure.status = status.as_u16();
            measure.finish(meter, None);
        }
    }

    /// What the instance can find in its own log, too.
    pub(super) fn names(&mut self, headers: &HeaderMap, added: &[Field]) {
        if let Some(line) = &mut self.line {
            line.names(headers, added);
        }
    }

    /// So many instances were tried.
    pub(super) fn tried(&mut self, made: u32) {
        if let Some(measure) = &mut self.measure {
            measure.attempts = made;
        }
        if let Some(line) = &mut self.line {
            line.entry.attempts = made;
        }
    }

    /// The head of the response has come.
    pub(super) fn answered(&mut self, status: StatusCode, claim: &Claim) {
        if let Some(line) = &mut self.line {
            line.entry.status = status.as_u16();
            line.entry.instance = Some(Arc::clone(&claim.name));
        }
        if let Some(measure) = &mut self.measure {
            measure.status = status.as_u16();
        }
    }
}
