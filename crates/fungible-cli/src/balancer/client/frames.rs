//! Finds where the frames of an HTTP/2 client begin and end (RFC 9113, section 4), so that one that sends a frame or a
//! head too slowly can be told from one that rests. It checks only that SETTINGS come first, which h2 does not: h2 parses
//! the same bytes and refuses what is wrong. It knows no sockets.

/// The length of what a client sends before its first frame.
const PREFACE: usize = 24;

/// The length of the head of a frame.
const FRAME_HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// The position in the frames of one connection.
#[derive(Debug)]
pub(super) struct FrameBoundaries {
    /// How many bytes of the preface are still to come.
    preface: usize,
    head: [u8; FRAME_HEAD],
    /// How many bytes of `head` have arrived; all of them while the payload arrives.
    have: usize,
    /// How many bytes of the payload are still to come.
    payload: usize,
    /// Between HEADERS and the frame that ends the fields.
    in_fields: bool,
    /// The kind of the first frame, when it has begun.
    first: Option<u8>,
    /// The client has answered a PING.
    pub(super) has_answered_ping: bool,
}

impl FrameBoundaries {
    /// The position before the preface.
    pub(super) fn new() -> FrameBoundaries {
        FrameBoundaries {
            preface: PREFACE,
            head: [0; FRAME_HEAD],
            have: 0,
            payload: 0,
            in_fields: false,
            first: None,
            has_answered_ping: false,
        }
    }

    /// Moves on by these bytes. Returns whether the preface, the fields of a request, or another frame ended in them.
    pub(super) fn read(&mut self, mut data: &[u8]) -> bool {
        let mut ended = false;
        while !data.is_empty() {
            if self.preface > 0 {
                let taken = self.preface.min(data.len());
                self.preface -= taken;
                data = &data[taken..];
                ended |= self.preface == 0;
                continue;
            }
            if self.have < FRAME_HEAD {
                let taken = (FRAME_HEAD - self.have).min(data.len());
                self.head[self.have..self.have + taken].copy_from_slice(&data[..taken]);
                self.have += taken;
                data = &data[taken..];
                if self.have < FRAME_HEAD {
                    break;
                }
                self.first.get_or_insert(self.head[3]);
                self.payload = self.head[..3].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
            } else {
                let taken = self.payload.min(data.len());
                self.payload -= taken;
                data = &data[taken..];
            }
            if self.payload == 0 {
                ended |= self.frame_ends();
            }
        }
        ended
    }

    /// The current frame is complete. Returns whether no more fields must follow it.
    fn frame_ends(&mut self) -> bool {
        let (kind, flags) = (self.head[3], self.head[4]);
        self.have = 0;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.in_fields = flags & END_HEADERS == 0;
        }
        self.has_answered_ping |= kind == PING && flags & ACK != 0;
        !self.in_fields
    }

    /// Whether the first frame is not SETTINGS (RFC 9113, section 3.4).
    pub(super) fn begins_wrong(&self) -> bool {
        self.first.is_some_and(|kind| kind != SETTINGS)
    }

    /// Whether something has begun and not ended: the preface, a frame, or the fields of a request. The data of a body
    /// have limits of their own.
    pub(super) fn is_within(&self) -> bool {
        let partial = self.have > 0 && !(self.have == FRAME_HEAD && self.head[3] == DATA);
        self.preface > 0 || partial || self.in_fields
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("short");
        [&length.to_be_bytes()[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn after_preface() -> FrameBoundaries {
        let mut boundaries = FrameBoundaries::new();
        assert!(boundaries.is_within());
        assert!(!boundaries.read(&[0; 23]));
        assert!(boundaries.read(&[0]) && !boundaries.is_within());
        boundaries
    }

    #[test]
    fn fields_end_with_the_frame_that_says_so() {
        let mut boundaries = after_preface();
        assert!(!boundaries.read(&frame(HEADERS, 0, b"abc")) && boundaries.is_within());
        assert!(!boundaries.read(&frame(CONTINUATION, 0, b"")) && boundaries.is_within());
        assert!(boundaries.read(&frame(CONTINUATION, END_HEADERS, b"d")) && !boundaries.is_within());
    }

    #[test]
    fn a_body_may_stop_in_the_middle_of_a_frame_and_other_frames_may_not() {
        let mut boundaries = after_preface();
        boundaries.read(&frame(DATA, 0, b"abcdef")[..12]);
        assert!(!boundaries.is_within());
        boundaries.read(b"def");
        boundaries.read(&frame(PING, ACK, &[0; 8])[..12]);
        assert!(boundaries.is_within() && !boundaries.has_answered_ping);
        boundaries.read(&[0; 5]);
        assert!(!boundaries.is_within() && boundaries.has_answered_ping);
    }

    #[test]
    fn settings_must_come_first() {
        for (kind, wrong) in [(SETTINGS, false), (HEADERS, true), (DATA, true)] {
            let mut boundaries = after_preface();
            boundaries.read(&frame(kind, 0, b"")[..9]);
            assert_eq!(boundaries.begins_wrong(), wrong, "{kind}");
            boundaries.read(&frame(HEADERS, END_HEADERS, b""));
            assert_eq!(boundaries.begins_wrong(), wrong, "{kind}");
        }
    }

    proptest! {
        #[test]
        fn boundaries_are_found_however_the_bytes_are_split(
            frames in prop::collection::vec((0..12_u8, any::<u8>(), prop::collection::vec(any::<u8>(), 0..300)), 0..20),
            pieces in prop::collection::vec(1..50_usize, 1..20),
        ) {
            let data: Vec<u8> = frames.iter().flat_map(|(kind, flags, payload)| frame(*kind, *flags, payload)).collect();
            let mut whole = after_preface();
            whole.read(&data);
            let mut split = after_preface();
            let (mut rest, mut pieces) = (&data[..], pieces.iter().cycle());
            while !rest.is_empty() {
                let length = pieces.next().copied().unwrap_or(1).min(rest.len());
                split.read(&rest[..length]);
                rest = &rest[length..];
            }
            prop_assert_eq!(whole.is_within(), split.is_within());
            prop_assert_eq!(whole.has_answered_ping, split.has_answered_ping);
            prop_assert_eq!(whole.have, 0);
        }

        #[test]
        fn arbitrary_bytes_do_not_matter(data in prop::collection::vec(any::<u8>(), 0..2000)) {
            FrameBoundaries::new().read(&data);
        }
    }
}
