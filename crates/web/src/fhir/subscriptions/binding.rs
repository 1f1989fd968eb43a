//! `$get-ws-binding-token`
//! (<https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-get-ws-binding-token.html>):
//! a token with which a websocket is bound to subscriptions, good once and for a minute.

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::date;
use fhir::problem::{Kind, Problem};
use http::StatusCode;
use serde_json::json;
use store::subscriptions::SubWrite;

use super::socket::bindable;
use super::write;
use crate::failure::Failure;
use crate::fhir::ask::{Announced, Ask};
use crate::fhir::{answer, check_known};
use crate::node::Node;
use crate::secret::Secret;

/// The operation's name and definition.
pub const IS: (&str, &str) = (
    "get-ws-binding-token",
    "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-get-ws-binding-token",
);
/// How long a token is good, in milliseconds.
const GOOD_MILLIS: i64 = 60_000;
/// Subscriptions of one token, at most.
const IDS_MAX: usize = 100;

/// `GET Subscription/[id]/$get-ws-binding-token`.
pub async fn of_one(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    ask.no_query()?;
    token(&node, &ask, vec![id]).await
}

/// `GET Subscription/$get-ws-binding-token?ids=…`.
pub async fn of_several(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
) -> Result<Response, Failure> {
    let mut ids = Vec::new();
    for (name, value) in &ask.query {
        if name != "ids" {
            let message = "$get-ws-binding-token takes ids, once for each subscription.";
            return Err(Problem::new(Kind::NotSupported, message).into());
        }
        ids.extend(value.split(',').map(str::to_string));
    }
    if ids.is_empty() || ids.len() > IDS_MAX {
        let message = format!("Name from 1 to {IDS_MAX} subscriptions by ids.");
        return Err(Problem::new(Kind::Required, message).into());
    }
    token(&node, &ask, ids).await
}

async fn token(node: &Node, ask: &Ask, ids: Vec<String>) -> Result<Response, Failure> {
    let scope = ask
        .scope(node, Interaction::Subscribe, "Subscription")
        .await?;
    for id in &ids {
        check_known(id)?;
        bindable(node, scope.agent().account, id).await?;
    }
    let Some(account) = scope.agent().account else {
        return Err(Problem::new(Kind::Forbidden, "Subscriptions are for accounts.").into());
    };
    let token = Secret::random();
    let expires_at = node.store.now() + GOOD_MILLIS;
    let mut parameter = vec![
        json!({ "name": "token", "valueString": token.reveal() }),
        json!({ "name": "expiration", "valueDateTime": date::instant(expires_at) }),
    ];
    for id in &ids {
        parameter.push(json!({ "name": "subscription", "valueString": id }));
    }
    parameter.push(json!({ "name": "websocket-url", "valueUrl": node.site.websocket_url() }));
    let kept = SubWrite::Token {
        digest: token.digest(),
        account,
        subs: ids,
        expires_at,
    };
    write(node, kept).await?;
    let told = json!({ "resourceType": "Parameters", "parameter": parameter });
    Ok(answer::json(StatusCode::OK, told.to_string()))
}
