//! Simulated customers of the demo: each logs in and clicks in the app, over real HTTP through the balancer, as a browser
//! would. They notice when they are thrown out, and when something that was confirmed is not there.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::super::args::DemoApp;
use crate::admin::{Crowd, CrowdCounts};
use crate::encoding;

/// The shortest pause between two clicks, and by how much it varies. In milliseconds.
const PAUSE: u64 = 350;
const PAUSE_VARIES: u64 = 500;

/// A customer who has so many tasks deletes the oldest.
const TASKS: usize = 6;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The largest answer that is read, in bytes.
const LARGEST: usize = 1 << 20;

/// All simulated customers of one demo.
pub(super) struct Customers {
    address: SocketAddr,
    app: DemoApp,
    crowd: Arc<Crowd>,
    /// Makes names that no earlier demo gave, and passwords.
    run: String,
}

impl Customers {
    /// Customers of the app at `address`.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(super) fn new(address: SocketAddr, app: DemoApp, crowd: Arc<Crowd>) -> anyhow::Result<Customers> {
        let mut random = [0; 12];
        getrandom::fill(&mut random).ok().context("the system gives no random bytes")?;
        Ok(Customers { address, app, crowd, run: encoding::hex(&random) })
    }

    /// Starts the customers, who do nothing until they are switched on. Must be called on a tokio runtime.
    pub(super) fn wait_for_their_turn(self) {
        for number in 0..self.crowd.size {
            let customer = Customer {
                http: Http { address: reachable(self.address), cookies: BTreeMap::new(), connection: None },
                name: format!("customer-{}-{number}", &self.run[..8]),
                password: self.run.clone(),
                registered: false,
                logged_in: false,
                owns: BTreeMap::new(),
                clicks: u64::try_from(number).unwrap_or_default(),
                key: format!("{}-{number}", self.run),
            };
            tokio::spawn(customer.live(self.app, Arc::clone(&self.crowd)));
        }
    }
}

/// Where a client on this machine reaches a listener.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    (ip, address.port()).into()
}

/// One customer.
struct Customer {
    http: Http,
    name: String,
    password: String,
    registered: bool,
    logged_in: bool,
    /// What the app has confirmed: tasks with their titles, or products with their quantities.
    owns: BTreeMap<String, Value>,
    clicks: u64,
    /// The value of the cookie by which the page colours this customer. It stays when the app gives out another session.
    key: String,
}

/// The request got no answer of the app.
struct Unanswered;

impl Customer {
    /// Clicks whenever the switch is on, until the demo ends.
    async fn live(mut self, app: DemoApp, crowd: Arc<Crowd>) {
        self.http.cookies.insert("customer_sid".to_owned(), self.key.clone());
        let mut switch = crowd.switch();
        loop {
            if on(&mut switch).await.is_err() {
                return;
            }
            tokio::time::sleep(self.pause()).await;
            if *switch.borrow() && self.click(app, crowd.counts()).await.is_err() {
                add(&crowd.counts().failed);
            }
        }
    }

