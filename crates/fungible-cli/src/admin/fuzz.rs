//! What reads the requests to the admin address, given any fields and bodies.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::command::PageCommand;
use super::guard::{Guard, Purpose};

/// A secret that these bytes do not hold.
const TOKEN: &str = "a token that no corpus holds: 47c1b2";

/// A request: lines `name: value`, an empty line, and a command as JSON. Without the token nothing is done.
///
/// # Panics
/// When an answer cannot be right.
pub fn admin_request(data: &[u8]) {
    let end = data.windows(2).position(|window| window == b"\n\n").unwrap_or(data.len());
    let mut headers = HeaderMap::new();
    for line in data[..end].split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(2, |byte| *byte == b':').map(<[u8]>::trim_ascii);
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    for public in [false, true] {
        let guard = Guard::new(TOKEN.to_owned(), public);
        let _ = (guard.check(Purpose::Monitor, &headers), guard.check(Purpose::Look, &headers));
        assert!(guard.check(Purpose::Command, &headers).is_err(), "a command without the token");
    }
    let _ = serde_json::from_slice::<PageCommand>(&data[end..]);
}
