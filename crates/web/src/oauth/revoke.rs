//! `POST /oauth2/revoke` (RFC 7009): an access token ends; with a refresh token ends all that was granted
//! with it. The answer tells nothing.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::json;
use store::oauth::OauthWrite;

use super::authenticate;
use super::failure::{Refused, answer};
use super::form::Parameters;
use crate::node::Node;
use crate::secret::Secret;
use crate::sign_in::begin::Address;

/// `POST /oauth2/revoke`
pub async fn revoke(
    State(node): State<Arc<Node>>,
    address: Address,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let form = Parameters::read(&body)?;
    let client = authenticate::client(&node, &address, &headers, &form).await?;
    if let Some(secret) = Secret::presented(form.need("token")?) {
        let write = OauthWrite::Revoke {
            token: secret.digest(),
            client: client.id,
        };
        node.store.write_oauth(write).await?;
    }
    Ok(answer(StatusCode::OK, &json!({})))
}