    /// Another pause for each customer and click, so that they do not click in step.
    fn pause(&self) -> Duration {
        let mixed = (self.clicks + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        Duration::from_millis(PAUSE + mixed % PAUSE_VARIES)
    }

    async fn click(&mut self, app: DemoApp, counts: &CrowdCounts) -> Result<(), Unanswered> {
        self.clicks += 7;
        if !self.logged_in {
            return self.log_in(counts).await;
        }
        match app {
            DemoApp::Todo => self.use_list(counts).await,
            DemoApp::Shop => self.use_shop(counts).await,
        }
    }

    /// Registers the first time, and logs in from then on. Nothing else is tried: a failed login counts against the address.
    async fn log_in(&mut self, counts: &CrowdCounts) -> Result<(), Unanswered> {
        let who = json!({ "name": self.name, "password": self.password });
        let path = if self.registered { "/api/login" } else { "/api/register" };
        let (status, _) = self.send(counts, Method::POST, path, Some(&who)).await?;
        self.logged_in = status.is_success();
        // A conflict: it registered before, and got no answer.
        self.registered |= self.logged_in || status == StatusCode::CONFLICT;
        Ok(())
    }

    /// Adds a task, ticks one, deletes one, or looks at all of them.
    async fn use_list(&mut self, counts: &CrowdCounts) -> Result<(), Unanswered> {
        match self.clicks / 7 % 3 {
            0 => {
                let Some(id) = new_id() else { return Ok(()) };
                let task = json!({ "title": format!("Task {}", self.clicks) });
                let (status, _) = self.send(counts, Method::PUT, &format!("/api/tasks/{id}"), Some(&task)).await?;
                if status.is_success() {
                    self.owns.insert(id, task["title"].clone());
                }
            }
            1 if self.owns.len() >= TASKS => {
                let Some((id, title)) = self.owns.pop_first() else { return Ok(()) };
                let deleted = self.send(counts, Method::DELETE, &format!("/api/tasks/{id}"), None).await;
                if matches!(&deleted, Ok((status, _)) if !status.is_success()) {
                    self.owns.insert(id, title);
                }
                deleted?;
            }
            _ => {
                let (status, body) = self.send(counts, Method::GET, "/api/tasks", None).await?;
                if status.is_success() {
                    let there =
                        |id: &str| body["tasks"].as_array().is_some_and(|all| all.iter().any(|one| one["id"] == id));
                    self.miss(counts, |id, _| there(id));
                }
            }
        }
        Ok(())
    }

    /// Puts something into the cart, or looks at it.
    async fn use_shop(&mut self, counts: &CrowdCounts) -> Result<(), Unanswered> {
        if (self.clicks / 7).is_multiple_of(3) {
            let (_, body) = self.send(counts, Method::GET, "/api/products", None).await?;
            let products = body["products"].as_array().cloned().unwrap_or_default();
            let turn = usize::try_from(self.clicks).unwrap_or_default() % products.len().max(1);
            let Some(id) = products.get(turn).and_then(|one| one["id"].as_str()) else { return Ok(()) };
            let quantity = json!(self.clicks % 5 + 1);
            let path = format!("/api/cart/{id}");
            // Until it is confirmed nobody knows how many there are.
            self.owns.remove(id);
            let (status, _) = self.send(counts, Method::PUT, &path, Some(&json!({ "quantity": quantity }))).await?;
            if status.is_success() {
                self.owns.insert(id.to_owned(), quantity);
            }
            return Ok(());
        }
        let (status, body) = self.send(counts, Method::GET, "/api/cart", None).await?;
        if status.is_success() {
            let text = body.to_string();
            self.miss(counts, |id, _| text.contains(&format!("\"{id}\"")));
        }
        Ok(())
    }

    /// Counts what was confirmed and is not there, once.
    fn miss(&mut self, counts: &CrowdCounts, there: impl Fn(&str, &Value) -> bool) {
        let before = self.owns.len();
        self.owns.retain(|id, value| there(id, value));
        counts.lost_writes.fetch_add((before - self.owns.len()) as u64, Ordering::Relaxed);
    }

    /// Sends a request, and counts it and what it met.
    async fn send(
        &mut self,
        counts: &CrowdCounts,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), Unanswered> {
        let answered = tokio::time::timeout(PATIENCE, self.http.send(method, path, body)).await;
        let Ok(Ok((status, body))) = answered else {
            self.http.connection = None;
            return Err(Unanswered);
        };
        if [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT].contains(&status) {
            return Err(Unanswered);
        }
        add(&counts.requests);
        if status == StatusCode::UNAUTHORIZED && self.logged_in {
            add(&counts.thrown_out);
            self.logged_in = false;
        }
        Ok((status, body))
    }
}

/// Returns when the switch is on.
async fn on(switch: &mut watch::Receiver<bool>) -> Result<(), watch::error::RecvError> {
    switch.wait_for(|on| *on).await.map(|_| ())
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A UUID of version 4.
fn new_id() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = encoding::hex(&bytes);
    Some(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

/// A browser without a screen: one connection, and its cookies.
struct Http {
    address: SocketAddr,
    cookies: BTreeMap<String, String>,
    connection: Option<SendRequest<Json>>,
}

impl Http {
    async fn send(&mut self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<(StatusCode, Value)> {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.address.to_string());
        request = request.header(COOKIE, cookies.join("; ")).header(CONTENT_TYPE, "application/json");
        let request = request.body(Json(body.map(|body| Bytes::from(body.to_string()))))?;
        let mut connection = match self.connection.take().filter(SendRequest::is_ready) {
            Some(connection) => connection,
            None => connect(self.address).await?,
        };
        let answer = connection.send_request(request).await?;
        self.keep_cookies(answer.headers());
        let (status, body) = (answer.status(), whole(answer.into_body()).await?);
        self.connection = Some(connection);
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for value in headers.get_all(SET_COOKIE) {
            let pair = value.to_str().ok().and_then(|text| text.split(';').next()).unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                if value.is_empty() {
                    self.cookies.remove(name);
                } else {
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
            }
        }
    }
}

async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Json>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (connection, driver) = http1::handshake(TokioIo::new(stream)).await?;
    // Its errors are returned to the request that waits for an answer.
    tokio::spawn(driver);
    Ok(connection)
}

async fn whole(mut body: Incoming) -> anyhow::Result<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(data) = frame?.into_data() {
            anyhow::ensure!(bytes.len() + data.len() <= LARGEST, "the answer is too large");
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes.freeze())
}

/// The body of a request: a text in memory.
struct Json(Option<Bytes>);

impl http_body::Body for Json {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, Bytes::len) as u64)
    }
}
