//! `GET /staff/sent/{pid}/receipts`: what was signed about a letter, here and by its receiver, as a file that anybody can check.

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use exchange::receipt::offline::ReceiptFile;
use fhir::problem::{Kind, Problem};
use store::parcels::Shown;

use crate::node::Node;
use crate::page::problem::Refusal;
use crate::staff::no_letter;
use crate::visit::Visit;

/// The file.
pub async fn file(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::Item, "DocumentReference")
        .await?;
    let item = node.store.item(&scope, pid).await?;
    if item.inward {
        return Err(no_letter().into());
    }
    if item.letter.shown != Shown::Whole {
        let message = "What this letter says is withheld from you.";
        return Err(Problem::new(Kind::Forbidden, message).into());
    }
    let file = match &node.exchange {
        Some(exchange) => exchange.receipt_file(item.text, item.events)?,
        None => {
            let statements = item.events.into_iter().filter_map(|event| event.proof);
            ReceiptFile::new(item.text, statements.collect())
        }
    };
    let body = exchange::wire::write(&file)?;
    let head = [
        (CONTENT_TYPE, "application/json"),
        (
            CONTENT_DISPOSITION,
            "attachment; filename=\"receipts.json\"",
        ),
    ];
    Ok((head, body).into_response())
}
