//! The files that pages refer to, under addresses with a hash of their content. They are compiled into the program, so every
//! instance of one build has the same files at the same addresses.

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::problem::Problem;

/// A file that is compiled into the program.
#[derive(Debug)]
pub struct Asset {
    name: &'static str,
    content_type: &'static str,
    text: &'static str,
    hash: u64,
}

/// The stylesheet of all apps.
pub(crate) const BASE: Asset = Asset::new("base.css", "text/css; charset=utf-8", include_str!("../static/base.css"));

impl Asset {
    /// A file with its name, its content type and its content.
    pub const fn new(name: &'static str, content_type: &'static str, text: &'static str) -> Self {
        let hash = fnv1a(text.as_bytes());
        Self { name, content_type, text, hash }
    }

    /// The address, which changes with the content.
    pub fn url(&self) -> String {
        format!("/static/{:016x}/{}", self.hash, self.name)
    }
}

/// `GET /static/{hash}/{name}` for these files and the common ones.
///
/// While two builds run side by side during a deploy, a page of one may ask the other for a file: it gets the file that is
/// there, which the browser then must not cache.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(own: &'static [&'static Asset]) -> Router<S> {
    let serve = async move |Path((hash, name)): Path<(String, String)>| -> Result<Response, Problem> {
        let asset = own.iter().copied().chain([&BASE]).find(|asset| asset.name == name);
        let asset = asset.ok_or_else(|| Problem::of(StatusCode::NOT_FOUND))?;
        let kept = hash == format!("{:016x}", asset.hash);
        let cache = if kept { "public, max-age=31536000, immutable" } else { "no-cache" };
        let headers = [(header::CONTENT_TYPE, asset.content_type), (header::CACHE_CONTROL, cache)];
        Ok((headers, asset.text).into_response())
    };
    Router::new().route("/static/{hash}/{name}", get(serve))
}

/// FNV-1a: an address only needs to differ when the content does.
const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}
