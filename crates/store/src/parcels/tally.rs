//! Which parcels one side keeps, without what is in them: for comparing both ends of a network.

use access::Scope;
use fhir::date::Millis;
use fhir::problem::Problem;

use super::state::State;
use crate::sql::Sql;
use crate::store::Store;

/// A parcel as one side keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// ODS codes.
    pub sender: String,
    pub recipient: String,
    /// The sender's name for it.
    pub id: String,
    pub kind: String,
    pub urgent: bool,
    pub state: State,
    /// Accepted (out) or received (in) at.
    pub stored_at: Millis,
    pub state_at: Millis,
}

impl Store {
    /// The newest parcels that went out from here, or came in, the newest first. No patient is named.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own; those of the database.
    pub async fn parcels_kept(
        &self,
        scope: &Scope,
        outward: bool,
        count_max: u32,
    ) -> Result<Vec<Kept>, Problem> {
        super::work::check(scope)?;
        let sql = Sql::new(
            "SELECT sender, recipient, id, kind, urgent, state, stored_at, state_at FROM parcel \
             WHERE direction = $1 ORDER BY pid DESC LIMIT $2",
        );
        let direction = i64::from(!outward);
        let rows = self.rows_apart(sql.with(direction).with(count_max)).await?;
        let mut kept = Vec::with_capacity(rows.len());
        for row in &rows {
            let Some(state) = State::from_code(row.text(5)?) else {
                continue;
            };
            kept.push(Kept {
                sender: row.text(0)?.to_owned(),
                recipient: row.text(1)?.to_owned(),
                id: row.text(2)?.to_owned(),
                kind: row.text(3)?.to_owned(),
                urgent: row.int(4)? == 1,
                state,
                stored_at: row.int(6)?,
                state_at: row.int(7)?,
            });
        }
        Ok(kept)
    }
}
