//! The security headers of every answer that a browser may show.

use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Nothing may run, load or frame; what a page needs is added to it.
const STRICT: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; sandbox";

/// For a stored file that a browser fetches: it may not run, load, or reach this origin (X10).
pub const INERT: HeaderValue = HeaderValue::from_static(STRICT);

/// The policy of a page: our own files, and only the scripts that carry this page's nonce.
pub fn allow_scripts(headers: &mut HeaderMap, nonce: &str) {
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self'; font-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    if let Ok(value) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, value);
    }
}

/// Lets a page with that policy put our own worker to work, which answers without a connection.
pub fn allow_worker(headers: &mut HeaderMap) {
    let policy = headers.get(CONTENT_SECURITY_POLICY);
    let policy = policy.and_then(|it| it.to_str().ok());
    let policy = policy.map(|it| format!("{it}; worker-src 'self'"));
    if let Some(Ok(value)) = policy.map(HeaderValue::try_from) {
        headers.insert(CONTENT_SECURITY_POLICY, value);
    }
}

/// `complete`, for answers that need nothing else.
pub async fn on(mut response: Response) -> Response {
    complete(response.headers_mut());
    response
}

/// Fills in, on any answer, the headers that it has not set itself.
pub fn complete(headers: &mut HeaderMap) {
    let standing = [
        (CONTENT_SECURITY_POLICY, INERT),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (
            HeaderName::from_static("permissions-policy"),
            HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=()"),
        ),
    ];
    for (name, value) in standing {
        headers.entry(name).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_says_nothing_may_do_nothing_and_is_not_kept() {
        let mut headers = HeaderMap::new();
        complete(&mut headers);
        assert_eq!(headers[CACHE_CONTROL], "no-store");
        assert!(
            headers[CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap()
                .contains("sandbox")
        );
    }

    #[test]
    fn a_page_runs_scripts_by_nonce_only() {
        let mut headers = HeaderMap::new();
        allow_scripts(&mut headers, "abc");
        complete(&mut headers);
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("script-src 'nonce-abc'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}
