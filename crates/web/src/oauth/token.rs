//! `POST /oauth2/token` (RFC 6749 §3.2): a code, a refresh token, or a system's own assertion becomes an
//! access token.

use std::sync::Arc;

use access::oauth::{Level, Proof, Scopes};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use fhir::date::Millis;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use store::oauth::{Client, ClientKind, Issued, NewTokens, OauthDone, OauthWrite};

use super::bound::Bound;
use super::failure::{Refused, answer};
use super::form::Parameters;
use super::proof::{self, Fault};
use super::{ACCESS_LIFE, OFFLINE_LIFE, ONLINE_LIFE, authenticate, id_token};
use crate::node::Node;
use crate::secret::Secret;
use crate::serve::PeerCertificate;
use crate::sign_in::begin::Address;

/// `POST /oauth2/token`
pub async fn token(
    State(node): State<Arc<Node>>,
    address: Address,
    certificate: Option<Extension<PeerCertificate>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let form = Parameters::read(&body)?;
    let client = authenticate::client(&node, &address, &headers, &form).await?;
    let now = node.store.now();
    let certificate = certificate.as_ref().map(|Extension(it)| it);
    let bound = bound_to(&node, &headers, certificate, now).await?;
    let told = match form.need("grant_type")? {
        "authorization_code" => by_code(&node, &client, &form, bound, now).await?,
        "refresh_token" => by_refresh(&node, &client, &form, bound, now).await?,
        "client_credentials" => by_itself(&node, &client, &form, bound, now).await?,
        _ => {
            let message = "grant_type is authorization_code, refresh_token or client_credentials.";
            return Err(Refused::new("unsupported_grant_type", message));
        }
    };
    Ok(answer(StatusCode::OK, &told))
}

/// What the tokens are to be bound to: the key that the client proves, else the certificate of its
/// connection.
async fn bound_to(
    node: &Node,
    headers: &HeaderMap,
    certificate: Option<&PeerCertificate>,
    now: Millis,
) -> Result<Option<Bound>, Refused> {
    let url = node.site.oauth_url("token");
    let proof = Proof {
        method: "POST",
        url: &url,
        access_token: None,
    };
    let proved = proof::thumbprint(&node.store, headers, proof, now).await;
    let proved = proved.map_err(|fault| match fault {
        Fault::Wrong(message) => Refused::new("invalid_dpop_proof", message),
        Fault::Store(problem) => problem.into(),
    })?;
    Ok(proved
        .map(Bound::Key)
        .or_else(|| certificate.map(Bound::to)))
}

/// The secrets that go out, and what the store keeps of them.
struct Made {
    access: Secret,
    refresh: Secret,
}

impl Made {
    fn new() -> Made {
        Made {
            access: Secret::random(),
            refresh: Secret::random(),
        }
    }

    fn kept(&self, now: Millis, bound: Option<&Bound>) -> Box<NewTokens> {
        Box::new(NewTokens {
            access: self.access.digest(),
            access_expires_at: now.saturating_add(ACCESS_LIFE),
            refresh: self.refresh.digest(),
            refresh_online_expires_at: now.saturating_add(ONLINE_LIFE),
            refresh_offline_expires_at: now.saturating_add(OFFLINE_LIFE),
            jkt: bound.map(Bound::kept),
            scopes: None,
        })
    }
}

async fn by_code(
    node: &Node,
    client: &Client,
    form: &Parameters,
    bound: Option<Bound>,
    now: Millis,
) -> Result<Value, Refused> {
    let not_good = || Refused::grant("The code is not, or no longer, good.");
    let code = Secret::presented(form.need("code")?).ok_or_else(not_good)?;
    let made = Made::new();
    let redeem = OauthWrite::Redeem {
        code: code.digest(),
        client: client.id.clone(),
        redirect: form.need("redirect_uri")?.to_string(),
        verifier: form.need("code_verifier")?.to_string(),
        tokens: made.kept(now, bound.as_ref()),
    };
    let issued = issued(node, client, redeem, not_good).await?;
    let mut told = told(&made, &issued, bound.as_ref());
    if let Some(token) = id_token::of(node, client, &issued, now).await? {
        add(&mut told, "id_token", token);
    }
    Ok(told)
}

