//! A client with cookies that keeps its connection, of HTTP/1.1 or HTTP/2, and never sends anything again by itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) path: String,
    /// The content type of the body; empty: it has none.
    pub(super) kind: &'static str,
    pub(super) body: String,
    pub(super) idempotency_key: Option<String>,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// The instance that answered, as the app says.
    pub(super) by: String,
    /// The word for the error, if the balancer answered.
    pub(super) balancer: Option<String>,
    pub(super) body: String,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub(super) struct Failure {
    /// The head of an answer had come.
    pub(super) begun: bool,
    pub(super) why: String,
}

enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// The client.
pub(super) struct Http {
    address: SocketAddr,
    protocol: Protocol,
    cookies: BTreeMap<String, String>,
    connection: Option<Connection>,
}

impl Http {
    pub(super) fn new(address: SocketAddr, protocol: Protocol) -> Http {
        Http { address, protocol, cookies: BTreeMap::new(), connection: None }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When no whole answer comes. The next request then goes over another connection.
    pub(super) async fn send(&mut self, ask: &Ask) -> Result<Reply, Failure> {
        let answered = self.exchange(ask).await;
        if answered.is_err() {
            self.connection = None;
        }
        answered
    }

    async fn exchange(&mut self, ask: &Ask) -> Result<Reply, Failure> {
        let answer = self.answer(ask).await.map_err(|error| Failure { begun: false, why: format!("{error:?}") })?;
        let (head, body) = answer.into_parts();
        let text = |name: &str| head.headers.get(name).and_then(|value| Some(value.to_str().ok()?.to_owned()));
        let (by, balancer) = (text("x-served-by").unwrap_or_default(), text("x-fungible-error"));
        let cut = |error| Failure { begun: true, why: format!("{} by {by}: {error:?}", head.status) };
        let body = body.collect().await.map_err(cut)?;
        for cookie in head.headers.get_all(SET_COOKIE) {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let body = String::from_utf8(body.to_bytes().to_vec()).unwrap();
        Ok(Reply { status: head.status.as_u16(), by, balancer, body })
    }

    async fn answer(&mut self, ask: &Ask) -> Result<Response<Incoming>, Box<dyn std::error::Error>> {
        let address = self.address;
        let mut request = Request::builder().method(ask.method);
        request = match self.protocol {
            Protocol::Http1 => request.uri(&ask.path).header(HOST, address.to_string()),
            Protocol::Http2 => request.uri(format!("http://{address}{}", ask.path)),
        };
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        if !ask.kind.is_empty() {
            request = request.header(CONTENT_TYPE, ask.kind);
        }
        if let Some(key) = &ask.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Full::from(ask.body.clone()))?;
        match self.connected().await? {
            Connection::Http1(sender) => Ok(sender.send_request(request).await?),
            Connection::Http2(sender) => Ok(sender.send_request(request).await?),
        }
    }

    /// The connection that is there, or a new one if the last answer has ended it.
    async fn connected(&mut self) -> Result<&mut Connection, Box<dyn std::error::Error>> {
        let usable = match &mut self.connection {
            Some(Connection::Http1(sender)) => sender.ready().await.is_ok(),
            Some(Connection::Http2(sender)) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            let stream = TokioIo::new(stream);
            self.connection = Some(match self.protocol {
                Protocol::Http1 => {
                    let (sender, driver) = http1::handshake(stream).await?;
                    tokio::task::spawn_local(driver);
                    Connection::Http1(sender)
                }
                Protocol::Http2 => {
                    let (sender, driver) = http2::handshake(TokioExecutor::new(), stream).await?;
                    tokio::task::spawn_local(driver);
                    Connection::Http2(sender)
                }
            });
        }
        self.connection.as_mut().ok_or_else(|| "no connection".into())
    }
}
