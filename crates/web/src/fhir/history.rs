//! <https://hl7.org/fhir/R4/http.html#history>, of one resource.

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::bundle::{self, Past as Line};
use fhir::problem::{Kind, Problem};
use http::StatusCode;
use store::Past;

use super::ask::{Announced, Ask};
use super::{absent, answer, check_known};
use crate::failure::Failure;
use crate::node::Node;

/// Versions told, where the query does not say, and at most.
const COUNT_DEFAULT: u32 = 50;
const COUNT_MAX: u32 = 500;

pub async fn history(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path((ty, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::HistoryInstance, &ty).await?;
    check_known(&id)?;
    let count = count(&ask)?;
    let versions = node.store.history(&scope, &ty, &id, count).await?;
    if versions.is_empty() {
        return Err(absent().into());
    }
    let base_url = node.site.fhir_url();
    let link = format!("{base_url}/{ty}/{id}/_history?_count={count}");
    let lines = versions.iter().map(|past| line(&ty, &id, past));
    let bundle = bundle::history(&base_url, &link, lines, None);
    Ok(answer::json(StatusCode::OK, bundle))
}

fn count(ask: &Ask) -> Result<u32, Problem> {
    let mut count = COUNT_DEFAULT;
    for (name, value) in &ask.query {
        if name != "_count" {
            let message = "A history takes no parameter but _count.";
            return Err(Problem::new(Kind::NotSupported, message));
        }
        let read = value.parse::<u32>().ok().filter(|count| *count > 0);
        let message = "_count is a whole number from 1.";
        count = read
            .ok_or_else(|| Problem::new(Kind::Value, message))?
            .min(COUNT_MAX);
    }
    Ok(count)
}

fn line<'p>(ty: &'p str, id: &'p str, past: &'p Past) -> Line<'p> {
    match past {
        Past::Version(found) => Line {
            ty,
            id,
            version: found.version,
            at: found.last_updated,
            resource: Some(&found.body),
        },
        Past::Deletion { version, at } => Line {
            ty,
            id,
            version: *version,
            at: *at,
            resource: None,
        },
    }
}
