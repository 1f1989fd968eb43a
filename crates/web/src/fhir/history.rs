//! <https://hl7.org/fhir/R4/http.html#history>: of one resource, of a type, of all.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::bundle::{self, Past as Line};
use fhir::date::{Span, span};
use fhir::problem::{Kind, Problem};
use http::StatusCode;
use store::{HistoryQuery, Past};

use super::ask::{Announced, Ask};
use super::{absent, answer, check_known};
use crate::failure::Failure;
use crate::node::Node;

/// Versions told, where the query does not say, and at most.
const COUNT_DEFAULT: u32 = 50;
const COUNT_MAX: u32 = 500;
/// Where the page starts: in links of the door's making.
const CURSOR: &str = "_cursor";

pub async fn history(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path((ty, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::HistoryInstance, &ty).await?;
    check_known(&id)?;
    let address = format!("{ty}/{id}/_history");
    let query = HistoryQuery {
        ty: Some(ty),
        id: Some(id),
        ..query(&ask)?
    };
    page(&node, &ask, &scope, &address, query).await
}

pub async fn history_of_type(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(ty): Path<String>,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::HistoryType, &ty).await?;
    let address = format!("{ty}/_history");
    let query = HistoryQuery {
        ty: Some(ty),
        ..query(&ask)?
    };
    page(&node, &ask, &scope, &address, query).await
}

pub async fn history_of_all(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
) -> Result<Response, Failure> {
    let action = Interaction::HistorySystem;
    let scope = ask.visit.scope(&node, action, "Resource").await?;
    page(&node, &ask, &scope, "_history", query(&ask)?).await
}

async fn page(
    node: &Node,
    ask: &Ask,
    scope: &Scope,
    address: &str,
    query: HistoryQuery,
) -> Result<Response, Failure> {
    let page = node.store.past(scope, &query).await?.ok_or_else(absent)?;
    let base_url = node.site.fhir_url();
    let address = format!("{base_url}/{address}");
    let link = |cursor: Option<&str>| link(&address, &ask.query, cursor);
    let own = link(query.after.as_deref());
    let next = page.next.as_deref().map(|cursor| link(Some(cursor)));
    let first = next.is_some().then(|| link(None));
    let mut links = vec![("self", own.as_str())];
    links.extend(first.as_deref().map(|link| ("first", link)));
    links.extend(next.as_deref().map(|link| ("next", link)));
    let lines = page.entries.iter().map(line);
    let bundle = bundle::history(&base_url, &links, lines, None);
    Ok(answer::json(StatusCode::OK, bundle))
}

fn query(ask: &Ask) -> Result<HistoryQuery, Problem> {
    let mut query = HistoryQuery {
        count: COUNT_DEFAULT,
        ..HistoryQuery::default()
    };
    for (name, value) in &ask.query {
        match name.as_str() {
            "_count" => query.count = count(value)?,
            "_since" => query.since = Some(time(name, value)?.low),
            "_at" => query.at = Some(time(name, value)?),
            CURSOR => query.after = Some(value.clone()),
            _ => {
                let message = "A history takes the parameters _count, _since and _at.";
                return Err(Problem::new(Kind::NotSupported, message));
            }
        }
    }
    Ok(query)
}

fn count(value: &str) -> Result<u32, Problem> {
    let read = value.parse::<u32>().ok().filter(|count| *count > 0);
    let message = "_count is a whole number from 1.";
    let count = read.ok_or_else(|| Problem::new(Kind::Value, message))?;
    Ok(count.min(COUNT_MAX))
}

fn time(name: &str, value: &str) -> Result<Span, Problem> {
    // A plus sign that was not encoded arrives as a blank.
    span(&value.replace(' ', "+")).ok_or_else(|| {
        let message = format!("{name} is a time, such as 2026-11-22T18:56:05Z.");
        Problem::new(Kind::Value, message)
    })
}

fn link(address: &str, pairs: &[(String, String)], cursor: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs.iter().filter(|(name, _)| name != CURSOR));
    query.extend_pairs(cursor.map(|cursor| (CURSOR, cursor)));
    let query = query.finish();
    if query.is_empty() {
        return address.to_string();
    }
    format!("{address}?{query}")
}

fn line(past: &Past) -> Line<'_> {
    match past {
        Past::Version(found) => Line {
            ty: &found.ty,
            id: &found.id,
            version: found.version,
            at: found.last_updated,
            resource: Some(&found.body),
        },
        Past::Deletion {
            ty,
            id,
            version,
            at,
        } => Line {
            ty,
            id,
            version: *version,
            at: *at,
            resource: None,
        },
    }
}
