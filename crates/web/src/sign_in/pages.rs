//! `/staff/login`, `/login`, `/sign-out`.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use store::accounts::Account;

use crate::cookie;
use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other};
use crate::sign_in::begin::{Address, Door, local};
use crate::sign_in::{TURN, Way, passkey, password, second};
use crate::visit::Visit;

/// The longest user name that is looked up.
const LOGIN_BYTES_MAX: usize = 100;

#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    next: String,
    #[serde(default)]
    done: String,
}

#[derive(Serialize)]
struct View<'a> {
    heading: &'static str,
    lead: Option<&'static str>,
    action: &'static str,
    next: Option<&'a str>,
    login: Option<&'a str>,
    error: Option<&'static str>,
    /// Whether one may sign in with a password.
    password: bool,
    /// The way by another system: its button and address.
    outside: Option<Outside>,
    /// Where one signs in with a passkey.
    passkey: Option<String>,
    other: Link,
    done: Option<Done>,
}

#[derive(Serialize)]
struct Link {
    text: &'static str,
    href: &'static str,
}

#[derive(Serialize)]
struct Outside {
    text: &'static str,
    href: String,
}

/// The button of the other system by which one may sign in, if there is one.
fn outside(node: &Node, door: Door, next: &str) -> Option<Outside> {
    let ways = &node.sign_in.ways;
    let (text, path) = match door {
        Door::Patient => ("Continue with NHS login", "/login/nhs"),
        Door::Staff => ("Continue with your care identity", "/staff/login/oidc"),
    };
    let on = match door {
        Door::Patient => ways.have(door, Way::NhsLogin) && node.sign_in.nhs_login.is_some(),
        Door::Staff => ways.have(door, Way::Oidc) && node.sign_in.staff_oidc.is_some(),
    };
    let href = with_next(path, "", next);
    on.then_some(Outside { text, href })
}

/// An address that leads back to where one wanted to go.
fn with_next(door: &str, path: &str, next: &str) -> String {
    match local(next) {
        Some(next) => {
            let all = percent_encoding::NON_ALPHANUMERIC;
            let next = percent_encoding::utf8_percent_encode(next, all);
            format!("{door}{path}?next={next}")
        }
        None => format!("{door}{path}"),
    }
}

#[derive(Serialize)]
struct Done {
    text: &'static str,
}

/// `GET /staff/login`
pub async fn staff(State(node): State<Arc<Node>>, visit: Visit, asked: Query<Asked>) -> Response {
    show(&node, visit, Door::Staff, &asked.0)
}

/// `GET /login`
pub async fn patient(State(node): State<Arc<Node>>, visit: Visit, asked: Query<Asked>) -> Response {
    show(&node, visit, Door::Patient, &asked.0)
}

fn show(node: &Node, mut visit: Visit, door: Door, asked: &Asked) -> Response {
    if let Some(caller) = visit.caller() {
        return see_other(crate::router::home(caller).1);
    }
    let fresh = visit.prepare_form();
    let said = match asked.done.as_str() {
        "out" => Some("You have signed out."),
        "late" => Some("That took too long. Sign in again."),
        _ => None,
    };
    let mut response = form(node, &visit, door, &asked.next, None, None, said);
    if let Some(secret) = fresh {
        let name = node.site.form_cookie_name();
        cookie::set(
            response.headers_mut(),
            &name,
            &secret,
            node.site.is_secure(),
        );
    }
    response
}

