//! Parses the messages in the bytes of one side of a WebSocket (RFC 6455, section 5), whatever pieces the bytes arrive
//! in. It only observes; protocol errors are left to the two sides.

use super::captured_body::CapturedBody;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What one side sent. Pings and pongs belong to the connection, not to the app, and are skipped.
#[derive(Debug)]
pub(crate) enum WebSocketEvent {
    /// A complete text or binary message, unmasked.
    Message(CapturedBody),
    /// The last frame, with its code and reason (RFC 6455, section 7.4): `close 4401 no session`. `None`: a regular end, or one without a
    /// code.
    Close(Option<String>),
}

/// The parser for one side of a WebSocket.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// The head of a frame, as far as it has arrived; at most 14 bytes.
    head: Vec<u8>,
    /// The frame whose payload arrives.
    frame: Option<WebSocketFrame>,
    /// The message whose frames arrive.
    message: Option<CapturedBody>,
    /// The payload of a close frame, as far as it has arrived; at most 125 bytes.
    close: Vec<u8>,
    /// Everything since the first byte that violates the protocol.
    garbage: Option<CapturedBody>,
}

#[derive(Debug)]
struct WebSocketFrame {
    opcode: u8,
    is_last: bool,
    mask: Option<[u8; 4]>,
    /// The number of payload bytes that arrived, and their total.
    came: u64,
    length: u64,
}

impl Messages {
    /// Parses more bytes; `said` gets each complete message, and the close.
    pub(crate) fn read(&mut self, mut data: &[u8], mut said: impl FnMut(WebSocketEvent)) {
        while let Some((first, rest)) = data.split_first() {
            if let Some(garbage) = &mut self.garbage {
                return garbage.pass(data);
            }
            if let Some(frame) = &mut self.frame {
                let count = usize::try_from(frame.length - frame.came).unwrap_or(usize::MAX).min(data.len());
                let payload = frame.unmasked(&data[..count]);
                data = &data[count..];
                match frame.opcode {
                    CONTINUATION | TEXT | BINARY => self.message.get_or_insert_default().pass(&payload),
                    CLOSE => self.close.extend_from_slice(&payload),
                    _ => {}
                }
            } else {
                self.head.push(*first);
                data = rest;
                match WebSocketFrame::begin(&self.head, self.message.is_some()) {
                    Ok(Some(frame)) => {
                        self.head.clear();
                        self.frame = Some(frame);
                    }
                    Ok(None) => {}
                    Err(Garbage) => self.garbage.get_or_insert_default().pass(&std::mem::take(&mut self.head)),
                }
            }
            if let Some(frame) = self.frame.take_if(|frame| frame.came == frame.length) {
                match frame.opcode {
                    CLOSE => said(WebSocketEvent::Close(close_of(&std::mem::take(&mut self.close)))),
                    PING | PONG => {}
                    _ if frame.is_last => said(WebSocketEvent::Message(self.message.take().unwrap_or_default())),
                    _ => _ = self.message.get_or_insert_default(),
                }
            }
        }
    }

    /// The bytes that are no complete message, at the end of the connection.
    pub(crate) fn end(&mut self) -> Option<CapturedBody> {
        self.garbage.take()
    }
}

/// Ends that say nothing: the work is done, or one side goes away.
const REGULAR_ENDS: [u16; 2] = [1000, 1001];

fn close_of(payload: &[u8]) -> Option<String> {
    let (code, reason) = payload.split_first_chunk()?;
    let code = u16::from_be_bytes(*code);
    let reason = String::from_utf8_lossy(reason);
    (!REGULAR_ENDS.contains(&code)).then(|| format!("close {code} {reason}").trim_end().to_owned())
}

struct Garbage;

impl WebSocketFrame {
    /// `Ok(None)`: the head is not complete yet. Reserved bits are ignored, because extensions are unknown here.
    fn begin(head: &[u8], within_a_message: bool) -> Result<Option<WebSocketFrame>, Garbage> {
        let &[first, second, ref more @ ..] = head else { return Ok(None) };
        let (is_last, opcode) = (first & 0x80 != 0, first & 0x0f);
        let (is_masked, short) = (second & 0x80 != 0, second & 0x7f);
        let is_sound = match opcode {
            CONTINUATION => within_a_message,
            TEXT | BINARY => !within_a_message,
            CLOSE | PING | PONG => is_last && short < 126,
            _ => false,
        };
        if !is_sound {
            return Err(Garbage);
        }
        let of_length = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let of_mask = if is_masked { 4 } else { 0 };
        if more.len() < of_length + of_mask {
            return Ok(None);
        }
        let length = match of_length {
            0 => u64::from(short),
            _ => more[..of_length].iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        if length > i64::MAX as u64 {
            return Err(Garbage);
        }
        let mask = more[of_length..].first_chunk().copied();
        Ok(Some(WebSocketFrame { opcode, is_last, mask, came: 0, length }))
    }

    /// Unmasks the next bytes of the payload.
    fn unmasked(&mut self, data: &[u8]) -> Vec<u8> {
        let mask = self.mask.unwrap_or_default();
        let from = (self.came % 4) as usize;
        self.came += data.len() as u64;
        data.iter().zip(mask.iter().cycle().skip(from)).map(|(byte, mask)| byte ^ mask).collect()
    }
}
