//! The events in the body of an event stream (`text/event-stream`), in whatever pieces it comes. It does not look into
//! them.

use super::captured_body::CapturedBody;

/// An event stream, as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// The lines of the event that comes, each with its end as `\n`.
    event: CapturedBody,
    line: EventLine,
    /// The last byte was a carriage return: a line feed after it ends the same line.
    after_return: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum EventLine {
    #[default]
    Empty,
    /// A heartbeat is no event.
    Comment,
    Field,
}

impl Events {
    /// Reads on; `event` gets each whole event.
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

    /// What follows the last empty line. For a browser it is no event, but the instance meant it as one if it ended
    /// its answer there.
    pub(crate) fn end(&mut self) -> Option<CapturedBody> {
        let last = std::mem::take(&mut self.event);
        (!last.is_empty()).then_some(last)
    }
}
