//! A connection that changed to another protocol (WebSocket): bytes in both directions until both have ended. It
//! counts as in flight on its instance.

use std::rc::Rc;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::access::Line;
use super::instance::Claim;
use super::thread::Thread;

/// Passes bytes on as soon as both sides have changed the protocol.
pub(super) fn start(
    thread: &Rc<Thread>,
    to_client: OnUpgrade,
    to_instance: OnUpgrade,
    claim: Claim,
    line: Option<Box<Line>>,
) {
    let thread = Rc::clone(thread);
    thread.tunnels.set(thread.tunnels.get() + 1);
    tokio::task::spawn_local(async move {
        if let (Ok(client), Ok(instance)) = tokio::join!(to_client, to_instance) {
            let mut client = TokioIo::new(client);
            let mut instance = TokioIo::new(instance);
            // An error ends the tunnel, as an orderly end does: there is nobody left to tell.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut instance).await;
        }
        if let Some(line) = line {
            line.write(true);
        }
        drop(claim);
        thread.tunnels.set(thread.tunnels.get() - 1);
        thread.ended.notify_one();
    });
}
