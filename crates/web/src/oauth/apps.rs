//! `/staff/apps`: who runs the node approves and revokes apps; who cares for patients starts them.

use std::sync::Arc;

use access::{AuditEntry, Interaction, Outcome, Role, Target, Who};
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use serde::Serialize;
use store::Store;
use store::accounts::{Holder, NewAccount};
use store::oauth::{Client, ClientKind, ClientState, Ended, OauthDone, OauthWrite};

use super::launch;
use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::words::{self, Moment};
use crate::page::{Page, see_other};
use crate::visit::Visit;

#[derive(Serialize)]
struct View {
    groups: Vec<Group>,
    ended: Vec<EndedRow>,
}

#[derive(Serialize)]
struct Group {
    id: &'static str,
    title: &'static str,
    empty: &'static str,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    id: String,
    name: String,
    /// How it proves who it is.
    proves: &'static str,
    scopes: String,
    goes_to: String,
    since: Moment,
    by: String,
    can_approve: bool,
    can_revoke: bool,
}

#[derive(Serialize)]
struct EndedRow {
    name: String,
    when: Moment,
    why: String,
}

/// `GET /staff/apps`
pub async fn page(State(node): State<Arc<Node>>, visit: Visit) -> Result<Response, Refusal> {
    if is_carer(&visit.known()?.who) {
        return launch::page(&node, &visit).await;
    }
    decides(&visit)?;
    let clients = node.store.oauth_clients().await?;
    let group = |id, title, empty, state| Group {
        id,
        title,
        empty,
        rows: clients
            .iter()
            .filter(|client| client.state == state)
            .map(|client| row(client, visit.now))
            .collect(),
    };
    let ended = node.store.oauth_ended().await?;
    let view = View {
        groups: vec![
            group(
                "waiting",
                "Waiting for approval",
                "No app is waiting.",
                ClientState::Waiting,
            ),
            group(
                "approved",
                "Approved",
                "No app is approved.",
                ClientState::Approved,
            ),
            group(
                "revoked",
                "Revoked",
                "No app was revoked.",
                ClientState::Revoked,
            ),
        ],
        ended: ended.iter().map(|it| ended_row(it, visit.now)).collect(),
    };
    Ok(Page::new("oauth/apps.jinja", "Apps", view)
        .under("/staff/apps")
        .answer(&node.site, &visit))
}

fn row(client: &Client, now: i64) -> Row {
    Row {
        id: client.id.clone(),
        name: client.name.clone(),
        proves: match client.kind {
            ClientKind::Public => "nothing: it runs on people's own devices",
            ClientKind::Symmetric => "a shared secret",
            ClientKind::Asymmetric => "a key of its own",
        },
        scopes: client.scopes.clone(),
        goes_to: match client.redirects.is_empty() {
            true => "a system: nobody signs in".to_string(),
            false => client.redirects.join(" "),
        },
        since: words::moment(client.made_at, now),
        by: client.decided_by.clone().unwrap_or_default(),
        can_approve: client.state != ClientState::Approved,
        can_revoke: client.state != ClientState::Revoked,
    }
}

fn ended_row(ended: &Ended, now: i64) -> EndedRow {
    EndedRow {
        name: ended.name.clone(),
        when: words::moment(ended.at, now),
        why: ended.why.clone(),
    }
}

pub(super) fn is_carer(who: &Who) -> bool {
    matches!(
        who,
        Who::Staff {
            role: Role::Clinician | Role::Clerk,
            ..
        }
    )
}

/// The name of who decides, if they may.
fn decides(visit: &Visit) -> Result<String, Problem> {
    match &visit.known()?.who {
        Who::Staff {
            role: Role::Engineer | Role::PrivacyOfficer,
            name,
            ..
        } => Ok(name.clone()),
        _ => {
            let message = "Engineers and privacy officers decide on apps.";
            Err(Problem::new(Kind::Forbidden, message))
        }
    }
}

/// `POST /staff/apps/{id}/approve`
pub async fn approved(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    _: Fields,
) -> Result<Response, Refusal> {
    let by = decides(&visit)?;
    let line = trace(&node, &visit, &id, "approve").await?;
    approved_by(&node.store, &id, &by, vec![line]).await?;
    Ok(see_other("/staff/apps"))
}

/// `POST /staff/apps/{id}/revoke`
pub async fn revoked(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    _: Fields,
) -> Result<Response, Refusal> {
    let by = decides(&visit)?;
    let line = trace(&node, &visit, &id, "revoke").await?;
    revoked_by(&node.store, &id, &by, vec![line]).await?;
    Ok(see_other("/staff/apps"))
}

/// The decision's line in the log, for the commit that does it.
async fn trace(node: &Node, visit: &Visit, id: &str, what: &str) -> Result<AuditEntry, Problem> {
    let interaction = match &visit.known()?.who {
        Who::Staff {
            role: Role::PrivacyOfficer,
            ..
        } => Interaction::AccessLog,
        _ => Interaction::WorkList,
    };
    let scope = visit.scope(node, interaction, "").await?;
    let target = Target {
        query: Some(format!("app={id}&decision={what}").into()),
        ..Target::default()
    };
    Ok(scope.trace(interaction, Outcome::Success, target))
}

fn unknown() -> Problem {
    Problem::new(Kind::NotFound, "There is no such app.")
}

/// Approves a client; a system gets an account of its own.
///
/// # Errors
/// `NotFound`; those of the store.
pub async fn approve(store: &Store, id: &str, by: &str) -> Result<(), Problem> {
    approved_by(store, id, by, Vec::new()).await
}

async fn approved_by(
    store: &Store,
    id: &str,
    by: &str,
    traces: Vec<AuditEntry>,
) -> Result<(), Problem> {
    let client = store.oauth_client(id).await?.ok_or_else(unknown)?;
    let account = match client.is_system() {
        false => None,
        true => {
            let account = NewAccount {
                login: format!("app:{}", client.id),
                name: client.name.clone(),
                holder: Holder::Staff {
                    role: Role::System,
                    organisation: store.organisation().clone(),
                },
                password_hash: None,
            };
            Some(store.open_account(account).await?)
        }
    };
    decide(store, id, ClientState::Approved, (by, account), traces).await
}

/// Revokes a client: what it holds is good no longer.
///
/// # Errors
/// `NotFound`; those of the store.
pub async fn revoke(store: &Store, id: &str, by: &str) -> Result<(), Problem> {
    revoked_by(store, id, by, Vec::new()).await
}

async fn revoked_by(
    store: &Store,
    id: &str,
    by: &str,
    traces: Vec<AuditEntry>,
) -> Result<(), Problem> {
    decide(store, id, ClientState::Revoked, (by, None), traces).await?;
    store.close_account(&format!("app:{id}")).await?;
    Ok(())
}

async fn decide(
    store: &Store,
    id: &str,
    state: ClientState,
    (by, account): (&str, Option<i64>),
    traces: Vec<AuditEntry>,
) -> Result<(), Problem> {
    let write = OauthWrite::Decide {
        client: id.to_string(),
        state,
        by: by.to_string(),
        account,
    };
    match store.write_oauth_with(write, traces).await? {
        OauthDone::Changed(0) if store.oauth_client(id).await?.is_none() => Err(unknown()),
        _ => Ok(()),
    }
}
