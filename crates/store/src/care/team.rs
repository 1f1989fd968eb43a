//! Where a restricted patient lives, released for hours to the team that must find the door.

use access::{Interaction, Opening, OpeningKind, Outcome, Scope, Target};
use fhir::date::Millis;
use fhir::problem::{self, Problem};

use super::write::{CareDone, Told, check_reason, list, notify};
use crate::database::Tx;
use crate::reach::staff;
use crate::sql::Sql;
use crate::store::Store;

/// The word of it on the privacy officer's list and in the patient's notice.
const KIND: &str = "whereabouts-team";
/// For how long it can be released at most, in milliseconds: a day.
const MILLIS_MAX: Millis = 24 * 3_600_000;
/// Releases of one account's teams, or about one patient, that are looked at.
const LISTED_MAX: i64 = 64;

/// A release that is live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamOpening {
    pub number: i64,
    pub workgroup: String,
    /// Who released it.
    pub who: String,
    pub reason: String,
    pub ends_at: Millis,
}

/// Releases it, on the privacy officer's list and told to the patient in the same transaction.
///
/// # Errors
/// `Value` for a reason that says too little, a team of nobody, or more than a day.
pub(super) async fn release(
    tx: &mut Tx<'_>,
    now: Millis,
    told: &Told,
    (workgroup, ends_at): (&str, Millis),
) -> Result<CareDone, Problem> {
    check_reason(&told.reason)?;
    if ends_at <= now || ends_at.saturating_sub(now) > MILLIS_MAX {
        let message = "It is released for a day at most.";
        return Err(Problem::new(problem::Kind::Value, message));
    }
    let team = Sql::new("SELECT 1 FROM care_workgroup WHERE workgroup = $1 LIMIT 1");
    if tx.row(&team.with(workgroup)).await?.is_none() {
        let message = "There is nobody in that team.";
        return Err(Problem::new(problem::Kind::Value, message));
    }
    let sql = Sql::new(
        "INSERT INTO care_team_opening (org, patient, workgroup, account, who, reason, starts_at, \
         ends_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    );
    let sql = sql
        .with(told.organisation.as_str())
        .with(told.patient.as_str())
        .with(workgroup)
        .with(told.account)
        .with(told.name.as_str())
        .with(told.reason.as_str())
        .with(now)
        .with(ends_at);
    tx.execute(&sql).await?;
    notify(tx, now, KIND, told).await?;
    let minutes = ends_at.saturating_sub(now) / 60_000;
    let item = Told {
        reason: format!("to {workgroup} for {minutes} minutes: {}", told.reason),
        ..told.clone()
    };
    list(tx, now, KIND, &item).await.map(CareDone::Listed)
}

/// Ends one now.
///
/// # Errors
/// `NotFound` if it is not live, or about another patient.
pub(super) async fn recall(
    tx: &mut Tx<'_>,
    now: Millis,
    (number, patient): (i64, &str),
) -> Result<CareDone, Problem> {
    let sql = Sql::new(
        "UPDATE care_team_opening SET ends_at = $1 WHERE number = $2 AND patient = $3 \
         AND ends_at > $1",
    );
    match tx
        .execute(&sql.with(now).with(number).with(patient))
        .await?
    {
        0 => Err(Problem::new(
            problem::Kind::NotFound,
            "It has ended already.",
        )),
        changed => Ok(CareDone::Changed(changed)),
    }
}

impl Store {
    /// What is open to the account because it is released to a team that it is in.
    pub(super) async fn openings_of_teams(
        &self,
        account: i64,
        now: Millis,
    ) -> Result<Vec<Opening>, Problem> {
        let sql = Sql::new(
            "SELECT t.patient, t.ends_at FROM care_workgroup w JOIN care_team_opening t \
             ON t.workgroup = w.workgroup WHERE w.account = $1 AND t.ends_at > $2 \
             ORDER BY t.ends_at DESC LIMIT $3",
        );
        let sql = sql.with(account).with(now).with(LISTED_MAX);
        let rows = self.rows(&sql).await?;
        let opening = |row: &crate::row::Row| {
            Ok(Opening {
                kind: OpeningKind::Whereabouts,
                patient: row.text(0)?.to_string(),
                ends_at: row.int(1)?,
            })
        };
        rows.iter().map(opening).collect()
    }

    /// To which teams it is released now where the patient lives.
    ///
    /// # Errors
    /// `Forbidden` for a scope of no staff; those of the database.
    pub async fn team_openings(
        &self,
        scope: &Scope,
        patient: &str,
    ) -> Result<Vec<TeamOpening>, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT number, workgroup, who, reason, ends_at FROM care_team_opening \
             WHERE patient = $1 AND ends_at > $2 ORDER BY ends_at LIMIT $3",
        );
        let sql = sql.with(patient).with(self.now()).with(LISTED_MAX);
        let rows = self.rows(&sql).await?;
        if scope.interaction() != Interaction::System {
            let target = Target {
                patient: Some(patient.to_string()),
                query: Some("team releases".into()),
                ..Target::default()
            };
            let line = scope.trace(scope.interaction(), Outcome::Success, target);
            self.traced(vec![line]).await?;
        }
        let opening = |row: &crate::row::Row| {
            Ok(TeamOpening {
                number: row.int(0)?,
                workgroup: row.text(1)?.to_string(),
                who: row.text(2)?.to_string(),
                reason: row.text(3)?.to_string(),
                ends_at: row.int(4)?,
            })
        };
        rows.iter().map(opening).collect()
    }
}
