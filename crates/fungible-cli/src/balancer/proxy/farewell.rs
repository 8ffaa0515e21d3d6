//! When a stream (server-sent events, a tunnel) ends because its instance leaves, and how a WebSocket is then closed. A
//! stream may go on for ever, so a drain cannot wait for its end; its client connects again, to another instance.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::balancer::pool::{Leave, Link};

/// A stream that has carried nothing for so long ends as soon as its instance leaves; others get the limit of the drain.
const SILENCE: Duration = Duration::from_secs(2);

/// How long a client may take to close its side after a close frame. Less than the drain waits for it.
const CLOSING: Duration = Duration::from_millis(300);

/// The status code "going away" (RFC 6455, 7.4.1).
const GOING_AWAY: [u8; 2] = 1001_u16.to_be_bytes();

/// How often it is looked whether a frame has ended, in a stream that carries nothing for a while in the middle of one.
const NEXT_LOOK: Duration = Duration::from_millis(100);

/// Completes when a stream on this instance is to end. `heard`: when its last byte came; `between`: whether nothing is under
/// way that has begun and not ended.
pub(super) async fn farewell(link: &Link, heard: &Cell<Instant>, between: impl Fn() -> bool) {
    let mut leave = link.leave_state();
    if leave.wait_for(|state| *state >= Leave::Leaves).await.is_err() {
        // Never: the link has the sender.
        return pending().await;
    }
    let silence = async {
        while heard.get().elapsed() < SILENCE || !between() {
            let next = Instant::now() + NEXT_LOOK;
            tokio::time::sleep_until(next.max(heard.get() + SILENCE)).await;
        }
    };
    tokio::select! {
        () = silence => {}
        _ = leave.wait_for(|state| *state == Leave::Over) => {}
    }
}

/// Follows the frames of one side of a WebSocket (RFC 6455, 5.2), to know where one ends: only there may another follow.
#[derive(Clone, Debug, Default)]
pub(super) struct FrameEnds {
    /// The head of a frame, as far as it has passed.
    head: [u8; 14],
    length: usize,
    /// The bytes of its payload that are still to pass.
    left: u64,
    /// No further frame may begin.
    stopped: bool,
}

impl FrameEnds {
    /// More bytes have passed.
    pub(super) fn pass(&mut self, mut data: &[u8]) {
        while let Some((first, rest)) = data.split_first() {
            if self.left > 0 {
                let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
                self.left -= skipped as u64;
                data = &data[skipped..];
                continue;
            }
            self.head[self.length] = *first;
            self.length += 1;
            data = rest;
            if let Some(payload) = self.payload() {
                (self.left, self.length) = (payload, 0);
            }
        }
    }

    /// From now on no frame may begin.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// How many of these bytes may pass next.
    pub(super) fn may_pass(&self, data: &[u8]) -> usize {
        if !self.stopped {
            return data.len();
        }
        let mut ends = self.clone();
        let mut passed = 0;
        while passed < data.len() && !ends.at_end() {
            let more = usize::try_from(ends.left.max(1)).unwrap_or(usize::MAX).min(data.len() - passed);
            ends.pass(&data[passed..passed + more]);
            passed += more;
        }
        passed
    }

    /// Whether the last frame that began has ended.
    pub(super) fn at_end(&self) -> bool {
        self.left == 0 && self.length == 0
    }

    /// The length of the payload, once the head is complete.
    fn payload(&self) -> Option<u64> {
        let head = &self.head[..self.length];
        let second = *head.get(1)?;
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let number = head.get(2..2 + extended).filter(|_| head.len() == 2 + extended + mask)?;
        Some(if extended == 0 {
            u64::from(second & 0x7f)
        } else {
            number.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        })
    }
}

/// Tells the client and the instance that the WebSocket is closed because the instance leaves, each where a frame has just
/// ended (`true`), and waits a moment for the client to close.
pub(super) async fn close_websocket<C, I>(client: (&mut C, bool), instance: (&mut I, bool))
where
    C: AsyncRead + AsyncWrite + Unpin,
    I: AsyncWrite + Unpin,
{
    let (client, at_end_to_client) = client;
    let (instance, at_end_to_instance) = instance;
    let goodbye = async {
        if at_end_to_instance {
            // Frames of a client are masked (5.3).
            let mask = getrandom::u32().unwrap_or_default().to_be_bytes();
            let [one, two, three, four] = mask;
            let frame = [0x88, 0x82, one, two, three, four, GOING_AWAY[0] ^ one, GOING_AWAY[1] ^ two];
            instance.write_all(&frame).await?;
            instance.flush().await?;
        }
        if at_end_to_client {
            client.write_all(&[0x88, 0x02, GOING_AWAY[0], GOING_AWAY[1]]).await?;
            client.flush().await?;
        }
        // What is not read when the connection closes would reset it, and the close frame might be lost.
        tokio::io::copy(&mut client.take(u64::MAX), &mut tokio::io::sink()).await?;
        io::Result::Ok(())
    };
    // A side that has gone away needs no goodbye.
    let _ = tokio::time::timeout(CLOSING, goodbye).await;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The head of a frame with so much payload.
    fn head(length: u64, masked: bool) -> Vec<u8> {
        let bit = if masked { 0x80 } else { 0 };
        let mut head = vec![0x82];
        match length {
            0..=0x7d => head.push(bit | u8::try_from(length).expect("small")),
            0x7e..=0xffff => {
                head.push(bit | 0x7e);
                head.extend(u16::try_from(length).expect("small").to_be_bytes());
            }
            _ => {
                head.push(bit | 0x7f);
                head.extend(length.to_be_bytes());
            }
        }
        head.extend(if masked { &[1, 2, 3, 4][..] } else { &[] });
        head
    }

    proptest! {
        #[test]
        fn a_frame_ends_where_it_ends_whatever_pieces_it_comes_in(
            frames in prop::collection::vec((0_u64..70_000, any::<bool>()), 1..5), piece in 1_usize..5000,
        ) {
            let mut bytes = Vec::new();
            let mut ends = Vec::new();
            for (length, masked) in frames {
                bytes.extend(head(length, masked));
                bytes.extend(vec![0xff; usize::try_from(length).expect("small")]);
                ends.push(bytes.len());
            }
            let mut follows = FrameEnds::default();
            let mut passed = 0;
            prop_assert!(follows.at_end());
            for piece in bytes.chunks(piece) {
                follows.pass(piece);
                passed += piece.len();
                prop_assert_eq!(follows.at_end(), ends.contains(&passed), "after {} bytes", passed);
                let mut stopped = follows.clone();
                stopped.stop();
                let next = ends.iter().find(|end| **end >= passed).copied();
                prop_assert_eq!(passed + stopped.may_pass(&bytes[passed..]), next.unwrap_or(passed));
            }
        }

        #[test]
        fn any_bytes_can_pass(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..20)) {
            let mut follows = FrameEnds::default();
            for piece in pieces {
                follows.pass(&piece);
            }
        }
    }
}
