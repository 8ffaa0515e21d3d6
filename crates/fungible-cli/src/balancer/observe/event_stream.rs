//! Splits the body of an event stream (`text/event-stream`) into events, whatever pieces it arrives in. It does not
//! interpret them.

use super::captured_body::CapturedBody;

/// The parser of an event stream.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// The lines of the current event, each ended by `\n`.
    event: CapturedBody,
    line: EventLine,
    /// The last byte was a carriage return: a line feed after it belongs to the same line end.
    after_return: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum EventLine {
    #[default]
    Empty,
    /// Such as a heartbeat, which is not an event.
    Comment,
    Field,
}

impl Events {
    /// Parses more bytes; `event` gets each complete event.
    pub(crate) fn read(&mut self, mut data: &[u8], mut event: impl FnMut(CapturedBody)) {
        while let Some(first) = data.first() {
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                data = &data[1..];
                continue;
            }
            if self.line == EventLine::Empty && *first == b':' {
                self.line = EventLine::Comment;
            }
            let end = data.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let text = &data[..end.unwrap_or(data.len())];
            if self.line != EventLine::Comment && !text.is_empty() {
                self.line = EventLine::Field;
                self.event.pass(text);
            }
            let Some(end) = end else { return };
            self.after_return = data[end] == b'\r';
            data = &data[end + 1..];
            match std::mem::take(&mut self.line) {
                EventLine::Field => self.event.pass(b"\n"),
                EventLine::Comment => {}
                EventLine::Empty if self.event.is_empty() => {}
                EventLine::Empty => event(std::mem::take(&mut self.event)),
            }
        }
    }

    /// The lines after the last empty line. A browser ignores them, but if the instance ended its response there, it
    /// meant them as an event.
    pub(crate) fn end(&mut self) -> Option<CapturedBody> {
        let last = std::mem::take(&mut self.event);
        (!last.is_empty()).then_some(last)
    }
}
