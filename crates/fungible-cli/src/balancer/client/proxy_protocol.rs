//! The header of the PROXY protocol, versions 1 and 2, by which a balancer in front of this one says who its client is
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>). Pure: it parses bytes and never asks for more of
//! them than the header has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// What version 1 begins with.
const WORD: &[u8] = b"PROXY ";

/// The longest line of version 1, with its end.
const LONGEST_LINE: usize = 107;

/// The fixed part of version 2.
const FIXED: usize = 16;

/// The longest header of version 2 that is accepted. A longer one is possible, but no balancer sends it.
const LONGEST: usize = 4096;

/// The result of parsing the beginning of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyHeader {
    /// At least so many more bytes belong to the header.
    Incomplete(usize),
    /// It is complete, and the client has this address. `None`: the connection comes from the balancer itself, or the
    /// address is of a kind that has no IP address.
    Complete(Option<SocketAddr>),
    /// These bytes are no such header.
    Malformed,
}

impl ProxyHeader {
    /// Parses the bytes that have come so far. Whoever reads exactly as many more as `Incomplete` says never reads beyond the
    /// header.
    pub(crate) fn parse(data: &[u8]) -> ProxyHeader {
        let begins = |mark: &[u8]| data.iter().zip(mark).all(|(byte, wanted)| byte == wanted);
        // Both versions have at least as many bytes as the signature.
        match data.len() {
            length if begins(&SIGNATURE) && length < SIGNATURE.len() => {
                ProxyHeader::Incomplete(SIGNATURE.len() - length)
            }
            _ if begins(&SIGNATURE) => version_2(data),
            length if begins(WORD) && length < SIGNATURE.len() => ProxyHeader::Incomplete(SIGNATURE.len() - length),
            _ if begins(WORD) => version_1(data),
            _ => ProxyHeader::Malformed,
        }
    }
}

fn version_2(data: &[u8]) -> ProxyHeader {
    let Some(fixed) = data.get(SIGNATURE.len()..FIXED) else { return ProxyHeader::Incomplete(FIXED - data.len()) };
    let &[version_and_command, family, high, low] = fixed else { return ProxyHeader::Malformed };
    let whole = FIXED + usize::from(u16::from_be_bytes([high, low]));
    let is_local = match version_and_command {
        0x20 => true,
        0x21 => false,
        _ => return ProxyHeader::Malformed,
    };
    if whole > LONGEST {
        return ProxyHeader::Malformed;
    }
    let Some(rest) = data.get(FIXED..whole) else { return ProxyHeader::Incomplete(whole - data.len()) };
    if data.len() > whole {
        return ProxyHeader::Malformed;
    }
    match family {
        _ if is_local => ProxyHeader::Complete(None),
        // TCP or UDP over IPv4: source and destination, then their ports.
        0x11 | 0x12 => address::<4>(rest, 8),
        0x21 | 0x22 => address::<16>(rest, 32),
        // Unspecified, or sockets of this machine.
        0x00 | 0x31 | 0x32 => ProxyHeader::Complete(None),
        _ => ProxyHeader::Malformed,
    }
}

/// The source address, of `N` bytes, whose port is at `port`.
fn address<const N: usize>(rest: &[u8], port: usize) -> ProxyHeader
where
    IpAddr: From<[u8; N]>,
{
    let ip = rest.first_chunk::<N>();
    let port = rest.get(port..port + 2).and_then(|port| port.first_chunk::<2>());
    // The port of the destination belongs to the header, too.
    match (ip, port) {
        (Some(ip), Some(port)) if rest.len() >= 2 * N + 4 => {
            ProxyHeader::Complete(Some(SocketAddr::new(IpAddr::from(*ip), u16::from_be_bytes(*port))))
        }
        _ => ProxyHeader::Malformed,
    }
}

fn version_1(data: &[u8]) -> ProxyHeader {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else {
        let missing = if data.ends_with(b"\r") { 1 } else { 2 };
        let is_too_long = data.len() + missing > LONGEST_LINE;
        return if is_too_long { ProxyHeader::Malformed } else { ProxyHeader::Incomplete(missing) };
    };
    let line = data.strip_suffix(b"\r\n").filter(|line| line.len() + 1 == end && data.len() <= LONGEST_LINE);
    let text = line.and_then(|line| std::str::from_utf8(&line[WORD.len()..]).ok());
    match text {
        Some(text) if text == "UNKNOWN" || text.starts_with("UNKNOWN ") => ProxyHeader::Complete(None),
        Some(text) => source(text).map_or(ProxyHeader::Malformed, |source| ProxyHeader::Complete(Some(source))),
        None => ProxyHeader::Malformed,
    }
}

