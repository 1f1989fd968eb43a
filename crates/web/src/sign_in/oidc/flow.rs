//! The two ends of a sign-in by another system: sending the browser there, and taking it back.

use axum::response::Response;
use fhir::problem::{Kind, Problem};
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::cookie;
use crate::node::Node;
use crate::page::{Page, see_other};
use crate::secret::{Secret, same};
use crate::sign_in::begin::Door;
use crate::sign_in::oidc::{Claims, Provider, Sent, challenge};
use crate::sign_in::step_up;
use crate::visit::Visit;

/// How long one may take at the provider, in milliseconds.
const AWAY_MAX: i64 = 20 * 60 * 1000;
const OIDC: &str = "oidc";

/// How old a proof may be that a step-up brings, in milliseconds.
const FRESH: i64 = 5 * 60 * 1000;

/// Where the browser goes on to, and what for.
#[derive(Serialize, Deserialize)]
pub struct Whither {
    pub door: Door,
    pub next: String,
    /// Whether who is signed in proves anew who they are, and nobody signs in.
    #[serde(default)]
    pub steps_up: bool,
}

/// What is remembered while the browser is away.
#[derive(Serialize, Deserialize)]
struct Away {
    #[serde(flatten)]
    whither: Whither,
    nonce: String,
    verifier: String,
    /// The browser that went: what follows from its form cookie.
    browser: String,
}

/// What the provider sends back by the browser.
#[derive(Deserialize)]
pub struct Back {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    error: String,
    iss: Option<String>,
}

/// Sends the browser to the provider, with more parameters of its kind; a page that says so if that
/// fails.
pub async fn go(
    node: &Node,
    visit: &Visit,
    provider: &Provider,
    headers: &HeaderMap,
    whither: Whither,
    more: &[(&str, &str)],
) -> Response {
    let door = whither.door;
    let sent = send(node, visit, provider, headers, whither, more).await;
    sent.unwrap_or_else(|problem| failed(node, visit, door, &problem))
}

async fn send(
    node: &Node,
    visit: &Visit,
    provider: &Provider,
    headers: &HeaderMap,
    whither: Whither,
    more: &[(&str, &str)],
) -> Result<Response, Problem> {
    let (door, steps_up) = (whither.door, whither.steps_up);
    let facts = provider.facts(visit.now).await?;
    let name = node.site.form_cookie_name();
    let known = cookie::find(headers, &name);
    let fresh = known.is_none();
    let browser = known.unwrap_or_else(Secret::random);
    let (state, nonce, verifier) = (Secret::random(), Secret::random(), Secret::random());
    let away = Away {
        whither,
        nonce: nonce.reveal().to_owned(),
        verifier: verifier.reveal().to_owned(),
        browser: mark(&browser),
    };
    let data = serde_json::to_string(&away).map_err(|error| {
        Problem::new(Kind::Exception, "The sign-in could not be kept.").because(error)
    })?;
    let until = visit.now.saturating_add(AWAY_MAX);
    node.store
        .keep_step(state.digest(), OIDC, data, until)
        .await?;
    let redirect_uri = redirect_uri(node, door);
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &provider.client_id)
        .append_pair("redirect_uri", &redirect_uri)
        .append_pair("state", state.reveal())
        .append_pair("nonce", nonce.reveal())
        .append_pair("code_challenge", &challenge(verifier.reveal()))
        .append_pair("code_challenge_method", "S256");
    for (name, value) in more {
        query.append_pair(name, value);
    }
    if steps_up {
        // Whoever sits there now is to show that they are who signed in.
        query.append_pair("prompt", "login");
        query.append_pair("max_age", "0");
    }
    let joint = if facts.authorization_endpoint.contains('?') {
        '&'
    } else {
        '?'
    };
    let address = format!("{}{joint}{}", facts.authorization_endpoint, query.finish());
    let mut response = see_other(&address);
    if fresh {
        let secure = node.site.is_secure();
        cookie::set(response.headers_mut(), &name, &browser, secure);
    }
    Ok(response)
}

fn redirect_uri(node: &Node, door: Door) -> String {
    let path = match door {
        Door::Staff => "/staff/login/oidc/callback",
        Door::Patient => "/login/nhs/callback",
    };
    format!("{}{path}", node.site.base_url)
}

fn mark(browser: &Secret) -> String {
    challenge(browser.reveal())
}

