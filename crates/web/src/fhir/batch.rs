//! <https://hl7.org/fhir/R4/http.html#transaction>: a batch, a transaction of its own for each entry.

use access::{Interaction, Scope};
use axum::body::Bytes;
use fhir::bundle::Outcome;
use fhir::problem::Problem;
use futures_util::{StreamExt, stream};

use super::ask::Ask;
use super::transaction::{self, Work};
use crate::failure::{self, Failure};

/// Entries done at a time, so that they share commits.
const AT_ONCE: usize = 16;

/// An outcome an entry, in their order.
///
/// # Errors
/// Only where the batch as a whole is refused; an entry's problem is its outcome.
pub async fn outcomes(work: &Work<'_>, entries: Vec<Bytes>) -> Result<Vec<Outcome>, Problem> {
    let (node, ask) = (work.node, work.ask);
    let scope = &ask.scope(node, Interaction::Batch, "Bundle").await?;
    let entries = entries.into_iter().map(|entry| async move {
        let done = one(work, scope, entry).await;
        done.unwrap_or_else(|failure| refused(ask, failure))
    });
    Ok(stream::iter(entries).buffered(AT_ONCE).collect().await)
}

async fn one(work: &Work<'_>, scope: &Scope, entry: Bytes) -> Result<Outcome, Failure> {
    let first = transaction::read(work.node, &entry, Vec::new()).await?;
    let outcomes = transaction::outcomes(work, scope, &entry, first).await?;
    Ok(outcomes.into_iter().next().unwrap_or_default())
}

/// An entry's problem as its outcome.
pub fn refused(ask: &Ask, failure: Failure) -> Outcome {
    failure::log(&ask.visit.request_id, &failure.problem);
    Outcome {
        status: failure.status().to_string(),
        outcome: Some(failure.problem.operation_outcome().to_string().into_bytes()),
        ..Outcome::default()
    }
}
