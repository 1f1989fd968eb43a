//! <https://hl7.org/fhir/R4/composition-operation-document.html>: a Composition and what it refers
//! to as a document. What the caller may not read, or is not here, stays a reference.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::date;
use fhir::json::{Json, Limits, parse, write_text};
use fhir::problem::{Kind, Problem};
use futures_util::future::try_join_all;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use store::{Change, Expect, Job, Prepared, Reading, Release, Version};

use super::parameters::Parameters;
use crate::failure::Failure;
use crate::fhir::ask::{Announced, Ask};
use crate::fhir::{absent, answer, check_known, deleted, format};
use crate::node::Node;

/// Bytes of a document, at most: as much as can be stored.
const BYTES_MAX: usize = 48 << 20;
/// Reads at a time, so that their lines of the log share commits.
const READS_AT_ONCE: usize = 16;

/// `GET Composition/[id]/$document`. A GET changes nothing: to persist is asked for by POST.
pub async fn document(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let scope = ask
        .scope(&node, Interaction::Document, "Composition")
        .await?;
    if persist(&ask)?.is_some_and(|persist| persist) {
        let message = "To persist changes data; ask for it by POST.";
        let problem = Problem::new(Kind::NotSupported, message);
        return Err(Failure::with_status(
            problem,
            StatusCode::METHOD_NOT_ALLOWED,
        ));
    }
    made(&node, &ask, &scope, &id, false).await
}

/// `POST Composition/[id]/$document`, with Parameters or with none.
pub async fn by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    let scope = ask
        .scope(&node, Interaction::Document, "Composition")
        .await?;
    let mut wished = persist(&ask)?;
    if !body.is_empty() {
        format::is_sent(&ask.headers)?;
        let given = Parameters::read(&body)?;
        given.only(&["persist"])?;
        for value in given.values("persist") {
            wished = match value {
                Json::Bool(persist) if wished.is_none() => Some(*persist),
                _ => return Err(one_persist().into()),
            };
        }
    }
    made(&node, &ask, &scope, &id, wished.unwrap_or_default()).await
}

/// The answer; with `persist`, once the document is stored.
async fn made(
    node: &Node,
    ask: &Ask,
    scope: &Scope,
    id: &str,
    persist: bool,
) -> Result<Response, Failure> {
    check_known(id)?;
    let composition = match node.store.read(scope, "Composition", id).await? {
        Reading::Found(found) => found,
        Reading::Deleted { .. } => return Err(deleted().into()),
        Reading::Absent => return Err(absent().into()),
    };
    let parts = referenced(node, scope, &composition).await?;
    let document_id = uuid::Uuid::new_v4().to_string();
    let bundle = bundle(node, &document_id, &composition, &parts)?;
    if !persist {
        return Ok(answer::json(StatusCode::OK, bundle));
    }
    let scope = ask.scope(node, Interaction::Create, "Bundle").await?;
    let limits = Limits {
        bytes: BYTES_MAX * 2,
        nodes: 16_000_000,
        depth: 255,
    };
    let put = Change::Put {
        resource: Prepared::new(
            &parse(&bundle, &limits)?,
            &document_id,
            &node.site.organisation,
        )?,
        expect: Expect::Absent,
        release: Release::Never,
    };
    node.store.commit(&scope, Job::change(put)).await?;
    let mut response = answer::json(StatusCode::OK, bundle);
    let location = format!("{}/Bundle/{document_id}", node.site.fhir_url());
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// What the query says of it.
fn persist(ask: &Ask) -> Result<Option<bool>, Problem> {
    let mut persist = None;
    for (name, value) in &ask.query {
        persist = match (name.as_str(), value.as_str()) {
            ("persist", "true") if persist.is_none() => Some(true),
            ("persist", "false") if persist.is_none() => Some(false),
            ("persist", _) => return Err(one_persist()),
            _ => {
                let message = "$document takes persist.";
                return Err(Problem::new(Kind::NotSupported, message));
            }
        };
    }
    Ok(persist)
}

fn one_persist() -> Problem {
    Problem::new(Kind::Value, "persist is true or false, once.")
}

/// What the Composition refers to, as far as the caller may read it; each read leaves its line.
async fn referenced(
    node: &Node,
    scope: &Scope,
    composition: &Version,
) -> Result<Vec<Version>, Problem> {
    let references = store::bulk::references(&composition.body);
    let most = node.fhir.bounds.document_resources_max;
    if references.len() >= most {
        let message = format!("A document holds at most {most} resources.");
        return Err(Problem::new(Kind::TooCostly, message));
    }
    let wanted: Vec<(String, String)> = references
        .into_iter()
        .filter(|(ty, _)| !scope.hides(ty) && super::super::check_type(ty).is_ok())
        .collect();
    let mut parts = Vec::new();
    for some in wanted.chunks(READS_AT_ONCE) {
        let reads = some.iter().map(|(ty, id)| node.store.read(scope, ty, id));
        for reading in try_join_all(reads).await? {
            if let Reading::Found(found) = reading {
                parts.push(found);
            }
        }
    }
    Ok(parts)
}

fn bundle(
    node: &Node,
    id: &str,
    composition: &Version,
    parts: &[Version],
) -> Result<Vec<u8>, Problem> {
    let base_url = node.site.fhir_url();
    let mut out = format!(
        "{{\"resourceType\":\"Bundle\",\"id\":\"{id}\",\"identifier\":{{\"system\":\
         \"urn:ietf:rfc:3986\",\"value\":\"urn:uuid:{id}\"}},\"type\":\"document\",\"timestamp\":\"{}\",\
         \"entry\":[",
        date::instant(node.store.now())
    )
    .into_bytes();
    let all = std::iter::once(composition).chain(parts);
    for (number, version) in all.enumerate() {
        if number > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"fullUrl\":");
        let address = format!("{base_url}/{}/{}", version.ty, version.id);
        write_text(&address, &mut out);
        out.extend_from_slice(b",\"resource\":");
        out.extend_from_slice(&version.body);
        out.push(b'}');
        if out.len() > BYTES_MAX {
            let message = "The document would be larger than the node takes.";
            return Err(Problem::new(Kind::TooCostly, message));
        }
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}
