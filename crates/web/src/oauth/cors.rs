//! Browser apps of other origins (<https://fetch.spec.whatwg.org/#http-cors-protocol>): they may use the
//! FHIR door and the token endpoint with a token of their own. A browser never adds its cookies, since
//! `*` allows no credentials.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

const ANY: HeaderValue = HeaderValue::from_static("*");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, dpop, content-type, accept, prefer, if-match, if-none-match, if-none-exist, \
     if-modified-since",
);
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "location, content-location, etag, last-modified, x-request-id, www-authenticate, dpop-nonce",
);
const AGE: HeaderValue = HeaderValue::from_static("600");

/// The answer to a browser that asks before it sends, if that is what the request is.
pub fn preflight(method: &Method, headers: &HeaderMap) -> Option<Response> {
    let asks = headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if method != Method::OPTIONS || !asks {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, AGE);
    Some(response)
}

/// Lets the app read the answer.
pub fn allow(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(policy, HeaderValue::from_static("cross-origin"));
}

/// Both, around the authorization server's own addresses.
pub async fn layer(request: Request, next: Next) -> Response {
    if let Some(response) = preflight(request.method(), request.headers()) {
        return response;
    }
    let mut response = next.run(request).await;
    allow(response.headers_mut());
    response
}
