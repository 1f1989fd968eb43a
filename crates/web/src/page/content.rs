//! A letter's content on a page: text as text; anything else is fetched and never run (X10).

use std::sync::Arc;

use access::Scope;
use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE,
};
use http::{HeaderMap, HeaderValue};

use crate::large;
use crate::node::Node;
use crate::page::headers;
use crate::page::parts::Content;
use crate::page::words;
use crate::record::Content as Found;

/// The longest text that is shown in a page, in bytes; a longer one is fetched.
const TEXT_BYTES_MAX: usize = 200_000;

/// What to call a content type; `None` for one that is not known.
fn known(content_type: &str) -> Option<(&'static str, &'static str)> {
    let plain = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match plain.as_str() {
        "application/pdf" => Some(("PDF", "pdf")),
        "text/plain" => Some(("text", "txt")),
        "image/jpeg" => Some(("JPEG picture", "jpg")),
        "image/png" => Some(("PNG picture", "png")),
        "image/tiff" => Some(("TIFF picture", "tiff")),
        "text/rtf" | "application/rtf" => Some(("RTF", "rtf")),
        _ => None,
    }
}

/// How one part of a letter is shown; `href` is where it can be fetched.
pub fn part(found: &Found, title: &str, href: String) -> Content {
    let content_type = &found.content_type;
    if let Some(text) = shown_text(content_type, &found.bytes).filter(|_| found.large.is_none()) {
        return Content {
            text: Some(text),
            ..Content::default()
        };
    }
    let kind = known(content_type).map_or("file", |(kind, _)| kind);
    let title = if title.is_empty() {
        "The letter"
    } else {
        title
    };
    let size = words::size(found.size());
    Content {
        href: Some(href),
        title: title.to_owned(),
        kind,
        size,
        ..Content::default()
    }
}

/// The text of what is plain text and not too long for a page.
fn shown_text(content_type: &str, bytes: &[u8]) -> Option<String> {
    let is_text = known(content_type).is_some_and(|(kind, _)| kind == "text");
    if !is_text || bytes.len() > TEXT_BYTES_MAX {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    Some(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// A part to be kept as a file: the browser may not show it here, guess its type or run it. The
/// name is ours, since one from outside could be a trick.
pub fn attachment(
    (node, scope): (&Arc<Node>, &Scope),
    headers: &HeaderMap,
    found: Found,
) -> Response {
    let Some(large) = found.large else {
        return file(&found.content_type, Body::from(found.bytes));
    };
    // A browser may go on where a large one broke off.
    let size = large.size;
    let (status, bytes, range) = large::wanted(headers, size).answer(size);
    let mut response = file(&found.content_type, large::body(node, scope, large, bytes));
    *response.status_mut() = status;
    let answer = response.headers_mut();
    answer.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    answer.insert(CONTENT_LENGTH, HeaderValue::from(bytes.1 - bytes.0));
    if let Some(Ok(range)) = range.map(HeaderValue::try_from) {
        answer.insert(CONTENT_RANGE, range);
    }
    response
}

/// A file of a few bytes, in the same way.
pub fn file(content_type: &str, body: impl Into<Body>) -> Response {
    let (_, extension) = known(content_type).unwrap_or(("file", "bin"));
    let kind = match extension {
        "pdf" => "application/pdf",
        "jpg" => "image/jpeg",
        "png" => "image/png",
        "tiff" => "image/tiff",
        _ => "application/octet-stream",
    };
    let mut response = Response::new(body.into());
    let answer = response.headers_mut();
    answer.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.insert(CONTENT_SECURITY_POLICY, headers::INERT);
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"letter.{extension}\""))
    {
        answer.insert(CONTENT_DISPOSITION, name);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a13_text_is_shown_and_everything_else_is_fetched() {
        let found = |content_type: &str, bytes: &[u8]| Found {
            content_type: content_type.into(),
            bytes: bytes.to_vec(),
            large: None,
        };
        let text = found("text/plain; charset=utf-8", b"Dear\r\ncolleague");
        let shown = part(&text, "", "/x".into());
        assert_eq!(shown.text.as_deref(), Some("Dear\ncolleague"));
        for (kind, bytes) in [
            ("text/html", &b"<script>bad()</script>"[..]),
            ("application/pdf", b"%PDF-1.4 /JS (bad())"),
            ("image/svg+xml", b"<svg onload=bad()>"),
            ("text/plain", b"\xff\xfe not UTF-8"),
        ] {
            let shown = part(&found(kind, bytes), "", "/x".into());
            assert_eq!(
                (shown.text, shown.href.as_deref()),
                (None, Some("/x")),
                "{kind}"
            );
        }
    }

    #[test]
    fn x10_a_fetched_file_is_an_attachment_that_may_do_nothing() {
        for (kind, expected) in [
            ("application/pdf", "application/pdf"),
            ("text/html", "application/octet-stream"),
            ("image/svg+xml", "application/octet-stream"),
            ("application/pdf\r\nX: y", "application/octet-stream"),
        ] {
            let answer = file(kind, Body::from("x"));
            assert_eq!(answer.headers()[CONTENT_TYPE], expected, "{kind}");
            let name = answer.headers()[CONTENT_DISPOSITION].to_str().unwrap();
            assert!(name.starts_with("attachment; filename=\"letter."), "{name}");
            let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.contains("sandbox") && policy.contains("default-src 'none'"));
        }
    }
}
