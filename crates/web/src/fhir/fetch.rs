//! A GET inside a Bundle (<https://hl7.org/fhir/R4/http.html#transaction>): read, vread or search.

use access::Interaction;
use fhir::bundle::Outcome;
use fhir::problem::{Kind, Problem};
use store::Reading;

use super::ask::Ask;
use super::{absent, batch, check_known, deleted, query, search};
use crate::node::Node;

/// What a relative address holds. A problem is the entry's outcome.
pub async fn outcome(node: &Node, ask: &Ask, url: &str) -> Result<Outcome, Problem> {
    Ok(fetched(node, ask, url)
        .await
        .unwrap_or_else(|problem| batch::refused(ask, problem)))
}

async fn fetched(node: &Node, ask: &Ask, url: &str) -> Result<Outcome, Problem> {
    let (path, text) = url.split_once('?').unwrap_or((url, ""));
    let pairs = query::pairs(text)?;
    let segments: Vec<&str> = path.split('/').collect();
    let reading = match segments.as_slice() {
        [ty] => {
            let bundle = search::found(node, ask, ty, &pairs).await?;
            return Ok(Outcome {
                resource: Some(bundle),
                ..ok()
            });
        }
        _ if !pairs.is_empty() => return Err(unknown()),
        [ty, id] => {
            check_known(id)?;
            let scope = ask.scope(node, Interaction::Read, ty).await?;
            node.store.read(&scope, ty, id).await?
        }
        [ty, id, "_history", version] => {
            check_known(id)?;
            let scope = ask.scope(node, Interaction::Vread, ty).await?;
            let version = version.parse().map_err(|_| absent())?;
            node.store.vread(&scope, ty, id, version).await?
        }
        _ => return Err(unknown()),
    };
    match reading {
        Reading::Found(found) => Ok(Outcome {
            version: Some(found.version),
            last_updated: Some(found.last_updated),
            resource: Some(found.body.to_vec()),
            ..ok()
        }),
        Reading::Deleted { .. } => Err(deleted()),
        Reading::Absent => Err(absent()),
    }
}

fn ok() -> Outcome {
    Outcome {
        status: "200 OK".to_string(),
        ..Outcome::default()
    }
}

fn unknown() -> Problem {
    let message = "A GET in a Bundle is Type?query, Type/id or Type/id/_history/version.";
    Problem::new(Kind::NotSupported, message)
}
