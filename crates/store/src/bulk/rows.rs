//! A page of a walk, as SQL.

use access::Scope;
use fhir::definitions::Definitions;
use fhir::problem::Problem;
use fhir::search::{Parameter, parameters};

use super::{Walk, Within};
use crate::resources::{Version, body, facts};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;
use crate::words::{self, UNKNOWN};

/// Resources a page, at most.
const ROWS_MAX: u32 = 200;
/// Keys a page, at most.
const KEYS_MAX: u32 = 5000;
/// Compressed bytes a page: no further row once there are so many.
const BYTES_MAX: i64 = 4 << 20;

/// The numbers that a walk's words stand under.
#[derive(Debug)]
pub(super) struct Numbers {
    types: Vec<i64>,
    /// The search parameters that refer to an encounter.
    of_encounter: Vec<i64>,
    encounter: i64,
    patient: i64,
}

impl Numbers {
    pub(super) async fn of(store: &Store, walk: &Walk) -> Result<Numbers, Problem> {
        let mut types = Vec::with_capacity(walk.types.len());
        for ty in &walk.types {
            types.push(store.word(ty).await?);
        }
        let mut of_encounter = Vec::new();
        if let Within::Encounter { .. } = walk.within {
            let mut buffer = String::new();
            for ty in Definitions::r4().resources() {
                for parameter in parameters(ty) {
                    if refers_to_its_encounter(parameter) {
                        let word = words::parameter(&mut buffer, ty, parameter.code);
                        let number = store.word(word).await?;
                        of_encounter.extend((number != UNKNOWN).then_some(number));
                    }
                }
            }
        }
        Ok(Numbers {
            types,
            of_encounter,
            encounter: store.word("Encounter").await?,
            patient: store.word("Patient").await?,
        })
    }
}

fn refers_to_its_encounter(parameter: &Parameter) -> bool {
    parameter.targets.contains(&"Encounter")
        && matches!(parameter.code, "encounter" | "context" | "part-of")
}

/// How many parts a walk has.
pub(super) fn parts(walk: &Walk) -> u32 {
    let parts = match &walk.within {
        Within::Patients(patients) => patients.len(),
        Within::Encounter { .. } => 1,
        Within::Types { .. } => walk.types.len(),
    };
    u32::try_from(parts).unwrap_or(u32::MAX)
}

/// Rows as `version` reads them: rid, id, version, time, splice, body, patients, type.
pub(super) fn page(scope: &Scope, walk: &Walk, numbers: &Numbers, rows: u32) -> Sql<'static> {
    let mut sql = Sql::new(
        "SELECT q.rid, q.id, q.ver, q.ts, v.splice, v.body, q.patients, w.text FROM \
         (SELECT p.shard, p.rid, p.id, p.ver, p.ts, p.patients, p.ty, \
         SUM(length(l.body)) OVER (ORDER BY p.rid) - length(l.body) AS bytes_before FROM (\
         SELECT r.shard, r.rid, r.id, r.ver, r.ts, r.patients, r.ty FROM ",
    );
    push_rows(&mut sql, walk, numbers);
    push_conditions(&mut sql, scope, walk);
    sql.push(" ORDER BY r.rid LIMIT ").bind(rows.min(ROWS_MAX));
    sql.push(
        ") p CROSS JOIN ver l WHERE l.shard = p.shard AND l.rid = p.rid AND l.ver = p.ver) q \
         CROSS JOIN ver v CROSS JOIN word w \
         WHERE v.shard = q.shard AND v.rid = q.rid AND v.ver = q.ver AND w.id = q.ty \
         AND q.bytes_before < ",
    );
    sql.bind(BYTES_MAX).push(" ORDER BY q.rid");
    sql
}

/// As `page`, without bodies and with many more rows. Under `before` each resource is as it was at
/// that time, even if it was changed or deleted since.
pub(super) fn keys(scope: &Scope, walk: &Walk, numbers: &Numbers) -> Sql<'static> {
    let before = walk.before.unwrap_or(i64::MAX);
    let mut sql = Sql::new(
        "SELECT p.rid, p.id, p.ver, v.ts, 0, 0, p.patients, w.text, v.del FROM (\
         SELECT r.shard, r.rid, r.id, r.patients, r.ty, CASE WHEN r.ts < ",
    );
    sql.bind(before);
    sql.push(
        " THEN r.ver ELSE COALESCE((SELECT MAX(o.ver) FROM ver o WHERE o.shard = r.shard \
         AND o.rid = r.rid AND o.ts < ",
    );
    sql.bind(before).push("), 0) END AS ver FROM ");
    push_rows(&mut sql, walk, numbers);
    facts::push_scope(&mut sql, scope);
    sql.push(" ORDER BY r.rid LIMIT ").bind(KEYS_MAX);
    sql.push(
        ") p CROSS JOIN word w LEFT JOIN ver v ON v.shard = p.shard AND v.rid = p.rid \
         AND v.ver = p.ver WHERE w.id = p.ty ORDER BY p.rid",
    );
    sql
}

