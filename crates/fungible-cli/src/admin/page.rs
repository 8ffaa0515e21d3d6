//! The page: one file with its styles and its script, and the policy that allows exactly these and nothing from elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderValue;
use sha2::{Digest as _, Sha256};

/// The page and its content security policy.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) html: &'static str,
    pub(super) policy: HeaderValue,
}

impl Page {
    /// The page, with the hashes of its styles and its script in the policy.
    pub(super) fn new() -> Page {
        let html = include_str!("page.html");
        let hash = |name: &str| {
            let text = inside(html, name).unwrap_or_default();
            BASE64.encode(Sha256::digest(text))
        };
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash("style"),
            hash("script")
        );
        // Base64 and our own words are valid in a header.
        let nothing = HeaderValue::from_static("default-src 'none'");
        Page { html, policy: HeaderValue::try_from(policy).unwrap_or(nothing) }
    }
}

/// The text of the only element of this name.
fn inside<'a>(html: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = html.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_one_style_one_script_and_nothing_from_elsewhere() {
        let html = Page::new().html;
        for name in ["style", "script"] {
            assert_eq!(html.matches(&format!("<{name}")).count(), 1, "{name}");
            assert!(inside(html, name).is_some_and(|text| text.len() > 1000), "{name}");
        }
        // The policy allows no styles in attributes and no handlers in them, either.
        for forbidden in ["=\"http", "url(", "@import", " style=\"", " onclick=", "innerHTML"] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
    }
}
