//! How much waits for somebody to do something about it: for the head of each of the staff's pages. No patient is named, and
//! what is tried again by itself is not counted.

use fhir::date::Millis;
use fhir::problem::Problem;

use crate::diary::{SOON_MILLIS, SOON_UNANSWERED_MILLIS};
use crate::mesh::KEEP_MILLIS;
use crate::sql::Sql;
use crate::store::Store;

/// What of one kind is counted at most.
pub const COUNTED_MAX: u64 = 100;

/// For whom it is counted, and from when on.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pub account: i64,
    /// The first millisecond that is not due by today.
    pub tomorrow: Millis,
    /// Bookings that were asked for before then should have an answer.
    pub asked_before: Millis,
    /// Patients' messages that came before then should have been opened.
    pub unopened_before: Millis,
    /// Which questions of patients the reader answers: about looks, as the privacy officer does, or about entries.
    pub about_looks: bool,
}

/// What waits and must not hide. No patient is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Letters that somebody has begun and nobody has signed.
    pub unsigned: u64,
    /// Letters that could not be delivered, or came back and nobody has seen to.
    pub undeliverable: u64,
    /// Tasks of this person, their teams or nobody that are due by today.
    pub due: u64,
    /// Answers to questionnaires that nobody has read.
    pub unread: u64,
    /// Questions of patients that wait for an answer.
    pub questions: u64,
    /// What stands on the work list for somebody to see to, each kind up to `COUNTED_MAX`.
    pub work: u64,
}

/// The rows that a condition finds, counted up to `COUNTED_MAX`.
macro_rules! some {
    ($rows:literal) => {
        concat!(
            "(SELECT COUNT(*) FROM (SELECT 1 AS one FROM ",
            $rows,
            " LIMIT 100) x)"
        )
    };
}

/// Each is found by an index. The first six are told apart; with the sixth begins what stands on the work list, where the
/// lists' own questions say more of each. What is sealed and locked is counted for nobody, as in no list but its workgroup's.
const COUNTS: &str = concat!(
    "SELECT (SELECT COUNT(*) FROM draft WHERE state = 'open'), ",
    some!(
        "parcel p WHERE p.direction = 0 AND p.state = 'undeliverable' AND p.kind IN ('letter', 'fax', 'itk3') \
         AND NOT EXISTS (SELECT 1 FROM place l JOIN res r ON r.shard = l.shard AND r.rid = l.rid \
         WHERE l.id = p.document AND l.ty = $1 AND r.guard = 2)"
    ),
    ", (SELECT COUNT(*) FROM desk_task t WHERE t.state = 'open' AND t.due < $2 \
     AND (t.account = $3 OR (t.account = 0 AND (t.team = '' OR t.team IN \
     (SELECT m.team FROM desk_member m WHERE m.account = $4))))), \
     (SELECT COUNT(*) FROM form_ask WHERE status = 'completed' AND seen_at = 0), ",
    some!("record_question WHERE kind = $5 AND way <> 'out' AND state IN ('waiting', 'opened')"),
    ", ",
    some!(
        "parcel_back b WHERE b.seen_at = 0 AND NOT EXISTS (SELECT 1 FROM parcel p JOIN place l ON l.id = p.document \
         JOIN res r ON r.shard = l.shard AND r.rid = l.rid WHERE p.pid = b.pid AND l.ty = $6 AND r.guard = 2)"
    ),
    ", ",
    // Letters, handovers, referrals, questions, moves, wishes and statuses alike. Faxes and ITK3 documents have lists of their own.
    some!(
        "parcel p WHERE p.direction = 0 AND p.state = 'undeliverable' \
         AND p.kind NOT IN ('mesh-message', 'booking', 'itk3', 'fax') \
         AND NOT EXISTS (SELECT 1 FROM place l JOIN res r ON r.shard = l.shard AND r.rid = l.rid \
         WHERE l.id = p.document AND l.ty = $7 AND r.guard = 2)"
    ),
    ", ",
    some!(
        "diary_booking b LEFT JOIN system_booking s ON s.id = b.id LEFT JOIN bars_out o ON o.id = b.parcel \
         LEFT JOIN parcel p ON p.sender = b.asker AND p.id = b.parcel \
         WHERE (b.parcel <> '' OR s.id IS NOT NULL) AND b.asker = $8 AND b.state IN ('asked', 'cancelling') \
         AND (p.state = 'undeliverable' OR o.state = 'undeliverable' OR b.state_at < $9 \
         OR b.state_at < $10 AND b.starts_at < $11)"
    ),
    ", ",
    some!("message_thread WHERE waiting_since > 0 AND waiting_since < $12"),
    ", ",
    some!(
        "mesh_message WHERE state = 'undeliverable' AND (recipient = '' OR kind = 'DATA' AND state_at > $13)"
    ),
    ", ",
    some!("visit_pack WHERE state IN ('out', 'expired') AND expires_at <= $14"),
    ", ",
    some!("visit_entry WHERE state = 'held'"),
    ", ",
    // The plus keeps SQLite from looking through all that ever came in.
    some!(
        "parcel WHERE unmatched = 1 AND +direction = 1 AND kind IN ('booking', 'referral', 'prescription-status')"
    ),
    ", ",
    some!("parcel_receipt WHERE refused IS NOT NULL"),
    ", ",
    some!(
        "bars_out o WHERE o.state = 'undeliverable' AND NOT EXISTS (SELECT 1 FROM diary_booking b \
         WHERE b.parcel = o.id AND b.state IN ('asked', 'cancelling'))"
    ),
    ", ",
    some!("eps_message WHERE state = 'refused'"),
    ", ",
    some!("fax_out WHERE work = 1"),
    ", ",
    some!("itk3_out WHERE work = 1"),
    ", ",
    some!("itk3_in WHERE work = 1"),
    ", ",
    some!("itk3_answer WHERE work = 1"),
    ", ",
    some!("hl7_message WHERE work = 1"),
    ", ",
    some!("hl7_out WHERE work = 1"),
    ", ",
    some!("rule_event WHERE reason IS NOT NULL"),
    ", ",
    some!("pds_trace WHERE state IN ('differs', 'superseded', 'unknown', 'invalid', 'refused')"),
    ", ",
    some!("sub WHERE state = 'error'"),
    ", ",
    some!("audit_alarm"),
    ", ",
    some!(
        "parcel_recall a WHERE a.rung_at = 0 AND NOT EXISTS (SELECT 1 FROM parcel p JOIN place l ON l.id = p.document \
         JOIN res r ON r.shard = l.shard AND r.rid = l.rid WHERE p.pid = a.pid AND l.ty = $15 AND r.guard = 2)"
    ),
);
/// The column with which the work list begins, and the one behind its last.
const WORK: std::ops::Range<usize> = 5..27;

