//! `POST /oauth2/introspect` (RFC 7662): what a token is good for, for a client that holds it and proves
//! who it is.

use std::sync::Arc;

use access::oauth::Scopes;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use store::accounts::Holder;
use store::oauth::{Access, ClientKind};

use super::authenticate;
use super::bound::Bound;
use super::failure::{Refused, answer};
use super::form::Parameters;
use crate::node::Node;
use crate::secret::Secret;
use crate::sign_in::begin::Address;

/// `POST /oauth2/introspect`
pub async fn introspect(
    State(node): State<Arc<Node>>,
    address: Address,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let form = Parameters::read(&body)?;
    let client = authenticate::client(&node, &address, &headers, &form).await?;
    if client.kind == ClientKind::Public {
        return Err(Refused::client(
            "A client without a key or secret may not ask this.",
        ));
    }
    let now = node.store.now();
    let access = match Secret::presented(form.need("token")?) {
        Some(secret) => node.store.oauth_access(&secret.digest(), now).await?,
        None => None,
    };
    let told = match access {
        Some(access) => told(&node, &access),
        None => json!({ "active": false }),
    };
    Ok(answer(StatusCode::OK, &told))
}

fn told(node: &Node, access: &Access) -> Value {
    let bound = access.jkt.as_deref().map(Bound::read);
    let mut told = json!({
        "active": true,
        "scope": access.scopes,
        "client_id": access.client,
        "sub": format!("account-{}", access.account.id),
        "iss": node.site.issuer(),
        "aud": node.site.fhir_url(),
        "token_type": Bound::token_type(bound.as_ref()),
        "iat": access.made_at.div_euclid(1000),
        "exp": access.expires_at.div_euclid(1000),
    });
    let Some(all) = told.as_object_mut() else {
        return told;
    };
    if let Some(patient) = &access.patient {
        all.insert("patient".into(), json!(patient));
    }
    if let Some(bound) = &bound {
        all.insert("cnf".into(), bound.confirmation());
    }
    let fhir_user = Scopes::parse(&access.scopes).fhir_user;
    if let (true, Holder::Patient { patient, .. }) = (fhir_user, &access.account.holder) {
        let address = format!("{}/Patient/{patient}", node.site.fhir_url());
        all.insert("fhirUser".into(), json!(address));
    }
    told
}
