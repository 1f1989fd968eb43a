//! The record that a practice gives to the one that a patient moved to.

use access::Scope;
use fhir::date::Millis;
use fhir::problem::Problem;

use crate::ask::TYPES;
use crate::reach::own;
use crate::resources::{Version, body};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// The types that are given: those that other organisations are asked for, and the contents of letters.
pub fn given_types() -> impl Iterator<Item = &'static str> {
    TYPES.into_iter().chain(["Binary"])
}

/// Resources of one record that are given, at most.
pub const RECORD_ROWS_MAX: usize = 20_000;
/// And so many bytes of them.
pub const RECORD_BYTES_MAX: usize = 96 << 20;
/// Rows of one page.
const PAGE: i64 = 200;

/// What is given of one patient's record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// Each with whether the patient may see it, from when on.
    pub entries: Vec<(Version, Option<Millis>)>,
    /// Sealed items that are not given, without those of which nobody is to know.
    pub sealed: usize,
    /// What is about somebody else too, and is not given.
    pub shared: usize,
    /// What there was no room for.
    pub left_out: usize,
}

impl Store {
    /// What is here of the patient to be given: nothing that is sealed, and nothing that is about somebody else too.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own; those of the database.
    pub async fn record_to_give(&self, scope: &Scope, patient: &str) -> Result<Given, Problem> {
        own(scope)?;
        let mut numbers = Vec::new();
        for ty in given_types() {
            numbers.push((self.word(ty).await?, ty));
        }
        let (mut given, mut bytes, mut after) = (Given::default(), 0, 0);
        loop {
            let rows = self.rows_apart(page(patient, &numbers, after)).await?;
            for row in &rows {
                after = row.int(0)?;
                let (guard, patients) = (row.int(7)?, row.text(8)?);
                if guard != 0 {
                    given.sealed += usize::from(guard != 2);
                    continue;
                }
                if patients.split_whitespace().count() != 1 {
                    given.shared += 1;
                    continue;
                }
                let (version, at) = (row.int(2)?.unsigned_abs(), row.int(3)?);
                let body = body::render(row.bytes(5)?, row.int(4)?, version, at)?;
                if given.entries.len() >= RECORD_ROWS_MAX || bytes + body.len() > RECORD_BYTES_MAX {
                    given.left_out += 1;
                    continue;
                }
                bytes += body.len();
                let number = row.int(6)?;
                let ty = numbers.iter().find(|(it, _)| *it == number);
                let entry = Version {
                    ty: ty.map_or("", |(_, ty)| ty).to_string(),
                    id: row.text(1)?.to_string(),
                    version,
                    last_updated: at,
                    body,
                };
                given.entries.push((entry, row.int_opt(9)?));
            }
            if rows.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
                return Ok(given);
            }
        }
    }
}

impl Store {
    /// Who may act for the patient here at present: name, what they see, and whether the practice recorded it.
    ///
    /// # Errors
    /// As `record_to_give`.
    pub async fn acting_for(
        &self,
        scope: &Scope,
        patient: &str,
    ) -> Result<Vec<(String, Vec<String>, bool)>, Problem> {
        own(scope)?;
        let sql = Sql::new(
            "SELECT person_name, categories, basis FROM proxy WHERE patient = $1 AND ended_at IS NULL \
             AND ends_at > $2 ORDER BY number LIMIT 50",
        );
        let rows = self.rows(&sql.with(patient).with(self.now())).await?;
        let read = |row: &Row| {
            let sees = row.text(1)?.split_whitespace().map(str::to_string);
            Ok((
                row.text(0)?.to_string(),
                sees.collect(),
                row.text(2)? == "practice",
            ))
        };
        rows.iter().map(read).collect()
    }
}

/// rid, id, version, time, splice, body, type, guard, patients, release.
fn page(patient: &str, numbers: &[(i64, &'static str)], after: i64) -> Sql<'static> {
    let mut sql = Sql::new(
        "SELECT r.rid, r.id, r.ver, r.ts, v.splice, v.body, r.ty, r.guard, r.patients, r.release_at \
         FROM compartment c CROSS JOIN res r CROSS JOIN ver v WHERE c.patient = ",
    );
    sql.bind(patient.to_string());
    sql.push(" AND c.rid > ").bind(after);
    sql.push(
        " AND r.shard = c.shard AND r.rid = c.rid AND r.del = 0 AND v.shard = r.shard \
         AND v.rid = r.rid AND v.ver = r.ver AND r.ty IN (",
    );
    for (at, (number, _)) in numbers.iter().enumerate() {
        sql.push(if at == 0 { "" } else { ", " }).bind(*number);
    }
    sql.push(") ORDER BY r.rid LIMIT ").bind(PAGE);
    sql
}