impl Store {
    /// What waits: for the head of each of the staff's pages.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn pending(&self, waiting: &Waiting) -> Result<Pending, Problem> {
        let sql = self.counts(waiting).await?;
        let rows = self.rows(&sql).await?;
        let count = |column: usize| {
            let found = rows.first().map_or(Ok(0), |row| row.int(column))?;
            Ok::<u64, Problem>(u64::try_from(found).unwrap_or_default())
        };
        let mut work = 0;
        for column in WORK {
            work += count(column)?;
        }
        Ok(Pending {
            unsigned: count(0)?,
            undeliverable: count(1)? + count(WORK.start)?,
            due: count(2)?,
            unread: count(3)?,
            questions: count(4)?,
            work,
        })
    }

    async fn counts(&self, waiting: &Waiting) -> Result<Sql<'static>, Problem> {
        let document_ty = self.word("DocumentReference").await?;
        let now = self.now();
        let sql = Sql::new(COUNTS)
            .with(document_ty)
            .with(waiting.tomorrow)
            .with(waiting.account)
            .with(waiting.account)
            .with(if waiting.about_looks { "look" } else { "entry" })
            .with(document_ty)
            .with(document_ty)
            .with(self.organisation().to_string())
            .with(waiting.asked_before)
            .with(now.saturating_sub(SOON_UNANSWERED_MILLIS))
            .with(now.saturating_add(SOON_MILLIS))
            .with(waiting.unopened_before)
            .with(now.saturating_sub(KEEP_MILLIS))
            .with(now)
            .with(document_ty);
        Ok(sql)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_each_database;

    /// It is asked on each page of staff: nothing is looked through that grows with the years.
    #[test]
    fn what_waits_is_found_by_an_index_of_what_waits() {
        on_each_database(async |ground| {
            if !ground.is_sqlite() {
                return;
            }
            let store = ground.open().await;
            let waiting = Waiting {
                account: 1,
                tomorrow: 1,
                asked_before: 0,
                unopened_before: 0,
                about_looks: false,
            };
            let sql = store.counts(&waiting).await.unwrap();
            let rows = store.rows_apart(sql.explained("EXPLAIN QUERY PLAN ")).await;
            for row in rows.unwrap() {
                let line = row.text(3).unwrap();
                let few = ["SCAN CONSTANT ROW", "SCAN x", "SCAN sub"].contains(&line);
                let is_whole = line.starts_with("SCAN") && !line.contains("INDEX");
                assert!(few || !is_whole, "{line}");
                assert!(!line.contains("parcel_unique_id"), "{line}");
            }
            store.close().await;
        });
    }
}
