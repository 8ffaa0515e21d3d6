//! Serves a connection by HTTP/1.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use http::{Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::shared::Front;
use crate::balancer::client::{ClientStream, ConnectionProgress, Follows, Tracked, Transport};
use crate::balancer::config::Dispatch;
use crate::balancer::proxy::{self, Client, ClientOrigin, ResponseBody};

/// Serves a connection until it ends. `answer` answers each of its requests.
pub(super) async fn drive<S, F>(
    front: &Front,
    stream: S,
    origin: ClientOrigin,
    answer: impl Fn(Rc<Client>, Request<Incoming>) -> F,
) where
    S: Transport + Send + 'static,
    F: Future<Output = Result<Response<ResponseBody>, Infallible>>,
{
    let half_close = matches!(front.context.config.dispatch, Dispatch::Balanced);
    let progress = Arc::new(ConnectionProgress::new(half_close));
    let tracked = Tracked::Http1(Arc::clone(&progress));
    let client = Rc::new(Client::new(&front.context, origin, tracked.clone()));
    let (requests, sender) = (Arc::clone(&progress), Rc::clone(&client));
    let service = service_fn(move |request: Request<Incoming>| {
        // Before the first await: until then nothing after the head is read.
        let length = request.body().size_hint().exact();
        requests.head_is_there(length.map_or(Follows::Chunks, Follows::Length));
        answer(Rc::clone(&sender), request)
    });
    let io = TokioIo::new(ClientStream::new(stream, Arc::clone(&progress)));
    let mut connection = pin!(front.http1.serve_connection(io, service).with_upgrades());
    let mut number = None;
    let mut told = false;
    poll_fn(|context| {
        let number = number.get_or_insert_with(|| front.clients.enter(&tracked, context.waker()));
        if front.stopping.get() && !told {
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        if !progress.is_closing() {
            match connection.as_mut().poll(context) {
                Poll::Pending => return Poll::Pending,
                // hyper has answered what it could not read as a request.
                Poll::Ready(Err(error)) if error.is_parse() && !error.is_parse_version_h2() => {
                    proxy::not_readable(&client, error.is_parse_too_large());
                }
                // How else the connection ends does not matter here; errors were answered or logged.
                Poll::Ready(_) => {}
            }
        }
        front.clients.leave(*number);
        Poll::Ready(())
    })
    .await;
}
