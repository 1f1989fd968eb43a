//! From a question about the past to SQL.

use access::Scope;
use fhir::date::Span;

use super::{Cursor, HistoryQuery};
use crate::resources::facts;
use crate::sql::Sql;

/// Whether a resource is there, within a scope.
pub(super) const THERE: &str = "SELECT r.rid FROM place p \
     JOIN res r ON r.shard = p.shard AND r.rid = p.rid WHERE p.ty = $1 AND p.id = $2";

/// A row if a type has many resources: then its versions are found among all, in the order of time.
pub(super) const MANY: &str = "SELECT rid FROM res WHERE ty = $1 ORDER BY rid LIMIT 1 OFFSET 5000";

/// A page's rows, one more than asked for: the facts' eight columns; version, time, deletion, splice
/// and body; type and id.
pub(super) fn page(
    scope: &Scope,
    query: &HistoryQuery,
    ty: Option<i64>,
    is_rare: bool,
    after: Option<Cursor>,
    count: u32,
) -> Sql<'static> {
    let mut sql = Sql::new(
        "SELECT p.shard, p.rid, p.cur, p.cur_ts, p.cur_del, p.org, p.patients, p.release_at, \
         v.ver, v.ts, v.del, v.splice, v.body, w.text, p.id FROM \
         (SELECT r.shard, r.rid, r.ver AS cur, r.ts AS cur_ts, r.del AS cur_del, r.org, \
         r.patients, r.release_at, r.ty, r.id, v.ver, v.ts FROM ",
    );
    // CROSS JOIN, which SQLite takes in the order it is written in; PostgreSQL chooses its own.
    match (&query.id, ty) {
        (Some(id), Some(ty)) => {
            sql.push("place i CROSS JOIN res r CROSS JOIN ver v WHERE i.ty = ")
                .bind(ty)
                .push(" AND i.id = ")
                .bind(id.clone())
                .push(" AND r.shard = i.shard AND r.rid = i.rid");
        }
        (_, Some(ty)) if is_rare => {
            sql.push("res r CROSS JOIN ver v WHERE r.ty = ").bind(ty);
        }
        (_, Some(ty)) => {
            sql.push("ver v CROSS JOIN res r WHERE r.ty = ").bind(ty);
        }
        (_, None) => {
            sql.push("ver v CROSS JOIN res r WHERE 1 = 1");
        }
    }
    sql.push(" AND v.shard = r.shard AND v.rid = r.rid");
    facts::push_scope(&mut sql, scope);
    if let Some(since) = query.since {
        sql.push(" AND v.ts >= ").bind(since);
    }
    if let Some(at) = query.at {
        push_at(&mut sql, at);
    }
    if let Some(after) = after {
        sql.push(" AND v.ts <= ").bind(after.at);
        sql.push(" AND (v.ts, v.rid, v.ver) < (").bind(after.at);
        sql.push(", ").bind(after.rid);
        sql.push(", ").bind(after.version).push(")");
    }
    sql.push(" ORDER BY v.ts DESC, v.rid DESC, v.ver DESC LIMIT ");
    sql.bind(i64::from(count) + 1);
    // Bodies are fetched for the page alone.
    sql.push(
        ") p CROSS JOIN ver v CROSS JOIN word w WHERE v.shard = p.shard AND v.rid = p.rid \
         AND v.ver = p.ver AND w.id = p.ty ORDER BY p.ts DESC, p.rid DESC, p.ver DESC",
    );
    sql
}

/// Current at some moment of the span: made before its end, and the next one not before its start.
/// A deletion of before leaves nothing that was current.
fn push_at(sql: &mut Sql<'static>, at: Span) {
    sql.push(" AND v.ts < ").bind(at.high);
    sql.push(" AND (v.del = 0 OR v.ts >= ").bind(at.low);
    sql.push(
        ") AND NOT EXISTS (SELECT 1 FROM ver n WHERE n.shard = v.shard AND n.rid = v.rid \
         AND n.ver = v.ver + 1 AND n.ts <= ",
    );
    sql.bind(at.low).push(")");
}
