//! What a request shows of the state behind it, before its secrets are hidden. It says only whether there is something,
//! nothing of it.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::exchange::{Request, field};

/// A shorter text is no signature.
const SHORTEST_SIGNATURE: usize = 16;

/// What is known of a finding beside the view of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clues {
    /// The reader carries something whose content can be read, and that is signed.
    pub(super) signed: bool,
    /// The reader asks for an answer only if what it has is another one, or for the rest of it.
    pub(super) conditional: bool,
}

/// What the request of a reader shows.
pub(super) fn clues(reader: &Request) -> Clues {
    let carried = ["cookie", "authorization"].map(|name| field(&reader.headers, name));
    let words = carried.iter().flat_map(|text| text.split([';', ' ', ',', '"']));
    // `user=eyJ..` is a cookie.
    let mut values = words.flat_map(|word| [Some(word), word.split_once('=').map(|(_, value)| value)]).flatten();
    let conditional = ["if-none-match", "if-match", "if-range", "if-modified-since"];
    Clues {
        signed: values.any(is_signed),
        conditional: conditional.iter().any(|name| !field(&reader.headers, name).is_empty()),
    }
}

/// Parts with dots between them, of which the first says something in JSON and the last may be a signature.
fn is_signed(text: &str) -> bool {
    let parts: Vec<&str> = text.trim_start_matches('.').split('.').collect();
    let says = |part: &str| {
        let read = |alphabet| {
            let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
            GeneralPurpose::new(alphabet, lenient).decode(part).ok()
        };
        let bytes = read(&URL_SAFE).or_else(|| read(&STANDARD));
        bytes.is_some_and(|bytes| serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&bytes).is_ok())
    };
    match &parts[..] {
        [first, .., last] => last.len() >= SHORTEST_SIGNATURE && says(first),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use base64::Engine as _;

    use super::{Clues, Request, clues};

    fn carries(name: &str, value: &str) -> Clues {
        let headers = vec![(name.to_owned(), value.as_bytes().to_vec())];
        clues(&Request { headers, ..Request::plain("GET", "/") })
    }

    #[test]
    fn a_token_that_says_something_and_is_signed_is_told_from_a_session_id() {
        let claims = URL_SAFE.encode(r#"{"user":"ada"}"#);
        let signature = "8f14e45fceea167a5a36dedd4bea2543";
        for value in
            [format!("lang=en; user={claims}.{signature}"), format!("user={}.{signature}", STANDARD.encode("{}"))]
        {
            assert!(carries("cookie", &value).signed, "{value}");
        }
        let header = URL_SAFE.encode(r#"{"alg":"HS256"}"#);
        assert!(carries("authorization", &format!("Bearer {header}.{claims}.{signature}")).signed);
        for value in ["sid=9f8a7b6c5d4e3f2a", "sid=s%3A9f8a7b6c5d4e.8f14e45fceea167a5a36dedd4bea2543", "v=1.2.3", ""] {
            assert!(!carries("cookie", value).signed, "{value}");
        }
    }

    #[test]
    fn a_conditional_request_is_one() {
        assert!(carries("if-none-match", "\"3\"").conditional);
        assert!(!carries("accept", "*/*").conditional);
    }
}
