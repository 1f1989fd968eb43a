//! When what stands in each element of a resource was said by an HL7 v2 message: kept beside the resource, since a message that
//! says the same again makes no new version of it.

use std::collections::HashMap;

use access::{Reach, Scope};
use fhir::problem::{Kind, Problem};

use crate::database::Tx;
use crate::reach::forbidden;
use crate::shard;
use crate::sql::Sql;
use crate::store::Store;

/// Resources of one message that are asked about.
const ASKED_MAX: usize = 2_000;

impl Store {
    /// What is kept of those resources (`Type/id`); of those of which nothing is, nothing.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own; those of the database.
    pub async fn hl7_said(
        &self,
        scope: &Scope,
        references: &[String],
    ) -> Result<HashMap<String, String>, Problem> {
        if *scope.reach() != Reach::Everything || !scope.may_change() {
            return Err(forbidden());
        }
        let mut said = HashMap::new();
        for reference in references.iter().take(ASKED_MAX) {
            let sql = Sql::new("SELECT said FROM hl7_said WHERE reference = $1 AND shard = $2")
                .with(reference.as_str())
                .with(shard::of(reference.as_bytes()));
            if let Some(row) = self.rows(&sql).await?.first() {
                said.insert(reference.clone(), row.text(0)?.to_string());
            }
        }
        Ok(said)
    }
}

/// Keeps it, if what was kept is still what the job saw (empty: nothing).
pub(super) async fn keep(
    tx: &mut Tx<'_>,
    reference: &str,
    (before, said): (&str, &str),
) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO hl7_said (shard, reference, said) VALUES ($1, $2, $3) \
         ON CONFLICT (reference, shard) DO UPDATE SET said = excluded.said WHERE hl7_said.said = $4",
    )
    .with(shard::of(reference.as_bytes()))
    .with(reference)
    .with(said)
    .with(before);
    if tx.execute(&sql).await? == 0 {
        let message = "Another message about the same came between.";
        return Err(Problem::new(Kind::Conflict, message));
    }
    Ok(())
}
