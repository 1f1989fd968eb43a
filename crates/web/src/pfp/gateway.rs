//! Apps that come through the NHS's gateway. As published, the gateway changes the ID token that NHS login gave the app for a
//! token of the GP system's, with a statement that it signs (RFC 8693, RFC 7523), and then asks with that
//! (<https://simplifier.net/guide/gp-connect--patient-facing-services--prescriptions>; decision 0382).
//!
//! Invariant: a token is given out only for a patient whom NHS login has proved to P9 with two factors, to an app of the
//! settings, and opens this door alone.

use std::sync::Arc;

use access::{Assurance, Interaction, Scope, SystemPurpose};
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use exchange::jwt::{Alg, Jwks, Jwt, Wrong};
use exchange::keys::sha256_hex;
use fhir::date::Millis;
use fhir::gp_connect::Trouble;
use fhir::problem::Problem;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use store::Reading;

use super::{Admitted, Named, PATH, Refused, door_of, no};
use crate::gp_connect::{Door, PatientsGateway};
use crate::node::Node;
use crate::oauth::failure::{Refused as NotGiven, answer};
use crate::oauth::form::Parameters;
use crate::record;
use crate::serve::PeerCertificate;
use crate::sign_in::oidc::claims::{text, trust};
use crate::sign_in::oidc::nhs_login;

/// Where tokens are given out, below the node's own address.
pub(super) const TOKEN: &str = "/gpconnect/pfs/oauth2/token";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const STATEMENT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// What a token of this door says of itself, so that no other that the node signs is taken for one.
const USE: &str = "patients-medicines";
/// How long such a token lasts: the gateway asks for another with each request.
const LIFE_SECONDS: i64 = 600;
/// How long the gateway's statements and NHS login's ID tokens last at most, as published.
const THEIRS_SECONDS_MAX: i64 = 3_600;
/// What who was shut out is told.
const CLOSED: &str = "This person's online access was closed here.";
/// How far the clocks of two systems may be apart.
const SKEW_SECONDS: i64 = 60;

/// The gateway, where a request comes from it: an organisation's own app names its system.
pub(super) fn comes<'d>(door: &'d Door, headers: &HeaderMap) -> Option<&'d PatientsGateway> {
    let gateway = door.gateway.as_ref();
    gateway.filter(|_| !headers.contains_key("ssp-from"))
}

/// Turns away who does not show the gateway's certificate, where it is to show one.
pub(super) async fn certified(
    State(node): State<Arc<Node>>,
    request: Request,
    next: Next,
) -> Response {
    let gateway = node.gp_connect.as_ref().and_then(|it| it.gateway.as_ref());
    let wanted = gateway.and_then(|it| it.certificate.as_deref());
    let shown = request.extensions().get::<PeerCertificate>();
    let fits =
        |wanted: &str| shown.is_some_and(|it| wanted.eq_ignore_ascii_case(&sha256_hex(&it.0)));
    let is_own_app = request.headers().contains_key("ssp-from") && request.uri().path() != TOKEN;
    if is_own_app || wanted.is_none_or(fits) {
        return next.run(request).await;
    }
    let words = "The gateway shows its certificate; this is not it.";
    no(Trouble::AccessDenied, words).into_response()
}

/// `POST`: the gateway's statement and a patient's ID token are changed for a token.
pub(super) async fn token(
    State(node): State<Arc<Node>>,
    body: Bytes,
) -> Result<Response, NotGiven> {
    let form = Parameters::read(&body)?;
    let none = || NotGiven::new("unauthorized_client", "No gateway is known here.");
    let door = door_of(&node).map_err(|_| none())?;
    let gateway = door.gateway.as_ref().ok_or_else(none)?;
    check_form(&form, gateway)?;
    let now = node.store.now();
    let statement = form.need("client_assertion")?;
    is_gateways(&node, gateway, statement, now).map_err(NotGiven::client)?;
    let claims = proved(gateway, form.need("subject_token")?, now).map_err(NotGiven::grant)?;
    if is_closed(&node, gateway, text(&claims, "sub")).await? {
        return Err(NotGiven::grant(CLOSED));
    }
    let found = nhs_login::find(&node, &claims).await?;
    let (patient, number, person) = found.ok_or_else(|| {
        NotGiven::grant(
            "Nobody is registered here with that NHS number, date of birth and family name.",
        )
    })?;
    let app = audience(&claims).unwrap_or_default().to_owned();
    let named = Named {
        patient,
        number,
        person,
        app: Some(app.clone()),
    };
    let request = uuid::Uuid::new_v4().to_string();
    let admitted = Admitted::new(named, request.into(), now);
    let decided = admitted.scope(&node, Interaction::Record, "Patient").await;
    let scope = decided.map_err(|_| NotGiven::grant("This patient's record is not shown here."))?;
    // The log says that somebody came in the patient's name, and with which app.
    let patient = admitted.patient.as_str();
    node.store.read(&scope, "Patient", patient).await?;
    given(&node, (patient, &app), &claims, now)
}