/// Whether these claims come of a sign-in that was just now.
fn is_fresh(claims: &Claims, now: i64) -> bool {
    let at = claims
        .id_token
        .get("auth_time")
        .and_then(serde_json::Value::as_i64);
    let age = at.map(|seconds| now.saturating_sub(seconds.saturating_mul(1000)));
    age.is_some_and(|age| (-FRESH..=FRESH).contains(&age))
}

/// Takes the browser back: what the provider says of whom, and where they wanted to go.
///
/// # Errors
/// `Security` for an answer that this browser did not ask for, that another provider gave (A10), or
/// that does not hold; `Login` if the person did not go through with it; the provider's trouble.
pub async fn back(
    node: &Node,
    visit: &Visit,
    provider: &Provider,
    headers: &HeaderMap,
    door: Door,
    back: &Back,
) -> Result<(Claims, Whither), Problem> {
    let unasked = |reason: &'static str| {
        let message = "This sign-in was not begun in this browser, or too long ago. Start again.";
        Problem::new(Kind::Security, message).because(reason)
    };
    let state = Secret::presented(&back.state).ok_or_else(|| unasked("no state"))?;
    let data = node.store.take_step(state.digest(), OIDC).await?;
    let away: Option<Away> = data.and_then(|data| serde_json::from_str(&data).ok());
    let away = away.ok_or_else(|| unasked("unknown state"))?;
    let browser = cookie::find(headers, &node.site.form_cookie_name());
    let same_browser = browser.is_some_and(|browser| same(&mark(&browser), &away.browser));
    if !same_browser || away.whither.door != door {
        return Err(unasked("another browser"));
    }
    let facts = provider.facts(visit.now).await?;
    if !provider.answered_by(&facts, back.iss.as_deref()) {
        return Err(unasked("another provider answered"));
    }
    if !back.error.is_empty() || back.code.is_empty() {
        let error: String = back.error.chars().take(60).collect();
        let message = "You were not signed in: it was stopped on the other side.";
        return Err(Problem::new(Kind::Login, message).because(error));
    }
    let redirect_uri = redirect_uri(node, door);
    let sent = Sent {
        redirect_uri: &redirect_uri,
        nonce: &away.nonce,
        verifier: &away.verifier,
    };
    let claims = provider.redeem(&back.code, &sent, visit.now).await?;
    if away.whither.steps_up && !is_fresh(&claims, visit.now) {
        let message = "The other side did not ask anew who you are.";
        return Err(Problem::new(Kind::Security, message));
    }
    Ok((claims, away.whither))
}

#[derive(Serialize)]
struct View<'a> {
    heading: &'a str,
    text: &'a str,
    advice: &'a str,
    href: &'static str,
    reference: &'a str,
}

/// Ends a step-up: the claims must be those of who is signed in.
///
/// # Errors
/// `Login` if nobody is; whatever the store answers.
pub async fn stepped_up(
    node: &Node,
    visit: &Visit,
    whither: &Whither,
    (login, aal): (&str, i64),
) -> Result<Response, Problem> {
    let account = step_up::own_account(node, visit).await?;
    if account.login != login {
        return Ok(not_signed_in(
            node,
            visit,
            whither.door,
            "The other side knows you as somebody else than who is signed in here.",
            "Nothing was changed. Sign out, and sign in as yourself.",
            http::StatusCode::FORBIDDEN,
        ));
    }
    step_up::done(node, visit, aal, &whither.next).await
}

/// The page that says why one is not signed in, and what to do.
pub fn not_signed_in(
    node: &Node,
    visit: &Visit,
    door: Door,
    text: &str,
    advice: &str,
    status: http::StatusCode,
) -> Response {
    let heading = "You are not signed in";
    let view = View {
        heading,
        text,
        advice,
        href: door.address(),
        reference: &visit.request_id,
    };
    Page::new("sign-in/not-signed-in.jinja", heading, view)
        .with_status(status)
        .answer(&node.site, visit)
}

/// A sign-in that failed, as a page; it is logged.
pub fn failed(node: &Node, visit: &Visit, door: Door, problem: &Problem) -> Response {
    crate::failure::log(&visit.request_id, problem);
    tracing::info!(request = &*visit.request_id, %problem, "a sign-in by another system failed");
    let status = match problem.kind {
        Kind::Login => http::StatusCode::UNAUTHORIZED,
        kind => crate::failure::status(kind),
    };
    let advice = "Nothing was changed.";
    not_signed_in(node, visit, door, &problem.message, advice, status)
}
