//! Sends one request to one instance, past the balancer. It decides neither which nor why.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{CONNECTION, HOST};
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::substitute::Answer;
use crate::exchange::Headers;
use crate::fleet::LaunchError;

/// Why there is no answer: the client gets a 502, and the run shows nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("the baseline has no whole answer to this request")]
    NotRecorded,
    #[error("the answer holds none of the values that later requests carry")]
    NothingToReplace,
    #[error(transparent)]
    Http(#[from] http::Error),
    #[error(transparent)]
    Hyper(#[from] hyper::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Launch(#[from] LaunchError),
}

/// What the instance answers.
///
/// # Errors
/// When it cannot be reached, or breaks off.
pub(super) async fn ask(instance: SocketAddr, mut request: Request<Full<Bytes>>) -> Result<Answer, NoAnswer> {
    request.headers_mut().remove(CONNECTION);
    if !request.headers().contains_key(HOST) {
        let host = HeaderValue::from_str(&instance.to_string()).map_err(http::Error::from)?;
        request.headers_mut().insert(HOST, host);
    }
    let socket = TokioIo::new(TcpStream::connect(instance).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(socket).await?;
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Answer { status: head.status.as_u16(), headers: fields(&head.headers), body })
}

/// Header fields as exchanges have them.
pub(super) fn fields(headers: &HeaderMap) -> Headers {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}
