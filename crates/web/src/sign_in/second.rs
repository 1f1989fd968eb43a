//! The second factor beside a password: a code of an authenticator app, or a recovery code.
//!
//! `/staff/login/code`, `/staff/login/second-factor` and the same below `/login`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use exchange::sealing::is_sealed;
use fhir::problem::{Kind, Problem};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use store::accounts::factors::FactorWrite;
use store::accounts::{Account, SignedIn};

use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other};
use crate::secret::Secret;
use crate::sign_in::begin::{self, Address, Door};
use crate::sign_in::{Way, code};
use crate::visit::Visit;

/// How long one may take between the password and the code, in milliseconds.
const STEP_LASTS: i64 = 10 * 60 * 1000;
const CODE: &str = "code";
const ENROL: &str = "enrol";

/// What is remembered between the password and the code.
#[derive(Serialize, Deserialize)]
struct Pending {
    account: i64,
    door: Door,
    next: String,
    /// The secret to be confirmed, sealed, when the factor is being set up.
    secret: Option<Vec<u8>>,
}

#[derive(Serialize)]
struct CodeView<'a> {
    action: String,
    step: &'a str,
    error: Option<&'static str>,
    cancel: &'static str,
}

#[derive(Serialize)]
struct EnrolView<'a> {
    action: String,
    step: &'a str,
    secret: String,
    link: String,
    login: &'a str,
    error: Option<&'static str>,
    cancel: &'static str,
}

#[derive(Serialize)]
struct RecoveryView {
    codes: Vec<String>,
    href: String,
}

/// What follows a right password: the session, or the page that asks for a code, or the one that
/// sets codes up.
///
/// # Errors
/// Whatever the store answers.
pub async fn after_password(
    node: &Node,
    visit: &Visit,
    door: Door,
    account: &Account,
    headers: &HeaderMap,
    next: &str,
) -> Result<Response, Problem> {
    let pending = Pending {
        account: account.id,
        door,
        next: next.to_owned(),
        secret: None,
    };
    if node.store.second_factor(account.id).await?.is_some() {
        let step = keep(node, CODE, &pending, visit.now).await?;
        return Ok(ask(node, visit, door, step.reveal(), None));
    }
    if node.sign_in.ways.have(door, Way::Password) {
        let signed_in = SignedIn {
            method: "password".to_owned(),
            device: begin::device(headers),
            aal: 1,
            identity: account.identity,
            ..SignedIn::default()
        };
        return begin::begin(node, visit, account, signed_in, next).await;
    }
    set_up(node, visit, door, account, next).await
}

/// The page that sets codes up: nothing is kept of it until a code confirms it.
///
/// # Errors
/// Whatever the store answers.
pub async fn set_up(
    node: &Node,
    visit: &Visit,
    door: Door,
    account: &Account,
    next: &str,
) -> Result<Response, Problem> {
    let secret = code::new_secret();
    let pending = Pending {
        account: account.id,
        door,
        next: next.to_owned(),
        secret: Some(node.sign_in.sealing.seal(account.id, &secret)?),
    };
    let step = keep(node, ENROL, &pending, visit.now).await?;
    Ok(enrol(node, visit, &pending, account, step.reveal(), None))
}

async fn keep(
    node: &Node,
    kind: &'static str,
    pending: &Pending,
    now: i64,
) -> Result<Secret, Problem> {
    let step = Secret::random();
    let data = serde_json::to_string(pending).map_err(|error| {
        Problem::new(Kind::Exception, "The sign-in could not be kept.").because(error)
    })?;
    node.store
        .keep_step(step.digest(), kind, data, now.saturating_add(STEP_LASTS))
        .await?;
    Ok(step)
}

async fn pending(
    node: &Node,
    kind: &'static str,
    fields: &Fields,
) -> Result<Option<(Secret, Pending)>, Problem> {
    let Some(step) = Secret::presented(fields.exact("step")) else {
        return Ok(None);
    };
    let data = node.store.step(step.digest(), kind).await?;
    let read = data.and_then(|data| serde_json::from_str(&data).ok());
    Ok(read.map(|pending| (step, pending)))
}