fn form(
    node: &Node,
    visit: &Visit,
    door: Door,
    next: &str,
    login: Option<&str>,
    error: Option<(&'static str, StatusCode)>,
    said: Option<&'static str>,
) -> Response {
    let say = |english| visit.reads().say(english);
    let (heading, other) = match door {
        Door::Staff => (
            "Sign in: staff",
            Link {
                text: "I am a patient",
                href: Door::Patient.address(),
            },
        ),
        Door::Patient => (
            say("Sign in"),
            Link {
                text: say("I work here"),
                href: Door::Staff.address(),
            },
        ),
    };
    let lead = match door {
        Door::Staff => None,
        Door::Patient => Some(say(
            "Read the letters that have been written about your care.",
        )),
    };
    let view = View {
        heading,
        lead,
        action: door.address(),
        next: local(next),
        login,
        error: error.map(|(text, _)| say(text)),
        outside: outside(node, door, next),
        passkey: passkey::is_on(node, door).then(|| with_next(door.address(), "/passkey", next)),
        password: node.sign_in.ways.have_passwords(door),
        other,
        done: said.map(|text| Done { text: say(text) }),
    };
    let status = error.map_or(StatusCode::OK, |(_, status)| status);
    Page::new("sign-in/sign-in.jinja", heading, view)
        .with_faults(error.is_some())
        .with_status(status)
        .answer(&node.site, visit)
}

/// `POST /staff/login`
pub async fn staff_in(
    State(node): State<Arc<Node>>,
    visit: Visit,
    address: Address,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Refusal> {
    sign_in(&node, &visit, Door::Staff, &address, &headers, &fields).await
}

/// `POST /login`
pub async fn patient_in(
    State(node): State<Arc<Node>>,
    visit: Visit,
    address: Address,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Refusal> {
    sign_in(&node, &visit, Door::Patient, &address, &headers, &fields).await
}

async fn sign_in(
    node: &Node,
    visit: &Visit,
    door: Door,
    Address(address): &Address,
    headers: &HeaderMap,
    fields: &Fields,
) -> Result<Response, Refusal> {
    let login = store::accounts::fold_login(fields.text("login"));
    let next = fields.text("next");
    let again = |login: &str, error| Ok(form(node, visit, door, next, Some(login), error, None));
    if !node.sign_in.ways.have_passwords(door) {
        return Err(Problem::new(Kind::Forbidden, "Passwords are switched off here.").into());
    }
    if login.len() > LOGIN_BYTES_MAX || !node.sign_in.attempts.admit(&login, address, visit.now) {
        let said = "Too many attempts. Wait 15 minutes and try again.";
        return again(&login, Some((said, StatusCode::TOO_MANY_REQUESTS)));
    }
    let found = check(node, &login, fields.exact("password")).await?;
    let Some(account) = found.filter(|account| door.takes(account)) else {
        // One answer for a wrong name, a wrong password and the wrong door.
        let said = "The user name or the password is not right.";
        let error = Some((said, StatusCode::UNPROCESSABLE_ENTITY));
        return again(fields.text("login"), error);
    };
    node.sign_in.attempts.forgive(&login, address);
    let begun = second::after_password(node, visit, door, &account, headers, next).await?;
    Ok(begun)
}

/// The account, if name and password are right and it is not closed. Takes the same time whether
/// there is such an account or not.
pub(super) async fn check(
    node: &Node,
    login: &str,
    typed: &str,
) -> Result<Option<Account>, Problem> {
    let busy = || Problem::new(Kind::Transient, "Too many people are signing in just now.");
    let turn = tokio::time::timeout(TURN, node.sign_in.checks.clone().acquire_owned()).await;
    let turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
    let found = node.store.credentials(login).await?;
    let (account, hash) = match found {
        Some(found) => (Some(found.account), found.password_hash),
        None => (None, None),
    };
    let typed = typed.to_owned();
    let checked = tokio::task::spawn_blocking(move || {
        let right = password::verify(&typed, hash.as_deref());
        drop(turn);
        right
    });
    let right = checked.await.map_err(|error| {
        Problem::new(Kind::Exception, "The password could not be checked.").because(error)
    })?;
    Ok(account.filter(|_| right))
}

/// `POST /sign-out`: ends the session here and on the server.
pub async fn out(
    State(node): State<Arc<Node>>,
    visit: Visit,
    _: Fields,
) -> Result<Response, Refusal> {
    let door = Door::of(&visit);
    if let Some(secret) = visit.session() {
        node.sign_in.end(&node.store, secret).await?;
    }
    let mut response = see_other(&format!("{}?done=out", door.address()));
    if door == Door::Patient {
        // What the patient kept on the device to read without a connection goes with the session.
        let kept = HeaderValue::from_static("\"storage\"");
        response
            .headers_mut()
            .insert(HeaderName::from_static("clear-site-data"), kept);
    }
    cookie::clear(
        response.headers_mut(),
        &node.site.cookie_name(),
        node.site.is_secure(),
    );
    Ok(response)
}