async fn by_refresh(
    node: &Node,
    client: &Client,
    form: &Parameters,
    bound: Option<Bound>,
    now: Millis,
) -> Result<Value, Refused> {
    if form.get("scope").is_some() {
        // Less than was granted would be an answer to a question nobody asked yet.
        return Err(Refused::new(
            "invalid_scope",
            "Leave scope out: it stays as it was granted.",
        ));
    }
    let not_good = || Refused::grant("The refresh token is not, or no longer, good.");
    let token = Secret::presented(form.need("refresh_token")?).ok_or_else(not_good)?;
    let made = Made::new();
    let refresh = OauthWrite::Refresh {
        token: token.digest(),
        client: client.id.clone(),
        tokens: made.kept(now, bound.as_ref()),
    };
    let issued = issued(node, client, refresh, not_good).await?;
    Ok(told(&made, &issued, bound.as_ref()))
}

async fn issued(
    node: &Node,
    client: &Client,
    write: OauthWrite,
    not_good: impl Fn() -> Refused,
) -> Result<Issued, Refused> {
    match node.store.write_oauth(write).await? {
        OauthDone::Issued(issued) => Ok(issued),
        OauthDone::Refused(store::oauth::Refused::Reused) => {
            // Whoever was first, somebody has what is not theirs.
            tracing::warn!(
                client = client.id,
                "a code or refresh token came twice; all that was made from it has ended"
            );
            Err(not_good())
        }
        OauthDone::Refused(_) | OauthDone::Changed(_) => Err(not_good()),
    }
}

/// SMART Backend Services, and the NHS's signed JWT.
async fn by_itself(
    node: &Node,
    client: &Client,
    form: &Parameters,
    bound: Option<Bound>,
    now: Millis,
) -> Result<Value, Refused> {
    let (true, Some(account)) = (client.kind != ClientKind::Public, client.account) else {
        let message = "This client acts for people, not for itself.";
        return Err(Refused::new("unauthorized_client", message));
    };
    let allowed = Scopes::parse(&client.scopes).of(&[Level::System]);
    // The NHS's variant names no scopes.
    let scopes = match form.get("scope") {
        Some(text) => Scopes::parse(text).within(&allowed),
        None => allowed,
    };
    if scopes.resources.is_empty() {
        let message = "The client may have none of these scopes; system/ ones are for systems.";
        return Err(Refused::new("invalid_scope", message));
    }
    let made = Made::new();
    let issued = Issued {
        scopes: scopes.text(),
        patient: None,
        account,
        has_refresh: false,
        nonce: None,
    };
    let write = OauthWrite::System {
        access: made.access.digest(),
        client: client.id.clone(),
        account,
        scopes: issued.scopes.clone(),
        jkt: bound.as_ref().map(Bound::kept),
        expires_at: now.saturating_add(ACCESS_LIFE.min(5 * super::MINUTE)),
    };
    node.store.write_oauth(write).await?;
    let mut told = told(&made, &issued, bound.as_ref());
    if let Some(told) = told.as_object_mut() {
        told.insert("expires_in".into(), json!(300));
    }
    Ok(told)
}

fn told(made: &Made, issued: &Issued, bound: Option<&Bound>) -> Value {
    let mut told = json!({
        "access_token": made.access.reveal(),
        "token_type": Bound::token_type(bound),
        "expires_in": ACCESS_LIFE / 1000,
        "scope": issued.scopes,
    });
    if issued.has_refresh {
        add(
            &mut told,
            "refresh_token",
            made.refresh.reveal().to_string(),
        );
    }
    if let Some(patient) = &issued.patient {
        add(&mut told, "patient", patient.clone());
    }
    told
}

fn add(told: &mut Value, name: &str, value: String) {
    if let Some(told) = told.as_object_mut() {
        told.insert(name.into(), Value::String(value));
    }
}