fn ask(
    node: &Node,
    visit: &Visit,
    door: Door,
    step: &str,
    error: Option<(&'static str, StatusCode)>,
) -> Response {
    let view = CodeView {
        action: format!("{}/code", door.address()),
        step,
        error: error.map(|(text, _)| text),
        cancel: door.address(),
    };
    page("sign-in/code.jinja", "Enter your code", view, error).answer(&node.site, visit)
}

fn page<V: Serialize>(
    template: &'static str,
    title: &str,
    view: V,
    error: Option<(&'static str, StatusCode)>,
) -> Page<V> {
    let status = error.map_or(StatusCode::OK, |(_, status)| status);
    Page::new(template, title, view)
        .with_faults(error.is_some())
        .with_status(status)
}

fn enrol(
    node: &Node,
    visit: &Visit,
    pending: &Pending,
    account: &Account,
    step: &str,
    error: Option<(&'static str, StatusCode)>,
) -> Response {
    let secret = &secret_of(node, account.id, pending);
    let view = EnrolView {
        action: format!("{}/second-factor", pending.door.address()),
        step,
        secret: code::shown(secret),
        link: code::link(secret, &node.site.name, &account.login),
        login: &account.login,
        error: error.map(|(text, _)| text),
        cancel: pending.door.address(),
    };
    page(
        "sign-in/second-factor.jinja",
        "Set up your second step",
        view,
        error,
    )
    .answer(&node.site, visit)
}

const WRONG: (&str, StatusCode) = (
    "The code is not right, or was used already. Wait for the next one and try again.",
    StatusCode::UNPROCESSABLE_ENTITY,
);
const TOO_MANY: (&str, StatusCode) = (
    "Too many attempts. Wait 15 minutes and try again.",
    StatusCode::TOO_MANY_REQUESTS,
);

/// The secret that is being set up; nothing where it does not open, which no code fits.
fn secret_of(node: &Node, account: i64, pending: &Pending) -> Vec<u8> {
    let sealed = pending.secret.as_deref().unwrap_or_default();
    node.sign_in
        .sealing
        .unseal(account, sealed)
        .unwrap_or_default()
}

/// A stored secret, unsealed. One from before secrets were sealed is sealed now.
async fn opened(node: &Node, account: i64, kept: Vec<u8>) -> Result<Vec<u8>, Problem> {
    if is_sealed(&kept, code::SECRET_BYTES) {
        let message = "The codes of this account cannot be checked any more; set them up anew.";
        let lost = || Problem::new(Kind::Login, message);
        return node.sign_in.sealing.unseal(account, &kept).ok_or_else(lost);
    }
    let sealed = node.sign_in.sealing.seal(account, &kept)?;
    node.store
        .write_factor(FactorWrite::Seal { account, sealed })
        .await?;
    Ok(kept)
}

/// Whether a code counts: it is of now, and neither it nor a later one was taken before; or it is a
/// recovery code that was not used.
///
/// # Errors
/// Whatever the store answers.
pub async fn accept(node: &Node, account: i64, typed: &str, now: i64) -> Result<bool, Problem> {
    if let Some(digest) = code::recovery_digest(typed) {
        let write = FactorWrite::UseRecovery { account, digest };
        return node.store.write_factor(write).await;
    }
    let Some(kept) = node.store.second_factor(account).await? else {
        return Ok(false);
    };
    let secret = opened(node, account, kept).await?;
    let Some(step) = code::step_of(&secret, typed, now) else {
        return Ok(false);
    };
    node.store
        .write_factor(FactorWrite::UseCode { account, step })
        .await
}

/// `POST /staff/login/code`, `POST /login/code`
pub async fn code_in(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Address(address): Address,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Refusal> {
    let Some((step, pending)) = pending(&node, CODE, &fields).await? else {
        return Ok(late(&visit));
    };
    let key = format!("code {}", pending.account);
    let shown = step.reveal();
    if !node.sign_in.attempts.admit(&key, &address, visit.now) {
        return Ok(ask(&node, &visit, pending.door, shown, Some(TOO_MANY)));
    }
    let account = node.store.account(pending.account).await?;
    let right = accept(&node, pending.account, fields.text("code"), visit.now).await?;
    let Some(account) = account.filter(|_| right) else {
        return Ok(ask(&node, &visit, pending.door, shown, Some(WRONG)));
    };
    if node.store.take_step(step.digest(), CODE).await?.is_none() {
        return Ok(late(&visit));
    }
    node.sign_in.attempts.forgive(&key, &address);
    let signed_in = with_code(&account, &headers);
    Ok(begin::begin(&node, &visit, &account, signed_in, &pending.next).await?)
}

fn with_code(account: &Account, headers: &HeaderMap) -> SignedIn {
    SignedIn {
        method: "password-totp".to_owned(),
        device: begin::device(headers),
        aal: 2,
        identity: account.identity,
        ..SignedIn::default()
    }
}

/// `POST /staff/login/second-factor`: confirms a new factor, and signs in by it.
pub async fn confirm(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Address(address): Address,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Refusal> {
    let Some((step, pending)) = pending(&node, ENROL, &fields).await? else {
        return Ok(late(&visit));
    };
    let Some(account) = node.store.account(pending.account).await? else {
        return Ok(late(&visit));
    };
    let key = format!("code {}", pending.account);
    let again = |error| {
        enrol(
            &node,
            &visit,
            &pending,
            &account,
            step.reveal(),
            Some(error),
        )
    };
    if !node.sign_in.attempts.admit(&key, &address, visit.now) {
        return Ok(again(TOO_MANY));
    }
    let secret = secret_of(&node, account.id, &pending);
    let Some(at) = code::step_of(&secret, fields.text("code"), visit.now) else {
        return Ok(again(WRONG));
    };
    if node.store.take_step(step.digest(), ENROL).await?.is_none() {
        return Ok(late(&visit));
    }
    node.sign_in.attempts.forgive(&key, &address);
    let codes = code::recovery_codes();
    let confirmed = FactorWrite::Confirm {
        account: account.id,
        secret: node.sign_in.sealing.seal(account.id, &secret)?,
        step: at,
        recovery: codes
            .iter()
            .filter_map(|it| code::recovery_digest(it))
            .collect(),
    };
    node.store.write_factor(confirmed).await?;
    let signed_in = with_code(&account, &headers);
    let home = begin::home(&account, &signed_in);
    let href = begin::local(&pending.next).unwrap_or(home).to_owned();
    let secret = begin::renew(&node, &visit, &account, signed_in).await?;
    let view = RecoveryView { codes, href };
    let page = Page::new("sign-in/recovery-codes.jinja", "Your recovery codes", view);
    let mut response = page.answer(&node.site, &visit);
    begin::hand_over(&node, &mut response, &secret);
    Ok(response)
}

fn late(visit: &Visit) -> Response {
    let door = if visit.on_staff_pages() {
        Door::Staff
    } else {
        Door::Patient
    };
    see_other(&format!("{}?done=late", door.address()))
}
