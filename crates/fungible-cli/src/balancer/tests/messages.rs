//! Messages and events are the same in whatever pieces their bytes come; what is none does no harm.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use test_basics::Random;

use crate::balancer::observe::{CapturedBody, Events, Frames, Messages, WebSocketEvent};
use crate::exchange::{Body, Frame};

/// A frame as a WebSocket sends it.
pub(super) fn frame(opcode: u8, is_last: bool, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![opcode | if is_last { 0x80 } else { 0 }];
    if let Ok(short @ 0..126) = u8::try_from(payload.len()) {
        bytes.push(masked | short);
    } else if let Ok(long) = u16::try_from(payload.len()) {
        bytes.push(masked | 0x7e);
        bytes.extend(long.to_be_bytes());
    } else {
        bytes.push(masked | 0x7f);
        bytes.extend((payload.len() as u64).to_be_bytes());
    }
    bytes.extend(mask.into_iter().flatten());
    let mask = mask.unwrap_or_default();
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Cuts bytes into random pieces, some of them one byte long.
fn pieces<'b>(dice: &mut Random, mut bytes: &'b [u8]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    let longest = [1, 3, 20, 5_000, 1_000_000][dice.below(5)];
    while !bytes.is_empty() {
        let length = (dice.below(longest) + 1).min(bytes.len());
        let (piece, rest) = bytes.split_at(length);
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

fn small(number: usize) -> u8 {
    u8::try_from(number).expect("a byte")
}

/// What a listener has of these pieces: messages, how often a side said that it closes, what was garbage.
fn heard(pieces: &[&[u8]]) -> (Vec<Body>, usize, Option<Body>) {
    let kept = AtomicUsize::new(0);
    let (mut messages, mut bodies, mut closes) = (Messages::default(), Vec::new(), 0);
    for piece in pieces {
        messages.read(piece, |said| match said {
            WebSocketEvent::Message(message) => bodies.push(message.body(&kept)),
            WebSocketEvent::Close(_) => closes += 1,
        });
    }
    (bodies, closes, messages.end().map(|garbage| garbage.body(&kept)))
}

#[test]
fn messages_are_the_same_in_whatever_frames_and_pieces_they_come() {
    let mut dice = Random::new();
    for _ in 0..60 {
        let mut wire = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..dice.below(12) {
            let most = [1, 2, 125, 126, 127, 65_535, 65_536, 300_000][dice.below(8)];
            let length = if dice.below(2) == 0 { most } else { dice.below(most) };
            let message = dice.bytes(length);
            let mut parts = pieces(&mut dice, &message);
            // Thousands of frames of one byte show no more than some.
            if parts.len() > 50 || parts.is_empty() || dice.below(2) == 0 {
                parts = vec![&message];
            }
            for (at, part) in parts.iter().enumerate() {
                let mask = (dice.below(2) == 0).then(|| [small(dice.below(256)), 7, 0, small(dice.below(256))]);
                let opcode = if at > 0 { 0 } else { 1 + small(dice.below(2)) };
                wire.extend(frame(opcode, at + 1 == parts.len(), mask, part));
                if dice.below(3) == 0 {
                    let control = 9 + small(dice.below(2));
                    wire.extend(frame(control, true, mask, b"still there?"));
                }
            }
            expected.push(CapturedBody::of(&message).body(&AtomicUsize::new(0)));
        }
        wire.extend(frame(8, true, None, b"\x03\xe8"));
        assert_eq!(heard(&pieces(&mut dice, &wire)), (expected, 1, None));
    }
}

#[test]
fn a_message_that_is_too_large_is_known_by_its_hash() {
    let message = vec![b'x'; 300_000];
    let wire = frame(2, true, Some([1, 2, 3, 4]), &message);
    let (messages, ..) = heard(&[&wire[..10], &wire[10..]]);
    assert_eq!(messages, [Body::Kept(message.into()).by_hash()]);
}

#[test]
fn a_close_says_why_unless_it_is_a_regular_end() {
    let close = |payload: &[u8], cut: usize| {
        let wire = frame(8, true, Some([1, 2, 3, 4]), payload);
        let (mut reader, mut why) = (Messages::default(), Vec::new());
        for piece in [&wire[..cut], &wire[cut..]] {
            reader.read(piece, |said| match said {
                WebSocketEvent::Close(text) => why.push(text),
                WebSocketEvent::Message(_) => panic!("a message"),
            });
        }
        why
    };
    for cut in 0..8 {
        assert_eq!(close(&[b"\x11\x31", &b"no session"[..]].concat(), cut), [Some("close 4401 no session".to_owned())]);
    }
    assert_eq!(close(b"\x03\xf0", 3), [Some("close 1008".to_owned())]);
    for regular in [&b"\x03\xe8"[..], b"\x03\xe9restart", b"", b"\x03"] {
        assert_eq!(close(regular, 1), [None]);
    }
}

#[test]
fn garbage_does_no_harm_and_is_the_same_in_whatever_pieces_it_comes() {
    let mut dice = Random::new();
    for _ in 0..500 {
        let mut wire = Vec::new();
        if dice.below(2) == 0 {
            wire.extend(frame(1, true, None, b"sound"));
        }
        let length = dice.below(200);
        wire.extend(dice.bytes(length));
        let whole = heard(&[&wire]);
        assert_eq!(heard(&pieces(&mut dice, &wire)), whole);
    }
    for (wire, why) in [
        (frame(3, true, None, b"x"), "a reserved opcode"),
        (frame(0, true, None, b"x"), "a continuation of nothing"),
        (frame(9, false, None, b"x"), "a ping in parts"),
        (frame(8, true, None, &[0; 126]), "a long close"),
        ([frame(1, false, None, b"x"), frame(1, true, None, b"y")].concat(), "a message within a message"),
        (vec![0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0], "a length beyond all"),
    ] {
        let (messages, closes, garbage) = heard(&[&wire]);
        assert_eq!((messages.len(), closes), (0, 0), "{why}");
        assert!(garbage.is_some(), "{why}");
    }
    // A length that nobody will ever send reserves nothing.
    let (messages, _, garbage) = heard(&[&[0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, b'a', b'b']]);
    assert_eq!((messages.len(), garbage), (0, None));
}

fn events(pieces: &[&[u8]]) -> (Vec<String>, Option<String>) {
    let text = |event: CapturedBody| match event.body(&AtomicUsize::new(0)) {
        Body::Kept(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Body::Hashed { .. } => "too large".to_owned(),
    };
    let (mut reader, mut all) = (Events::default(), Vec::new());
    for piece in pieces {
        reader.read(piece, |event| all.push(text(event)));
    }
    (all, reader.end().map(text))
}

#[test]
fn events_are_the_same_in_whatever_pieces_and_with_whatever_line_ends_they_come() {
    let mut dice = Random::new();
    let stream =
        "\n: a heartbeat\n\nid: 1\ndata: one\n: within\ndata:more\n\n\n\nevent: two\ndata\n\nretry: 5\n\ndata: half";
    let expected = ["id: 1\ndata: one\ndata:more\n", "event: two\ndata\n", "retry: 5\n"].map(str::to_owned);
    for _ in 0..300 {
        let end = ["\n", "\r", "\r\n"][dice.below(3)];
        let wire = stream.replace('\n', end).into_bytes();
        assert_eq!(events(&pieces(&mut dice, &wire)), (expected.to_vec(), Some("data: half".to_owned())), "{end:?}");
    }
    let endless = [b"data: ".as_slice(), &vec![b'x'; 300_000], b"\n\ndata: 2\n\n"].concat();
    assert_eq!(events(&pieces(&mut dice, &endless)).0, ["too large", "data: 2\n"]);
}

#[test]
fn of_too_many_messages_the_last_are_known_by_their_hash() {
    let kept = AtomicUsize::new(0);
    let at = Duration::ZERO;
    let said = |last: &str| -> Vec<(bool, Body)> {
        let mut frames = Frames::default();
        for n in 0..10_050_u32 {
            frames.add(&kept, at, n % 2 == 0, CapturedBody::of(n.to_string().as_bytes()));
        }
        frames.add(&kept, at, false, CapturedBody::of(last.as_bytes()));
        frames.all(at).into_iter().map(|Frame { from_client, data, .. }| (from_client, data)).collect()
    };
    let (one, two) = (said("one"), said("two"));
    assert_eq!((one.len(), &one), (10_002, &said("one")));
    assert_eq!(one[..10_001], two[..10_001]);
    assert!(matches!(one[10_000], (true, Body::Hashed { .. })));
    assert_ne!(one[10_001], two[10_001], "a message beyond the limit must still be seen to differ");
}
