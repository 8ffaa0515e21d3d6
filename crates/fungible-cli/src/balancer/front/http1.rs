//! Serves a connection by HTTP/1. Between two requests it sleeps: hyper, with its buffers of some 15 KiB, is there only while a
//! request is read and answered, and for a moment after that.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
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
    let mut asleep = Some((ClientStream::new(stream, Arc::clone(&progress)), service));
    let mut awake = None;
    let mut number = None;
    let mut told = false;
    poll_fn(|context| {
        let number = number.get_or_insert_with(|| front.clients.enter(&tracked, context.waker()));
        let over = progress.is_closing()
            || loop {
                if let Some((stream, service)) = asleep.take() {
                    if !front.stopping.get() && stream.poll_readable(context).is_pending() {
                        asleep = Some((stream, service));
                        break false;
                    }
                    progress.wakes();
                    front.clients.wakes(*number);
                    // In a box, because it is much larger than what a connection needs that sleeps.
                    awake = Some(Box::new(front.http1.serve_connection(TokioIo::new(stream), service).with_upgrades()));
                }
                let Some(connection) = &mut awake else { break true };
                if front.stopping.get() && !told {
                    told = true;
                    Pin::new(&mut **connection).graceful_shutdown();
                }
                match Pin::new(&mut **connection).poll(context) {
                    Poll::Pending => {}
                    // hyper has answered what it could not read as a request.
                    Poll::Ready(Err(error)) if error.is_parse() && !error.is_parse_version_h2() => {
                        proxy::not_readable(&client, error.is_parse_too_large());
                        break true;
                    }
                    // How else the connection ends does not matter here; errors were answered or logged.
                    Poll::Ready(_) => break true,
                }
                if !progress.falls_asleep() {
                    break false;
                }
                let parts = awake.take().and_then(|connection| connection.into_parts());
                asleep = parts.map(|parts| (parts.io.into_inner(), parts.service));
            };
        if !over {
            return Poll::Pending;
        }
        front.clients.leave(*number);
        Poll::Ready(())
    })
    .await;
}