/// Whether what NHS login's subject had here was closed: then it stays so, by whatever way they come.
async fn is_closed(node: &Node, gateway: &PatientsGateway, subject: &str) -> Result<bool, Problem> {
    let (store, issuer) = (&node.store, gateway.issuer.as_str());
    store.is_identity_closed(issuer, subject).await
}

fn check_form(form: &Parameters, gateway: &PatientsGateway) -> Result<(), NotGiven> {
    if form.need("grant_type")? != EXCHANGE {
        let message = format!("grant_type is {EXCHANGE}.");
        return Err(NotGiven::new("unsupported_grant_type", message));
    }
    if form.need("subject_token_type")? != ID_TOKEN {
        return Err(NotGiven::request(format!(
            "subject_token_type is {ID_TOKEN}."
        )));
    }
    if form.need("client_assertion_type")? != STATEMENT {
        let message = format!("client_assertion_type is {STATEMENT}.");
        return Err(NotGiven::request(message));
    }
    match form.get("client_id") {
        Some(named) if named != gateway.client => {
            Err(NotGiven::client("client_id names another client."))
        }
        _ => Ok(()),
    }
}

/// Whether the gateway signed that statement, for here and now. As published it is good for an hour and bears no `jti`, so
/// that it may come more than once.
fn is_gateways(
    node: &Node,
    gateway: &PatientsGateway,
    statement: &str,
    now: Millis,
) -> Result<(), Wrong> {
    let jwt = signed(statement, &gateway.keys)?;
    let claims = &jwt.claims;
    if text(claims, "iss") != gateway.client || text(claims, "sub") != gateway.client {
        return Err("The statement's iss and sub are the client.");
    }
    let addresses = [Some(&node.site.base_url), node.oauth.mtls_url.as_ref()];
    let is_address = |named: &str| {
        let mut known = addresses.into_iter().flatten();
        known.any(|base| named.strip_prefix(base.as_str()) == Some(TOKEN))
    };
    let is_for_here = audience(claims).is_some_and(|named| match &gateway.audience {
        Some(set) => named == set,
        None => is_address(named),
    });
    if !is_for_here {
        return Err("The statement is for somebody else (aud).");
    }
    is_in_time(claims, now)
}

/// The claims of an ID token that NHS login signed, for an app of the settings, of somebody proved to P9 with two factors.
fn proved(gateway: &PatientsGateway, id_token: &str, now: Millis) -> Result<Value, Wrong> {
    let jwt = signed(id_token, &gateway.issuer_keys)?;
    let claims = jwt.claims;
    if text(&claims, "iss") != gateway.issuer {
        return Err("The ID token is another issuer's.");
    }
    let is_let_in = audience(&claims).is_some_and(|app| gateway.apps.iter().any(|it| it == app));
    if !is_let_in {
        return Err("The ID token was given to an app that is not let in here.");
    }
    if !matches!(text(&claims, "token_use"), "" | "id") {
        return Err("This is no ID token.");
    }
    is_in_time(&claims, now)?;
    let latest = now.div_euclid(1_000).saturating_add(SKEW_SECONDS);
    if number(&claims, "iat").is_none_or(|issued| issued > latest) {
        return Err("The ID token is from the future, or does not say when it is from (iat).");
    }
    // Who may act for whom is known here, and not by another's token.
    if claims.get("act").is_some() {
        return Err("Somebody who acts for the patient is not let in this way.");
    }
    let level = text(&claims, "identity_proofing_level");
    if !assurance(text(&claims, "vot")).opens_clinical() || !matches!(level, "" | "P9") {
        return Err("NHS login has not proved this person to P9, with two factors.");
    }
    Ok(claims)
}

fn assurance(vot: &str) -> Assurance {
    let found = trust(vot);
    Assurance {
        aal: u8::try_from(found.aal).unwrap_or_default(),
        identity: u8::try_from(found.identity).unwrap_or_default(),
        stepped_up_at: None,
    }
}

/// Takes apart what one of these keys signed, with RS512 as both the gateway and NHS login do.
fn signed<'t>(token: &'t str, keys: &Jwks) -> Result<Jwt<'t>, Wrong> {
    let jwt = Jwt::read(token)?;
    if jwt.alg != Alg::Rs512 {
        return Err("The JWT is signed with RS512.");
    }
    if jwt.header_text("kid").is_none() {
        return Err("The JWT's header names no kid.");
    }
    jwt.verified_by(keys)?;
    Ok(jwt)
}

