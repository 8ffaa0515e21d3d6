//! Answers one request in the place of an instance: so that what the request does is withheld from all that come later, or so
//! that the instance is killed in the middle of it. It decides neither which request that is nor what it proves.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::ask::{NoAnswer, ask, fields};
use super::substitute::{Answer, recorded, replaced};
use crate::exchange::{self, Body, Exchange};
use crate::fleet::{Launcher, ProcessId};

/// What it answers.
#[derive(Clone)]
pub(super) enum StandIn {
    /// As this exchange of a baseline; no instance is asked.
    Recorded(Box<Exchange>),
    /// As this instance, with other values in place of those at these places.
    Replaced { instance: SocketAddr, places: Vec<String> },
    /// As the second of two instances, after the first had the same request and was killed: when it had answered, or so much
    /// time after it got the request.
    Killed { succession: Succession, killed_after: Option<Duration> },
}

/// An instance that is to be killed, and the one that serves then.
#[derive(Clone)]
pub(super) struct Succession {
    pub(super) first: SocketAddr,
    pub(super) then: SocketAddr,
    pub(super) launcher: Arc<Launcher>,
    /// Of the first.
    pub(super) id: ProcessId,
}

impl Succession {
    /// What the second instance answers once the first is dead. The connection to the first is closed only then: what an instance does
    /// when its client goes away is another matter.
    async fn answer(self, killed_after: Option<Duration>, request: Request<Full<Bytes>>) -> Result<Answer, NoAnswer> {
        let asked = ask(self.first, request.clone());
        tokio::pin!(asked);
        match killed_after {
            // Whatever it answers, nobody sees it.
            None => drop((&mut asked).await),
            Some(after) => drop(tokio::time::timeout(after, &mut asked).await),
        }
        self.launcher.kill(self.id).await?;
        ask(self.then, request).await
    }
}

impl StandIn {
    /// Waits at a port of its own for one request. Needs a runtime.
    ///
    /// # Errors
    /// When there is no port for it.
    pub(super) fn start(self) -> io::Result<SocketAddr> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        tokio::spawn(async move {
            let Ok((socket, _)) = listener.accept().await else { return };
            let answer = service_fn(|request| {
                let this = self.clone();
                async move { Ok::<_, Infallible>(this.answered(request).await) }
            });
            // A client that goes away sees no answer.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer).await;
        });
        Ok(address)
    }

    async fn answered(self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match self.answer(request).await {
            Ok(response) => response,
            Err(why) => {
                let mut response = Response::new(Full::new(Bytes::from(why.to_string())));
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, NoAnswer> {
        let (mut head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let asked = exchange::Request {
            method: head.method.to_string(),
            target: head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            headers: fields(&head.headers),
            body: Body::Kept(body.clone()),
        };
        let answer = match self {
            StandIn::Recorded(baseline) => recorded(&baseline, &asked).ok_or(NoAnswer::NotRecorded)?,
            StandIn::Replaced { instance, places } => {
                // In a compressed answer nothing could be replaced.
                head.headers.remove(ACCEPT_ENCODING);
                let answer = ask(instance, Request::from_parts(head, Full::new(body))).await?;
                replaced(&answer, &asked, &places).ok_or(NoAnswer::NothingToReplace)?
            }
            StandIn::Killed { succession, killed_after } => {
                succession.answer(killed_after, Request::from_parts(head, Full::new(body))).await?
            }
        };
        let mut response = Response::builder().status(answer.status);
        for (name, value) in &answer.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(http::Error::from)?;
            if ![CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION].contains(&name) {
                response = response.header(name, HeaderValue::from_bytes(value).map_err(http::Error::from)?);
            }
        }
        Ok(response.body(Full::new(answer.body))?)
    }
}
