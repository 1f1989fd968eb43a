//! A letter's content for staff: from the record once it is there, until then from the parcel.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use http::HeaderMap;
use store::Reading;
use store::parcels::{Item, Shown};

use crate::node::Node;
use crate::page::content::{attachment, part};
use crate::page::parts::Content;
use crate::page::problem::Refusal;
use crate::record;
use crate::staff::no_letter;
use crate::visit::Visit;

/// The most parts of a letter that a page shows.
const PARTS_MAX: usize = 20;

/// Every part of the letter, to be shown.
pub(super) async fn of(node: &Node, scope: &Scope, item: &Item) -> Result<Vec<Content>, Problem> {
    let door = if item.inward { "item" } else { "sent" };
    let binaries = binaries(node, scope, item).await?;
    let mut shown = Vec::new();
    for number in 0..item.parts.len().min(PARTS_MAX) {
        let href = format!("/staff/{door}/{}/content/{number}", item.letter.pid);
        match fetch(node, scope, item, &binaries, number).await {
            Ok(found) => shown.push(part(&found, "", href)),
            Err(problem) if problem.kind == Kind::NotFound => shown.push(Content {
                missing: Some(
                    "This part of the letter is withheld from you, or no longer kept here.",
                ),
                ..Content::default()
            }),
            Err(problem) => return Err(problem),
        }
    }
    Ok(shown)
}

/// `GET /staff/item/{pid}/content/{number}`, and the same below `/staff/sent`: one part, as a file.
pub async fn file(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path((pid, number)): Path<(i64, usize)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::Item, "DocumentReference")
        .await?;
    let item = node.store.item(&scope, pid).await?;
    if item.letter.shown != Shown::Whole {
        let message = "What this letter says is withheld from you.";
        return Err(Problem::new(Kind::Forbidden, message).into());
    }
    let binaries = binaries(&node, &scope, &item).await?;
    let found = fetch(&node, &scope, &item, &binaries, number).await?;
    Ok(attachment((&node, &scope), &headers, found))
}

/// The ids of the Binaries that hold the letter here: made when it came in, or at its sender those
/// of the document that was sent. None before it is in the record.
async fn binaries(node: &Node, scope: &Scope, item: &Item) -> Result<Vec<String>, Problem> {
    let made = &item.letter.made;
    let (true, Some(document)) = (made.binaries.is_empty(), &made.document) else {
        return Ok(made.binaries.clone());
    };
    match node
        .store
        .read(scope, "DocumentReference", document)
        .await?
    {
        Reading::Found(version) => {
            let letter = record::letter(&record::json(&version)?);
            Ok(letter.attachments.into_iter().map(|(id, _)| id).collect())
        }
        Reading::Deleted { .. } | Reading::Absent => Ok(Vec::new()),
    }
}

async fn fetch(
    node: &Node,
    scope: &Scope,
    item: &Item,
    binaries: &[String],
    number: usize,
) -> Result<record::Content, Problem> {
    let Some(binary) = binaries.get(number) else {
        let found = node.store.part(scope, item.letter.pid, number).await?;
        return Ok(record::Content {
            content_type: found.content_type,
            bytes: found.bytes,
            large: found.large,
        });
    };
    let found = record::content(node, scope, binary).await?;
    found.ok_or_else(no_letter)
}
