//! The streams of one HTTP/2 connection: each runs as a task of its own, which counts as a request in flight, may be ended
//! when its client reads too slowly, and counts as a connection if there is another one beside it.

use std::cell::RefCell;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;

use crate::balancer::client::{Http2Progress, OpenStream, StreamProgress};
use crate::balancer::proxy::{Context as ProxyContext, ResponseBody};

/// Runs the streams of one connection.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    connection: Rc<Http2Progress>,
    /// The stream whose request was just handed over; its task is started next.
    begun: Rc<RefCell<Option<OpenStream>>>,
}

/// As long as it lives, a stream counts as a connection: it needs one to an instance, as the connection of its client does.
#[derive(Debug)]
pub(super) struct ConnectionShare(Rc<ProxyContext>);

impl ConnectionShare {
    /// Counts one more.
    pub(super) fn begin(context: &Rc<ProxyContext>) -> ConnectionShare {
        context.connection_begins();
        ConnectionShare(Rc::clone(context))
    }
}

impl Drop for ConnectionShare {
    fn drop(&mut self) {
        self.0.connection_has_ended();
    }
}

impl Streams {
    /// The streams of a new connection.
    pub(super) fn new(connection: &Rc<Http2Progress>) -> Streams {
        Streams { connection: Rc::clone(connection), begun: Rc::default() }
    }

    /// A request arrives. Its task must be started before the next one arrives, as hyper does.
    pub(super) fn begins(&self) -> Rc<StreamProgress> {
        let open = self.connection.stream_begins();
        let progress = Rc::clone(&open.progress);
        *self.begun.borrow_mut() = Some(open);
        progress
    }

    /// Whether another stream is open beside the one that has just begun.
    pub(super) fn is_beside_another(&self) -> bool {
        self.connection.streams() > 1
    }
}

impl<F: Future + 'static> Executor<F> for Streams {
    fn execute(&self, task: F) {
        let stream = self.begun.borrow_mut().take();
        tokio::task::spawn_local(async move {
            let Some(stream) = stream else {
                // Tunnels, which `validate` refuses.
                return;
            };
            tokio::select! {
                _ = task => {}
                // The end of the task resets the stream.
                () = stream.progress.cancelled() => {}
            }
        });
    }
}

/// The body of a response, which records whether it waits for the client.
#[derive(Debug)]
pub(super) struct StreamBody {
    body: ResponseBody,
    stream: Rc<StreamProgress>,
    /// Held until the response has ended.
    _share: Option<ConnectionShare>,
}

impl StreamBody {
    /// `share`: what the stream counts beside the connection.
    pub(super) fn new(body: ResponseBody, stream: Rc<StreamProgress>, share: Option<ConnectionShare>) -> StreamBody {
        StreamBody { body, stream, _share: share }
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        // hyper asks for the next frame only when the client accepts more.
        let StreamBody { body, stream, .. } = self.get_mut();
        stream.waits_for_client(false);
        let frame = ready!(Pin::new(body).poll_frame(context));
        stream.waits_for_client(frame.is_some());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
