//! `/staff/step-up`, `/step-up`: proving anew who one is before something grave, such as emergency
//! access. The session gets a new secret, and remembers when.

use std::sync::Arc;

use access::Who;
use axum::extract::{Query, State};
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::accounts::Account;

use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other};
use crate::sign_in::begin::{self, Address, Door};
use crate::sign_in::{Way, pages, second};
use crate::visit::Visit;

/// For how long a proof counts for what one does about one's own account, in milliseconds.
pub const COUNTS: Millis = 15 * 60 * 1000;

#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    next: String,
}

#[derive(Serialize)]
struct View<'a> {
    action: &'static str,
    next: Option<&'a str>,
    password: bool,
    code: bool,
    passkey: bool,
    /// Where who came by another system can be asked there again, and its name.
    outside: Option<(&'static str, &'static str)>,
    error: Option<&'static str>,
    cancel: &'static str,
}

/// By what the caller can prove anew who they are.
struct Means {
    account: Account,
    password: bool,
    code: bool,
    passkey: bool,
}

impl Means {
    /// Whether the password counts: beside a code, or where there is nothing better.
    fn by_password(&self) -> bool {
        self.password && (self.code || !self.passkey)
    }
}

/// The account of who is signed in with a session.
///
/// # Errors
/// `Login` if nobody is, or only by a token; whatever the store answers.
pub async fn own_account(node: &Node, visit: &Visit) -> Result<Account, Problem> {
    let id = match (&visit.known()?.who, visit.session()) {
        (Who::Staff { account, .. } | Who::Patient { account, .. }, Some(_)) => *account,
        _ => return Err(Problem::new(Kind::Login, "Sign in first.")),
    };
    let account = node.store.account(id).await?;
    account.ok_or_else(|| Problem::new(Kind::Login, "Sign in first."))
}

async fn means(node: &Node, visit: &Visit) -> Result<Means, Problem> {
    let account = own_account(node, visit).await?;
    let credentials = node.store.credentials(&account.login).await?;
    Ok(Means {
        password: credentials.is_some_and(|it| it.password_hash.is_some()),
        code: node.store.second_factor(account.id).await?.is_some(),
        passkey: !node.store.passkeys(account.id).await?.is_empty(),
        account,
    })
}

/// Whether the caller can prove with two factors, here and now, who they are.
///
/// # Errors
/// `Login` if nobody is signed in with a session; whatever the store answers.
pub async fn by_second_step(node: &Node, visit: &Visit) -> Result<bool, Problem> {
    let means = means(node, visit).await?;
    let outside = outside(node, Door::of(visit), &means.account.login);
    Ok(means.passkey || (means.code && means.password) || outside.is_some())
}

/// `GET /staff/step-up`, `GET /step-up`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let means = means(&node, &visit).await?;
    Ok(show(&node, &visit, &means, &asked.next, None))
}

fn show(
    node: &Node,
    visit: &Visit,
    means: &Means,
    next: &str,
    error: Option<(&'static str, StatusCode)>,
) -> Response {
    let door = Door::of(visit);
    let view = View {
        action: door.step_up(),
        next: begin::local(next),
        password: means.by_password(),
        code: means.code,
        passkey: means.passkey,
        outside: outside(node, door, &means.account.login),
        error: error.map(|(text, _)| visit.reads().say(text)),
        cancel: door.profile(),
    };
    let status = error.map_or(StatusCode::OK, |(_, status)| status);
    Page::new("sign-in/step-up.jinja", "Confirm that it is you", view)
        .with_faults(error.is_some())
        .with_status(status)
        .answer(&node.site, visit)
}

fn outside(node: &Node, door: Door, login: &str) -> Option<(&'static str, &'static str)> {
    let ways = &node.sign_in.ways;
    let by = |way, prefix: &str| ways.have(door, way) && login.starts_with(prefix);
    match door {
        Door::Staff if by(Way::Oidc, "oidc:") => {
            Some(("/staff/step-up/oidc", "your care identity"))
        }
        Door::Patient if by(Way::NhsLogin, "nhs-login:") => Some(("/step-up/nhs", "NHS login")),
        _ => None,
    }
}

/// `POST /staff/step-up`, `POST /step-up`: by password, and code where one was set up.
pub async fn confirm(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Address(address): Address,
    fields: Fields,
) -> Result<Response, Refusal> {
    let means = means(&node, &visit).await?;
    let next = fields.text("next");
    let key = format!("step-up {}", means.account.id);
    if !node.sign_in.attempts.admit(&key, &address, visit.now) {
        let said = "Too many attempts. Wait 15 minutes and try again.";
        let error = Some((said, StatusCode::TOO_MANY_REQUESTS));
        return Ok(show(&node, &visit, &means, next, error));
    }
    let login = means.account.login.clone();
    let known = means.by_password()
        && pages::check(&node, &login, fields.exact("password"))
            .await?
            .is_some();
    let right = known
        && (!means.code
            || second::accept(&node, means.account.id, fields.text("code"), visit.now).await?);
    if !right {
        let said = "What you entered is not right. A code is taken only once.";
        let error = Some((said, StatusCode::UNPROCESSABLE_ENTITY));
        return Ok(show(&node, &visit, &means, next, error));
    }
    node.sign_in.attempts.forgive(&key, &address);
    let aal = if means.code { 2 } else { 1 };
    Ok(done(&node, &visit, aal, next).await?)
}

/// Notes the proof, and sends the browser on with the session's new secret.
///
/// # Errors
/// `Login` if the session has ended; whatever the store answers.
pub async fn done(node: &Node, visit: &Visit, aal: i64, next: &str) -> Result<Response, Problem> {
    let ended = || Problem::new(Kind::Login, "Sign in first.");
    let old = visit.session().ok_or_else(ended)?;
    let stepped = node.sign_in.step_up(&node.store, old, aal, visit.now);
    let secret = stepped.await?.ok_or_else(ended)?;
    let door = Door::of(visit);
    let mut response = see_other(begin::local(next).unwrap_or(door.profile()));
    begin::hand_over(node, &mut response, &secret);
    Ok(response)
}

/// Sends who has not lately proved who they are to do so first.
pub fn first(visit: &Visit, door: Door) -> Option<Response> {
    let lately = |at: Millis| (0..=COUNTS).contains(&visit.now.saturating_sub(at));
    let stepped = visit.assurance().stepped_up_at.is_some_and(lately);
    (!stepped).then(|| see_other(&format!("{}?next={}", door.step_up(), door.profile())))
}
