//! The end of every way to sign in: a new session, and the cookie that opens it.

use std::convert::Infallible;
use std::net::SocketAddr;

use access::{Role, Who};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::response::Response;
use fhir::problem::Problem;
use http::request::Parts;
use http::{HeaderMap, header};
use store::accounts::{Account, Holder, SignedIn};

use crate::cookie;
use crate::node::Node;
use crate::page::see_other;
use crate::secret::Secret;
use crate::visit::Visit;

/// The two doors of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Door {
    Staff,
    Patient,
}

impl Door {
    pub fn address(self) -> &'static str {
        match self {
            Door::Staff => "/staff/login",
            Door::Patient => "/login",
        }
    }

    /// The page about oneself.
    pub fn profile(self) -> &'static str {
        match self {
            Door::Staff => "/staff/profile",
            Door::Patient => "/profile/sessions",
        }
    }

    pub fn step_up(self) -> &'static str {
        match self {
            Door::Staff => "/staff/step-up",
            Door::Patient => "/step-up",
        }
    }

    /// Whether an account of that kind comes in by this door.
    pub fn takes(self, account: &Account) -> bool {
        match account.holder {
            Holder::Staff { .. } => self == Door::Staff,
            Holder::Patient { .. } => self == Door::Patient,
        }
    }

    /// The door that who is signed in came by.
    pub fn of(visit: &Visit) -> Door {
        match visit.caller().map(|caller| &caller.who) {
            Some(Who::Staff { .. }) => Door::Staff,
            _ => Door::Patient,
        }
    }
}

/// Where a request came from: an IP address, as far as it is known.
pub struct Address(pub String);

impl<S: Sync> FromRequestParts<S> for Address {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Address, Infallible> {
        let at = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Address(at.map_or_else(String::new, |ConnectInfo(at)| {
            at.ip().to_string()
        })))
    }
}

/// Begins a session in place of any before, and sends the browser on.
///
/// # Errors
/// Whatever the store answers.
pub async fn begin(
    node: &Node,
    visit: &Visit,
    account: &Account,
    signed_in: SignedIn,
    next: &str,
) -> Result<Response, Problem> {
    let home = home(account, &signed_in);
    let secret = renew(node, visit, account, signed_in).await?;
    let mut response = see_other(local(next).unwrap_or(home));
    hand_over(node, &mut response, &secret);
    Ok(response)
}

/// Begins a session in place of any before.
///
/// # Errors
/// Whatever the store answers.
pub async fn renew(
    node: &Node,
    visit: &Visit,
    account: &Account,
    signed_in: SignedIn,
) -> Result<Secret, Problem> {
    if let Some(old) = visit.session() {
        node.sign_in.end(&node.store, old).await?;
    }
    node.sign_in
        .begin(&node.store, account.id, signed_in, visit.now)
        .await
}

/// Gives the browser the session's secret.
pub fn hand_over(node: &Node, response: &mut Response, secret: &Secret) {
    let secure = node.site.is_secure();
    let headers = response.headers_mut();
    cookie::set(headers, &node.site.cookie_name(), secret, secure);
    cookie::clear(headers, &node.site.form_cookie_name(), secure);
}

/// Where one's work starts.
pub fn home(account: &Account, signed_in: &SignedIn) -> &'static str {
    match (&account.holder, signed_in.role) {
        (Holder::Patient { .. }, _) if signed_in.identity < 9 => Door::Patient.profile(),
        (Holder::Staff { .. }, Some(Role::Engineer)) => "/staff/worklist",
        (Holder::Staff { .. }, Some(_)) => "/staff/inbox",
        _ => crate::router::home_of(&account.who()).1,
    }
}

/// The address, if it is a page of this node: not another site's, however it is spelt.
pub fn local(next: &str) -> Option<&str> {
    let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let here = next.starts_with('/') && !next.starts_with("//");
    (plain && here && next.len() <= 500).then_some(next)
}

/// What a browser says it is, in a few words for its owner's list.
pub fn device(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT);
    let agent = agent.and_then(|value| value.to_str().ok()).unwrap_or("");
    let first = |known: &[(&str, &'static str)]| {
        let found = known.iter().find(|(mark, _)| agent.contains(mark));
        found.map(|(_, name)| *name)
    };
    // Browsers carry each other's names: the more particular come first.
    let browser = first(&[
        ("Edg/", "Edge"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "a Mac"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => format!("A browser on {system}"),
        (None, None) => "A browser that does not say what it is".to_owned(),
    }
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

    #[test]
    fn a_device_is_named_in_a_few_words_of_ours() {
        for (agent, name) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
                "Safari on iPhone",
            ),
            ("<script>", "A browser that does not say what it is"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, agent.parse().unwrap());
            assert_eq!(device(&headers), name);
        }
    }
}
