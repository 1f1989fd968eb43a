//! <https://hl7.org/fhir/R4/http.html#search>

use std::sync::Arc;

use access::Interaction;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::bundle::{Found, searchset};
use fhir::problem::{Kind, Problem};
use fhir::search::{Limits, Search};
use http::StatusCode;

use super::ask::{Announced, Ask};
use super::{answer, format, query};
use crate::failure::Failure;
use crate::node::Node;

pub async fn search(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(ty): Path<String>,
) -> Result<Response, Failure> {
    page(&node, &ask, &ty, &ask.query).await
}

/// The same with the query in a form, so that it stands in no log on the way.
pub async fn search_by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(ty): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    format::is_form(&ask.headers)?;
    let form = std::str::from_utf8(&body)
        .map_err(|_| Problem::new(Kind::Structure, "The form is not valid UTF-8."))?;
    let mut pairs = ask.query.clone();
    pairs.extend(query::pairs(form)?);
    page(&node, &ask, &ty, &pairs).await
}

async fn page(
    node: &Node,
    ask: &Ask,
    ty: &str,
    query: &[(String, String)],
) -> Result<Response, Failure> {
    let found = found(node, ask, ty, query).await?;
    Ok(answer::json(StatusCode::OK, found))
}

/// The searchset Bundle.
pub async fn found(
    node: &Node,
    ask: &Ask,
    ty: &str,
    query: &[(String, String)],
) -> Result<Vec<u8>, Problem> {
    let scope = ask.scope(node, Interaction::Search, ty).await?;
    let base_url = node.site.fhir_url();
    let limits = Limits {
        lenient: ask.preference.lenient,
        ..Limits::default()
    };
    let search = Search::parse(ty, query, &base_url, &limits)?;
    let page = node.store.search(&scope, &search).await?;
    let found = page.entries.iter().map(|version| Found {
        ty: &version.ty,
        id: &version.id,
        resource: &version.body,
    });
    Ok(searchset(
        &search,
        &base_url,
        found,
        page.next.as_deref(),
        page.total,
    ))
}
