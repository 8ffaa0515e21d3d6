//! A connection that changed to another protocol (WebSocket): bytes in both directions until both have ended. It
//! counts as in flight on its instance.

use std::rc::Rc;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::access::Line;
use super::instance::Claim;
use super::tap::{Heard, Record};
use super::thread::Thread;

/// Passes bytes on as soon as both sides have changed the protocol.
pub(super) fn start(
    thread: &Rc<Thread>,
    to_client: OnUpgrade,
    to_instance: OnUpgrade,
    claim: Claim,
    line: Option<Box<Line>>,
    record: Option<Record>,
) {
    let thread = Rc::clone(thread);
    thread.tunnels.set(thread.tunnels.get() + 1);
    tokio::task::spawn_local(async move {
        if let (Ok(client), Ok(instance)) = tokio::join!(to_client, to_instance) {
            let mut client = Heard { side: TokioIo::new(client), from_client: true, record: record.clone() };
            let mut instance = Heard { side: TokioIo::new(instance), from_client: false, record: record.clone() };
            // An error ends the tunnel, as an orderly end does: there is nobody left to tell.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut instance).await;
        }
        if let Some(record) = record {
            record.finish(true, false);
        }
        if let Some(line) = line {
            line.write(true);
        }
        drop(claim);
        thread.tunnels.set(thread.tunnels.get() - 1);
        thread.ended.notify_one();
    });
}