/// The source in a line of version 1.
fn source(text: &str) -> Option<SocketAddr> {
    let words: Vec<&str> = text.split(' ').collect();
    let &[family, source, destination, source_port, destination_port] = words.as_slice() else { return None };
    let ip = |text: &str| match family {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        _ => None,
    };
    let port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
    let address = SocketAddr::new(ip(source)?, port(source_port)?);
    ip(destination).zip(port(destination_port)).map(|_| address)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A header of version 2 with this command, family and rest.
    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short");
        [&SIGNATURE[..], &[0x20 | command, family], &length.to_be_bytes(), rest].concat()
    }

    /// Reads as the program does: exactly what is asked for. Returns the result and how much was read.
    fn read(data: &[u8]) -> (ProxyHeader, usize) {
        let mut have = 0;
        loop {
            match ProxyHeader::parse(&data[..have]) {
                ProxyHeader::Incomplete(more) if have + more <= data.len() => have += more,
                result => return (result, have),
            }
        }
    }

    fn from(text: &str) -> ProxyHeader {
        ProxyHeader::Complete(Some(text.parse().expect("an address")))
    }

    const V4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0, 80];

    #[test]
    fn version_2_names_the_source() {
        assert_eq!(read(&header(1, 0x11, &V4)).0, from("192.0.2.7:12345"));
        let with_more = [&V4[..], &[4, 0, 1, 0]].concat();
        assert_eq!(read(&header(1, 0x11, &with_more)).0, from("192.0.2.7:12345"));
        let mut v6 = [0; 36];
        (v6[0], v6[1], v6[15], v6[33]) = (0x20, 0x01, 9, 7);
        assert_eq!(read(&header(1, 0x21, &v6)).0, from("[2001::9]:7"));
    }

    #[test]
    fn a_connection_of_the_balancer_itself_keeps_its_address() {
        for bytes in [header(0, 0x11, &V4), header(0, 0, b""), header(1, 0, b""), header(1, 0x31, &[0; 216])] {
            assert_eq!(read(&bytes).0, ProxyHeader::Complete(None), "{bytes:?}");
        }
        for line in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"] {
            assert_eq!(read(line.as_bytes()).0, ProxyHeader::Complete(None), "{line:?}");
        }
    }

    #[test]
    fn version_1_names_the_source() {
        assert_eq!(read(b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 80\r\n").0, from("192.0.2.7:12345"));
        assert_eq!(read(b"PROXY TCP6 2001::9 ::1 7 80\r\n").0, from("[2001::9]:7"));
    }

    #[test]
    fn anything_else_is_malformed() {
        for bytes in [
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00".to_vec(),
            header(2, 0x11, &V4),
            header(1, 0x11, &V4[..11]),
            header(1, 0x21, &V4),
            header(1, 0x41, &V4),
            [&SIGNATURE[..], &[0x11, 0x11, 0, 0]].concat(),
            [&SIGNATURE[..], &[0x21, 0x11, 0xff, 0xff]].concat(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 12345\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 80\nGET".to_vec(),
            b"PROXY TCP4 ::1 10.0.0.1 12345 80\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 +1 80\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 70000 80\r\n".to_vec(),
            b"PROXY UDP4 192.0.2.7 10.0.0.1 1 80\r\n".to_vec(),
            format!("PROXY UNKNOWN {}\r\n", "x".repeat(100)).into_bytes(),
        ] {
            assert_eq!(read(&bytes).0, ProxyHeader::Malformed, "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_parsed_without_a_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
            read(&data);
            ProxyHeader::parse(&data);
        }

        #[test]
        fn bytes_behind_a_beginning_are_parsed_without_a_panic(
            version_2 in any::<bool>(), rest in prop::collection::vec(any::<u8>(), 0..5000),
        ) {
            let begin = if version_2 { &SIGNATURE[..] } else { WORD };
            let data = [begin, &rest].concat();
            read(&data);
            ProxyHeader::parse(&data);
        }

        #[test]
        fn nothing_behind_a_header_is_read(
            command in 0..2_u8, family in prop::sample::select(vec![0, 0x11, 0x12, 0x31]),
            more in prop::collection::vec(any::<u8>(), 0..300), behind in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let whole = header(command, family, &[&V4[..], &more].concat());
            let (result, taken) = read(&[&whole[..], &behind].concat());
            prop_assert!(matches!(result, ProxyHeader::Complete(_)));
            prop_assert_eq!(taken, whole.len());
        }

        #[test]
        fn nothing_behind_a_line_is_read(port in any::<u16>(), behind in prop::collection::vec(any::<u8>(), 0..300)) {
            let line = format!("PROXY TCP4 192.0.2.7 10.0.0.1 {port} 80\r\n");
            let (result, taken) = read(&[line.as_bytes(), &behind].concat());
            prop_assert_eq!(result, from(&format!("192.0.2.7:{port}")));
            prop_assert_eq!(taken, line.len());
        }
    }
}