/// The one whom a token is for; nobody, if it is for several.
fn audience(claims: &Value) -> Option<&str> {
    match claims.get("aud")? {
        Value::String(one) => Some(one.as_str()),
        Value::Array(list) if list.len() == 1 => list.first()?.as_str(),
        _ => None,
    }
}

/// A time in seconds; one that is written as text is none.
fn number(claims: &Value, name: &str) -> Option<i64> {
    claims.get(name)?.as_i64()
}

/// Whether it is still good, and not for longer than such tokens are.
fn is_in_time(claims: &Value, now: Millis) -> Result<(), Wrong> {
    let now = now.div_euclid(1_000);
    let at = number(claims, "exp").ok_or("The JWT's exp is not a number.")?;
    if at <= now {
        return Err("The JWT has expired.");
    }
    if at > now.saturating_add(THEIRS_SECONDS_MAX + SKEW_SECONDS) {
        return Err("The JWT lasts an hour at most.");
    }
    Ok(())
}

/// Whom this door's tokens are for.
fn own_audience(node: &Node) -> String {
    format!("{}{PATH}", node.site.base_url)
}

/// Hands out a token that names the patient by their id here, and ends no later than the ID token.
fn given(
    node: &Node,
    (patient, app): (&str, &str),
    claims: &Value,
    now: Millis,
) -> Result<Response, NotGiven> {
    let now = now.div_euclid(1_000);
    let until = number(claims, "exp").unwrap_or(now);
    let until = until.min(now.saturating_add(LIFE_SECONDS));
    let token = node.oauth.identity()?.sign(&json!({
        "iss": node.site.issuer(),
        "aud": own_audience(node),
        "sub": patient,
        "login": text(claims, "sub"),
        "app": app,
        "token_use": USE,
        "iat": now,
        "exp": until,
    }))?;
    let told = json!({
        "access_token": token,
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": until.saturating_sub(now),
    });
    let mut response = answer(StatusCode::OK, &told);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// In whose name the gateway asks, as the token says that was given out here.
pub(super) async fn named(
    node: &Node,
    gateway: &PatientsGateway,
    headers: &HeaderMap,
    now: Millis,
) -> Result<Named, Refused> {
    let borne = super::header(headers, "Authorization")?;
    // The gateway's published drafts send it with and without the word before it.
    let token = borne.strip_prefix("Bearer ").unwrap_or(borne);
    let Borne {
        patient,
        login,
        app,
    } = read(node, gateway, token, now)?;
    if is_closed(node, gateway, &login).await? {
        return Err(no(Trouble::AccessDenied, CLOSED));
    }
    let gone = || no(Trouble::PatientNotFound, "There is no such patient here.");
    let scope = Scope::system(SystemPurpose::SignIn);
    let Reading::Found(version) = node.store.read(&scope, "Patient", &patient).await? else {
        return Err(gone());
    };
    let person = record::patient(&record::json(&version)?);
    let number = person.nhs_number.as_deref();
    let number = number.and_then(|it| access::NhsNumber::parse(it).ok());
    Ok(Named {
        patient,
        number: number.ok_or_else(gone)?,
        person: person.name,
        app: Some(app),
    })
}

/// What a token of this door says.
struct Borne {
    /// The patient's id.
    patient: String,
    /// Their subject at NHS login.
    login: String,
    app: String,
}

fn read(
    node: &Node,
    gateway: &PatientsGateway,
    token: &str,
    now: Millis,
) -> Result<Borne, Refused> {
    let denied = |wrong: Wrong| no(Trouble::AccessDenied, wrong);
    let own = node.oauth.identity()?.jwks().to_string();
    let own = Jwks::read(own.as_bytes()).map_err(denied)?;
    let jwt = Jwt::read(token).map_err(denied)?;
    jwt.verified_by(&own).map_err(denied)?;
    let claims = &jwt.claims;
    let is_ours = text(claims, "iss") == node.site.issuer()
        && audience(claims) == Some(own_audience(node).as_str())
        && text(claims, "token_use") == USE;
    let app = text(claims, "app");
    if !is_ours || !gateway.apps.iter().any(|it| it == app) {
        return Err(denied("This is no token for this door."));
    }
    let now = now.div_euclid(1_000);
    if number(claims, "exp").is_none_or(|until| until <= now) {
        return Err(denied("The token has expired."));
    }
    Ok(Borne {
        patient: text(claims, "sub").to_owned(),
        login: text(claims, "login").to_owned(),
        app: app.to_owned(),
    })
}
