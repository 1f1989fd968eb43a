//! What the server can do: `/.well-known/smart-configuration` below the FHIR door (SMART App Launch 2.2
//! "conformance"), RFC 8414's and OpenID Connect's metadata, and the key set.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use exchange::jwt::Alg;
use http::StatusCode;
use serde_json::{Value, json};

use super::assertion::ALGS;
use super::failure::{Refused, answer};
use crate::node::Node;

/// `GET /fhir/.well-known/smart-configuration`, `GET /.well-known/oauth-authorization-server` and
/// `GET /.well-known/openid-configuration`: one document.
pub async fn configuration(State(node): State<Arc<Node>>) -> Response {
    answer(StatusCode::OK, &document(&node))
}

/// `GET /oauth2/jwks`
pub async fn jwks(State(node): State<Arc<Node>>) -> Result<Response, Refused> {
    Ok(answer(StatusCode::OK, &node.oauth.identity()?.jwks()))
}

fn names(algs: &[Alg]) -> Vec<&'static str> {
    let known = Alg::ALL.iter().filter(|(alg, _)| algs.contains(alg));
    known.map(|(_, name)| *name).collect()
}

fn document(node: &Node) -> Value {
    let site = &node.site;
    let mut methods = vec!["none", "private_key_jwt"];
    let mut capabilities = vec![
        "launch-ehr",
        "launch-standalone",
        "authorize-post",
        "client-public",
        "client-confidential-asymmetric",
        "sso-openid-connect",
        "context-ehr-patient",
        "context-standalone-patient",
        "permission-offline",
        "permission-online",
        "permission-patient",
        "permission-user",
        "permission-v1",
        "permission-v2",
    ];
    if node.oauth.secrets_allowed {
        methods.push("client_secret_basic");
        capabilities.push("client-confidential-symmetric");
    }
    let mut told = json!({
        "issuer": site.issuer(),
        "authorization_endpoint": site.oauth_url("authorize"),
        "token_endpoint": site.oauth_url("token"),
        "jwks_uri": site.oauth_url("jwks"),
        "introspection_endpoint": site.oauth_url("introspect"),
        "revocation_endpoint": site.oauth_url("revoke"),
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": names(ALGS),
        "introspection_endpoint_auth_methods_supported": methods.get(1..),
        "introspection_endpoint_auth_signing_alg_values_supported": names(ALGS),
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": names(ALGS),
        "dpop_signing_alg_values_supported": names(super::proof::ALGS),
        "id_token_signing_alg_values_supported": ["RS256"],
        "subject_types_supported": ["public"],
        "claims_supported": ["sub", "fhirUser"],
        "scopes_supported": [
            "openid", "fhirUser", "launch", "launch/patient", "offline_access", "online_access",
            "patient/*.rs", "user/*.cruds", "system/*.cruds",
        ],
        "capabilities": capabilities,
    });
    let Some(all) = told.as_object_mut() else {
        return told;
    };
    if node.oauth.registration_open {
        let address = Value::String(site.oauth_url("register"));
        all.insert("registration_endpoint".into(), address);
    }
    if let Some(url) = &node.oauth.mtls_url {
        all.insert(
            "tls_client_certificate_bound_access_tokens".into(),
            json!(true),
        );
        let at = |name| format!("{url}/oauth2/{name}");
        let aliases = json!({
            "token_endpoint": at("token"),
            "introspection_endpoint": at("introspect"),
            "revocation_endpoint": at("revoke"),
        });
        all.insert("mtls_endpoint_aliases".into(), aliases);
    }
    told
}
