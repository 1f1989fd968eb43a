//! One letter of one patient for another organisation that asks: its entry, and the content that the entry names.

use access::Scope;
use fhir::date::Millis;
use fhir::problem::Problem;

use super::{Answered, push_of_patient};
use crate::bulk::references;
use crate::resources::{Version, body, facts};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Parts of a letter.
const PARTS_MAX: usize = 20;
/// A letter in an answer, in bytes, as FHIR writes it.
pub const LETTER_BYTES_MAX: usize = 6 << 20;
const LETTER: &str = "DocumentReference";

impl Store {
    /// The letter of that id with its parts, as far as the scope, an asker's, reaches it. Of a restricted patient it is withheld:
    /// what a letter says tells where they are.
    pub(super) async fn answered_letter(
        &self,
        scope: &Scope,
        patient: &str,
        id: &str,
    ) -> Result<Answered, Problem> {
        let mut answered = Answered::default();
        let number = self.word(LETTER).await?;
        // What is not released to a patient who asks is no choice of theirs: it is as if it were not there.
        let all = one((None, scope.released_by()), patient, (number, LETTER), id);
        if self.rows_apart(all).await?.is_empty() {
            return Ok(answered);
        }
        let is_closed = self.is_closed_by_move(scope, patient).await?
            || self.keeps_whereabouts(patient).await?;
        let seen = match is_closed {
            true => Vec::new(),
            false => {
                let sql = one((Some(scope), None), patient, (number, LETTER), id);
                self.rows_apart(sql).await?
            }
        };
        let Some(row) = seen.first() else {
            answered.withheld.push(LETTER.to_string());
            return Ok(answered);
        };
        let letter = version(row, LETTER)?;
        let parts = references(&letter.body);
        let mut bytes = letter.body.len();
        answered.entries.push(letter);
        let binary = self.word("Binary").await?;
        let mut more = false;
        let named = parts.iter().filter(|(ty, _)| ty == "Binary");
        for (number, (_, id)) in named.enumerate() {
            let sql = one((Some(scope), None), patient, (binary, "Binary"), id);
            let rows = self.rows_apart(sql).await?;
            let Some(row) = rows.first().filter(|_| number < PARTS_MAX) else {
                more = true;
                continue;
            };
            let part = version(row, "Binary")?;
            if bytes + part.body.len() > LETTER_BYTES_MAX {
                more = true;
                continue;
            }
            bytes += part.body.len();
            answered.entries.push(part);
        }
        if more {
            answered.cut.push(LETTER.to_string());
        }
        Ok(answered)
    }
}

/// One resource of the patient, within a scope or released by then: id, version, time, splice, body.
fn one(
    (scope, released_by): (Option<&Scope>, Option<Millis>),
    patient: &str,
    number: (i64, &'static str),
    id: &str,
) -> Sql<'static> {
    let mut sql = Sql::new(
        "SELECT x.id, x.ver, x.ts, v.splice, v.body FROM (SELECT r.shard, r.rid, r.id, r.ver, r.ts",
    );
    push_of_patient(&mut sql, patient, &[number]);
    sql.push(" AND r.id = ").bind(id.to_string());
    if let Some(by) = released_by {
        sql.push(" AND r.release_at <= ").bind(by);
    }
    if let Some(scope) = scope {
        facts::push_scope(&mut sql, scope);
    }
    sql.push(") x JOIN ver v ON v.shard = x.shard AND v.rid = x.rid AND v.ver = x.ver");
    sql
}

fn version(row: &Row, ty: &str) -> Result<Version, Problem> {
    let (version, at) = (row.int(1)?.unsigned_abs(), row.int(2)?);
    Ok(Version {
        ty: ty.to_string(),
        id: row.text(0)?.to_string(),
        version,
        last_updated: at,
        body: body::render(row.bytes(4)?, row.int(3)?, version, at)?,
    })
}
