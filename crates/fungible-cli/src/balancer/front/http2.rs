//! Serves a connection by HTTP/2.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::shared::Front;
use super::streams::{ConnectionShare, StreamBody, Streams};
use crate::balancer::client::{Http2Progress, Http2Transport, Tracked};
use crate::balancer::proxy::{self, Client, ClientOrigin, ResponseBody};

/// The number of requests at a time per connection, at least 100 by RFC 9113, section 6.5.2.
const MOST_STREAMS: u32 = 128;

/// How much of a request body a client may send before it is read. With the next one: a body that an instance reads
/// slowly does not stop the other bodies of its connection.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The same for all bodies of a connection.
const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;

/// How much of a response is kept for a client that does not accept it yet.
const SEND_BUFFER: usize = 64 * 1024;

/// A client that resets so many streams before we have looked at them is disconnected: it wants us to work for nothing
/// (CVE-2023-44487). [`Http2Progress`] counts those that are reset later.
const MOST_PENDING_RESETS: usize = 20;

/// A client that makes us reset so many streams is disconnected (CVE-2025-8671).
const MOST_OWN_RESETS: usize = 1024;

/// How long a client may take to answer GOAWAY, before a connection without a stream is closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long a request may wait for room while there are too many connections.
const WAIT_FOR_ROOM: Duration = Duration::from_secs(10);

/// From one look whether there is room to the next.
const LOOK_FOR_ROOM: Duration = Duration::from_millis(10);

/// Serves a connection until it ends.
pub(super) async fn drive<S>(front: &Rc<Front>, stream: S, origin: ClientOrigin)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let progress = Rc::new(Http2Progress::new());
    let tracked = Tracked::Http2(Rc::clone(&progress));
    let client = Rc::new(Client::new(&front.context, origin, tracked.clone()));
    let streams = Streams::new(&progress);
    let (begin, serving) = (streams.clone(), Rc::clone(front));
    let service = service_fn(move |request: Request<Incoming>| {
        let stream = begin.begins();
        let (front, client) = (Rc::clone(&serving), Rc::clone(&client));
        let is_beside_another = begin.is_beside_another();
        // In a box, because hyper and tokio move it several times on its way into a task, and it is large.
        Box::pin(async move {
            // The first one needs no more than the connection itself, which had room.
            let share = if is_beside_another { Some(room(&front).await) } else { None };
            let response = match share {
                Some(None) => proxy::refuse(&client, &request, proxy::NO_SOCKETS),
                _ => answer(client, request).await?,
            };
            stream.answered();
            Ok::<_, Infallible>(response.map(|body| StreamBody::new(body, stream, share.flatten())))
        })
    });
    let io = TokioIo::new(Http2Transport::new(stream, Rc::clone(&progress)));
    let mut connection = pin!(builder(front, streams).serve_connection(io, service));
    let mut number = None;
    let mut farewell = None;
    poll_fn(|context| {
        let number = number.get_or_insert_with(|| front.clients.enter(&tracked, context.waker()));
        if (front.stopping.get() || progress.is_leaving()) && farewell.is_none() {
            connection.as_mut().graceful_shutdown();
            farewell = Some(Box::pin(tokio::time::sleep(FAREWELL)));
        }
        // h2 closes a connection when its client has answered the PING after GOAWAY and no stream is left.
        let mut is_silent = false;
        while let Some(timer) = &mut farewell
            && timer.as_mut().poll(context).is_ready()
        {
            timer.as_mut().reset(Instant::now() + FAREWELL);
            is_silent = progress.streams() == 0 && !progress.has_answered_ping();
        }
        // How the connection ends does not matter here; h2 has told the client what was wrong.
        let over = is_silent || progress.is_closing() || connection.as_mut().poll(context).is_ready();
        if !over {
            return Poll::Pending;
        }
        front.clients.leave(*number);
        Poll::Ready(())
    })
    .await;
}

fn builder(front: &Front, streams: Streams) -> http2::Builder<Streams> {
    let header_bytes = front.context.config.limits.header_bytes;
    let mut builder = http2::Builder::new(streams);
    builder
        .max_concurrent_streams(MOST_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(MOST_PENDING_RESETS)
        .max_local_error_reset_streams(MOST_OWN_RESETS);
    builder
}

/// Answers one request.
async fn answer(client: Rc<Client>, mut request: Request<Incoming>) -> Result<Response<ResponseBody>, Infallible> {
    if let Err(refusal) = proxy::for_http1(&mut request) {
        return Ok(proxy::refuse(&client, &request, refusal));
    }
    let mut response = proxy::answer(client, request).await?;
    proxy::for_http2(&mut response);
    Ok(response)
}

/// Waits until there is room for one more request. Connections that are idle are closed for it. `None`: there is none.
async fn room(front: &Front) -> Option<ConnectionShare> {
    let end = Instant::now() + WAIT_FOR_ROOM;
    while front.is_full() {
        if Instant::now() > end {
            return None;
        }
        front.clients.close_longest_idle();
        tokio::time::sleep(LOOK_FOR_ROOM).await;
    }
    Some(ConnectionShare::begin(&front.context))
}
