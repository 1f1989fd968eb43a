//! `/staff/login`, `/login`, `/sign-out`.

use std::net::SocketAddr;
use std::sync::Arc;

use access::Who;
use axum::Extension;
use axum::extract::{ConnectInfo, Query, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::accounts::Account;

use crate::cookie;
use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other};
use crate::sign_in::{TURN, password};
use crate::visit::Visit;

/// The longest user name that is looked up.
const LOGIN_BYTES_MAX: usize = 100;

/// The two doors of the pages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Staff,
    Patient,
}

impl Door {
    fn address(self) -> &'static str {
        match self {
            Door::Staff => "/staff/login",
            Door::Patient => "/login",
        }
    }

    /// Whether an account of that kind comes in by this door.
    fn takes(self, account: &Account) -> bool {
        match account.who() {
            Who::Staff { .. } => self == Door::Staff,
            Who::Patient { .. } => self == Door::Patient,
            Who::Peer { .. } | Who::Node => false,
        }
    }
}

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
    other: Link,
    done: Option<Done>,
}

#[derive(Serialize)]
struct Link {
    text: &'static str,
    href: &'static str,
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
    let mut response = form(
        node,
        &visit,
        door,
        &asked.next,
        None,
        None,
        asked.done == "out",
    );
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
    signed_out: bool,
) -> Response {
    let (heading, other) = match door {
        Door::Staff => (
            "Sign in: staff",
            Link {
                text: "I am a patient",
                href: Door::Patient.address(),
            },
        ),
        Door::Patient => (
            "Sign in",
            Link {
                text: "I work here",
                href: Door::Staff.address(),
            },
        ),
    };
    let lead = match door {
        Door::Staff => None,
        Door::Patient => Some("Read the letters that have been written about your care."),
    };
    let view = View {
        heading,
        lead,
        action: door.address(),
        next: local(next),
        login,
        error: error.map(|(text, _)| text),
        other,
        done: signed_out.then_some(Done {
            text: "You have signed out.",
        }),
    };
    let title = if error.is_some() {
        format!("Error: {heading}")
    } else {
        heading.to_owned()
    };
    let status = error.map_or(StatusCode::OK, |(_, status)| status);
    Page::new("sign-in/sign-in.jinja", title, view)
        .with_status(status)
        .answer(&node.site, visit)
}

/// `POST /staff/login`
pub async fn staff_in(
    State(node): State<Arc<Node>>,
    visit: Visit,
    address: Option<Extension<ConnectInfo<SocketAddr>>>,
    fields: Fields,
) -> Result<Response, Refusal> {
    sign_in(&node, &visit, Door::Staff, address, &fields).await
}

/// `POST /login`
pub async fn patient_in(
    State(node): State<Arc<Node>>,
    visit: Visit,
    address: Option<Extension<ConnectInfo<SocketAddr>>>,
    fields: Fields,
) -> Result<Response, Refusal> {
    sign_in(&node, &visit, Door::Patient, address, &fields).await
}

async fn sign_in(
    node: &Node,
    visit: &Visit,
    door: Door,
    address: Option<Extension<ConnectInfo<SocketAddr>>>,
    fields: &Fields,
) -> Result<Response, Refusal> {
    let login = store::accounts::fold_login(fields.text("login"));
    let address = address.map_or_else(String::new, |Extension(ConnectInfo(at))| {
        at.ip().to_string()
    });
    if login.len() > LOGIN_BYTES_MAX || !node.sign_in.attempts.admit(&login, &address, visit.now) {
        let said = "Too many attempts. Wait 15 minutes and try again.";
        let error = Some((said, StatusCode::TOO_MANY_REQUESTS));
        return Ok(form(
            node,
            visit,
            door,
            fields.text("next"),
            Some(&login),
            error,
            false,
        ));
    }
    let found = check(node, &login, fields.exact("password")).await?;
    let Some(account) = found.filter(|account| door.takes(account)) else {
        // One answer for a wrong name, a wrong password and the wrong door.
        let said = "The user name or the password is not right.";
        let error = Some((said, StatusCode::UNPROCESSABLE_ENTITY));
        let next = fields.text("next");
        return Ok(form(
            node,
            visit,
            door,
            next,
            Some(fields.text("login")),
            error,
            false,
        ));
    };
    node.sign_in.attempts.forgive(&login, &address);
    if let Some(old) = visit.session() {
        node.sign_in.end(&node.store, old).await?;
    }
    let secret = node.sign_in.begin(&node.store, &account, visit.now).await?;
    let home = crate::router::home_of(&account.who()).1;
    let mut response = see_other(local(fields.text("next")).unwrap_or(home));
    let secure = node.site.is_secure();
    cookie::set(
        response.headers_mut(),
        &node.site.cookie_name(),
        &secret,
        secure,
    );
    cookie::clear(
        response.headers_mut(),
        &node.site.form_cookie_name(),
        secure,
    );
    Ok(response)
}

/// The account, if name and password are right and it is not closed. Takes the same time whether
/// there is such an account or not.
async fn check(node: &Node, login: &str, typed: &str) -> Result<Option<Account>, Problem> {
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

/// Whether whoever is signed in is there in person: the password once more. Tries count as those of
/// signing in do.
///
/// # Errors
/// `Login` if nobody is signed in; `Throttled` after too many tries; those of the store.
pub(crate) async fn is_them(node: &Node, visit: &Visit, typed: &str) -> Result<bool, Problem> {
    let account = match &visit.known()?.who {
        Who::Staff { account, .. } | Who::Patient { account, .. } => *account,
        Who::Peer { .. } | Who::Node => return Ok(false),
    };
    let Some(account) = node.store.account(account).await? else {
        return Ok(false);
    };
    // Counted for each account alone, so that no one's slips shut others out of an emergency.
    let place = format!("again {}", account.id);
    if !node
        .sign_in
        .attempts
        .admit(&account.login, &place, visit.now)
    {
        let message = "Too many attempts. Wait 15 minutes and try again.";
        return Err(Problem::new(Kind::Throttled, message));
    }
    let is_right = check(node, &account.login, typed).await?.is_some();
    if is_right {
        node.sign_in.attempts.forgive(&account.login, &place);
    }
    Ok(is_right)
}

/// `POST /sign-out`: ends the session here and on the server.
pub async fn out(
    State(node): State<Arc<Node>>,
    visit: Visit,
    _: Fields,
) -> Result<Response, Refusal> {
    let door = match visit.caller().map(|caller| &caller.who) {
        Some(Who::Staff { .. }) => Door::Staff,
        _ => Door::Patient,
    };
    if let Some(secret) = visit.session() {
        node.sign_in.end(&node.store, secret).await?;
    }
    let mut response = see_other(&format!("{}?done=out", door.address()));
    cookie::clear(
        response.headers_mut(),
        &node.site.cookie_name(),
        node.site.is_secure(),
    );
    Ok(response)
}

/// The address, if it is a page of this node: not another site's, however it is spelt.
fn local(next: &str) -> Option<&str> {
    let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let here = next.starts_with('/') && !next.starts_with("//");
    (plain && here && next.len() <= 500).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_pages_of_this_node_only() {
        assert_eq!(local("/staff/item/1?x=y"), Some("/staff/item/1?x=y"));
        for text in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\r\nb",
            "x",
        ] {
            assert_eq!(local(text), None, "{text:?}");
        }
    }
}
