//! Static files, embedded at build under names that change with their content, so that browsers
//! may keep them for good.

use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};

/// One embedded static file.
pub struct File {
    /// The name templates use, such as `nhsuk.css`.
    pub name: &'static str,
    /// The address it is served at, with a digest of its content.
    pub address: &'static str,
    /// Its content type.
    pub kind: &'static str,
    /// Its bytes.
    pub plain: &'static [u8],
    /// Its bytes, compressed with gzip.
    pub gzip: &'static [u8],
}

mod embedded {
    use super::File;
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

pub use embedded::{FILES, TEMPLATES};

/// The address of the static file that templates call `name`, if there is one.
pub fn address(name: &str) -> Option<&'static str> {
    FILES
        .iter()
        .find(|file| file.name == name)
        .map(|file| file.address)
}

/// `GET /assets/{file}`: a file by its digest-bearing name, kept by browsers for a year.
pub async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let wanted = |file: &&File| file.address.strip_prefix("/assets/") == Some(name.as_str());
    let Some(file) = FILES.iter().find(wanted) else {
        return absent();
    };
    let packed = accepts_gzip(&headers);
    let mut response = Response::new(Body::from(if packed { file.gzip } else { file.plain }));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.kind));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// `GET /assets/images/{icon}`: the design system's style sheet names its icons by this address.
pub async fn icon(Path(name): Path<String>) -> Response {
    let Some((_, bytes)) = embedded::ICONS.iter().find(|(icon, _)| *icon == name) else {
        return absent();
    };
    let mut response = Response::new(Body::from(*bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=86400"),
    );
    response
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts.next() == Some("gzip") && !parts.any(|q| q == "q=0")
        })
}

/// The answer where there is no such file.
pub(super) fn absent() -> Response {
    let mut response = Response::new(Body::from("There is no such file here.\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