/// Whether a row of `keys` is there under the walk's times.
pub(super) fn is_key(walk: &Walk, row: &Row) -> Result<bool, Problem> {
    let Some(at) = row.int_opt(3)? else {
        return Ok(false);
    };
    Ok(!row.flag(8)? && walk.since.is_none_or(|since| at >= since))
}

fn push_conditions(sql: &mut Sql<'static>, scope: &Scope, walk: &Walk) {
    sql.push(" AND r.del = 0");
    if let Some(since) = walk.since {
        sql.push(" AND r.ts >= ").bind(since);
    }
    if let Some(before) = walk.before {
        sql.push(" AND r.ts < ").bind(before);
    }
    facts::push_scope(sql, scope);
}

/// The tables and the conditions that lead to the rows of the part at hand.
fn push_rows(sql: &mut Sql<'static>, walk: &Walk, numbers: &Numbers) {
    let part = usize::try_from(walk.after.part).unwrap_or(usize::MAX);
    match &walk.within {
        Within::Patients(patients) => {
            let patient = patients.get(part).cloned().unwrap_or_default();
            sql.push("compartment i CROSS JOIN res r WHERE i.patient = ")
                .bind(patient)
                .push(" AND i.rid > ")
                .bind(walk.after.rid)
                .push(" AND r.shard = i.shard AND r.rid = i.rid");
            push_types(sql, &numbers.types);
        }
        Within::Encounter { id, patients } => {
            sql.push("res r WHERE (r.shard, r.rid) IN (");
            push_place(sql, numbers.encounter, id);
            for patient in patients {
                sql.push(" UNION ");
                push_place(sql, numbers.patient, patient);
            }
            sql.push(" UNION SELECT i.shard, i.rid FROM ix_reference i WHERE i.target = ")
                .bind(format!("Encounter/{id}"))
                .push(" AND i.param IN (");
            push_numbers(sql, &numbers.of_encounter);
            sql.push(")) AND r.rid > ").bind(walk.after.rid);
            push_types(sql, &numbers.types);
        }
        Within::Types { only_patients } => {
            let ty = numbers.types.get(part).copied().unwrap_or(UNKNOWN);
            sql.push("res r WHERE r.ty = ")
                .bind(ty)
                .push(" AND r.rid > ")
                .bind(walk.after.rid);
            if *only_patients {
                sql.push(" AND r.patients <> ''");
            }
        }
    }
}

fn push_place(sql: &mut Sql<'static>, ty: i64, id: &str) {
    sql.push("SELECT i.shard, i.rid FROM place i WHERE i.ty = ")
        .bind(ty)
        .push(" AND i.id = ")
        .bind(id.to_string());
}

fn push_types(sql: &mut Sql<'static>, types: &[i64]) {
    if !types.is_empty() {
        sql.push(" AND r.ty IN (");
        push_numbers(sql, types);
        sql.push(")");
    }
}

fn push_numbers(sql: &mut Sql<'static>, numbers: &[i64]) {
    sql.bind(numbers.first().copied().unwrap_or(UNKNOWN));
    for number in numbers.iter().skip(1) {
        sql.push(", ").bind(*number);
    }
}

/// Resources of one type by id, as far as they are within the scope and about no patient.
pub(super) fn about_nobody(scope: &Scope, walk: &Walk, ty: i64, ids: &[&str]) -> Sql<'static> {
    let mut sql = Sql::new(
        "SELECT r.rid, r.id, r.ver, r.ts, v.splice, v.body, r.patients, w.text FROM place p \
         CROSS JOIN res r CROSS JOIN ver v CROSS JOIN word w WHERE p.ty = ",
    );
    sql.bind(ty).push(" AND p.id IN (");
    for (number, id) in ids.iter().enumerate() {
        sql.push(if number == 0 { "" } else { ", " })
            .bind((*id).to_string());
    }
    sql.push(
        ") AND r.shard = p.shard AND r.rid = p.rid AND r.del = 0 AND r.patients = '' \
         AND v.shard = r.shard AND v.rid = r.rid AND v.ver = r.ver AND w.id = r.ty",
    );
    if let Some(since) = walk.since {
        sql.push(" AND r.ts >= ").bind(since);
    }
    facts::push_scope(&mut sql, scope);
    sql
}

pub(super) fn version(row: &Row) -> Result<Version, Problem> {
    let version = u64::try_from(row.int(2)?).unwrap_or_default();
    let last_updated = row.int(3)?;
    Ok(Version {
        ty: row.text(7)?.to_string(),
        id: row.text(1)?.to_string(),
        version,
        last_updated,
        body: body::render(row.bytes(5)?, row.int(4)?, version, last_updated)?,
    })
}
