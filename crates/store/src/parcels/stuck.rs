//! What is stuck, for those who run the node: reasons and times, never content or names.

use access::Scope;
use fhir::date::Millis;
use fhir::problem::Problem;

use super::state::State;
use super::{Kind, shown};
use crate::sql::Sql;
use crate::store::Store;

/// A parcel or receipt that does not get on by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    pub pid: i64,
    pub id: String,
    /// The other organisation's ODS code.
    pub other: String,
    pub inward: bool,
    pub kind: Kind,
    pub state: State,
    pub since: Millis,
    /// A plain sentence.
    pub reason: String,
    /// While it waits.
    pub next_try: Option<Millis>,
}

impl Store {
    /// What waits, what could not be delivered, and what the other side does not take; oldest first. What is locked
    /// is its workgroup's to see to.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn stuck(&self, scope: &Scope, count_max: u32) -> Result<Vec<Stuck>, Problem> {
        let document_ty = self.document_word().await?;
        let mut sql = Sql::new(
            "SELECT p.pid, p.id, p.recipient, 0, p.state, p.state_at, \
             COALESCE(p.reason, q.last_error, ''), q.next_try, p.kind \
             FROM parcel p LEFT JOIN parcel_peer q ON q.peer = p.recipient AND p.due = 1",
        );
        shown::push_document(&mut sql, scope, document_ty);
        // Messages of mailboxes, bookings, referrals and ITK3 documents have lists of their own.
        sql.push(
            " WHERE p.direction = 0 AND p.state IN ('waiting', 'undeliverable') \
             AND p.kind NOT IN ('mesh-message', 'booking', 'itk3', 'referral')",
        );
        shown::push_unlocked(&mut sql, scope);
        sql.push(
            " UNION ALL SELECT p.pid, p.id, x.peer, p.direction, p.state, p.state_at, x.refused, \
             NULL, p.kind FROM parcel_receipt x JOIN parcel p ON p.pid = x.pid AND p.shard = x.shard",
        );
        shown::push_document(&mut sql, scope, document_ty);
        sql.push(" WHERE x.refused IS NOT NULL");
        shown::push_unlocked(&mut sql, scope);
        sql.push(" ORDER BY 6, 1 LIMIT ").bind(count_max.min(1000));
        self.rows_apart(sql)
            .await?
            .iter()
            .map(|row| {
                Ok(Stuck {
                    pid: row.int(0)?,
                    id: row.text(1)?.to_string(),
                    other: row.text(2)?.to_string(),
                    inward: row.flag(3)?,
                    state: State::from_code(row.text(4)?).unwrap_or(State::Undeliverable),
                    since: row.int(5)?,
                    reason: row.text(6)?.to_string(),
                    next_try: row.int_opt(7)?.filter(|at| *at > 0),
                    kind: Kind::from_code(row.text(8)?).unwrap_or(Kind::Letter),
                })
            })
            .collect()
    }
}
