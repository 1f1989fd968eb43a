//! How referrals stand, and what waits for a person.

use access::{Interaction, Outcome, Reach, Scope, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{Referral, ReferralState, Way};
use crate::parcels::{Named, State};
use crate::reach::{forbidden, staff};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Rows of one list at most.
const ROWS_MAX: u32 = 200;

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferralList {
    /// Came in, and waits for a clinician's decision or for an answer to a question; or something came of it since.
    ToTriage,
    /// Came in and was decided.
    Decided,
    /// Sent, all of them.
    Sent,
}

/// How many there are on lists. No patient is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReferralCounts {
    pub to_triage: u64,
    pub unmatched: u64,
    /// Sent, with a question, a return or other news that nobody here has looked at.
    pub news: u64,
}

/// A referral that came, of which nobody has said whose it is; or a step that could not be taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnmatchedReferral {
    pub pid: i64,
    pub sender: String,
    /// The referral's id at who refers.
    pub asked_as: String,
    pub came_at: Millis,
    pub urgent: bool,
    pub why: String,
    pub named: Named,
    /// The parcel as its sender wrote it.
    pub text: String,
}

/// A step that does not get to the other side. Names no patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckReferral {
    /// The parcel's number here.
    pub pid: i64,
    pub other: String,
    pub state: State,
    pub since: Millis,
    pub reason: String,
    /// Whether it came in, and could not be taken in.
    pub inward: bool,
}

/// What is known of a message of BaRS that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub digest: String,
    pub referral: String,
    pub taken_at: Millis,
}

const REFERRAL: &str = "SELECT r.id, r.inward, r.way, r.other, r.asked_as, r.patient, r.urgency, r.state, r.made_at, \
     r.state_at, r.steps, r.told, r.news, r.parcel, r.promised_by, r.appointment, r.version FROM referral r WHERE ";
const OPEN: &str = "r.inward = 1 AND (r.state IN ('waiting', 'asked') OR r.news = 1)";

impl Store {
    /// The referral of that ServiceRequest, if there is one and the scope reaches its patient.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn referral(&self, scope: &Scope, id: &str) -> Result<Option<Referral>, Problem> {
        may(scope)?;
        let mut sql = Sql::new(REFERRAL);
        sql.push("r.id = ").bind(id);
        let rows = self.rows(&sql).await?;
        let found = rows.first().map(referral).transpose()?;
        Ok(found.filter(|it| reaches(scope, it)))
    }

    /// All referrals of one patient, the newest first, as far as the scope reaches them.
    ///
    /// # Errors
    /// As `referral`.
    pub async fn referrals_of(
        &self,
        scope: &Scope,
        patient: &str,
    ) -> Result<Vec<Referral>, Problem> {
        may(scope)?;
        let mut sql = Sql::new(REFERRAL);
        sql.push("r.patient = ").bind(patient);
        sql.push(" ORDER BY r.made_at DESC, r.id LIMIT ")
            .bind(ROWS_MAX);
        let rows = self.rows(&sql).await?;
        let mut found = rows.iter().map(referral).collect::<Result<Vec<_>, _>>()?;
        found.retain(|it| reaches(scope, it));
        Ok(found)
    }

    /// One list, for staff: what is most urgent and has waited longest first; of what was decided or sent, the newest. What
    /// each is about is read under the caller's own scope.
    ///
    /// # Errors
    /// `Forbidden` for a scope that is no staff's; those of the database.
    pub async fn referrals(
        &self,
        scope: &Scope,
        list: ReferralList,
        count: u32,
    ) -> Result<Vec<Referral>, Problem> {
        staff(scope)?;
        may(scope)?;
        let mut sql = Sql::new(REFERRAL);
        match list {
            ReferralList::ToTriage => sql.push(OPEN).push(
                " ORDER BY CASE r.urgency WHEN 'stat' THEN 0 WHEN 'asap' THEN 1 WHEN 'urgent' THEN 2 ELSE 3 END, \
                 r.made_at, r.id LIMIT ",
            ),
            ReferralList::Decided => sql.push(
                "r.inward = 1 AND r.news = 0 AND r.state NOT IN ('waiting', 'asked') \
                 ORDER BY r.state_at DESC, r.id LIMIT ",
            ),
            ReferralList::Sent => sql.push(
                "r.inward = 0 ORDER BY r.news DESC, r.state_at DESC, r.id LIMIT ",
            ),
        };
        sql.bind(count.min(ROWS_MAX));
        let rows = self.rows_apart(sql).await?;
        rows.iter().map(referral).collect()
    }

    /// How many wait.
    ///
    /// # Errors
    /// As `referrals`.
    pub async fn referral_counts(&self, scope: &Scope) -> Result<ReferralCounts, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT (SELECT COUNT(*) FROM referral WHERE inward = 1 AND (state IN ('waiting', 'asked') OR news = 1)), \
             (SELECT COUNT(*) FROM parcel WHERE kind = 'referral' AND direction = 1 AND unmatched = 1), \
             (SELECT COUNT(*) FROM referral WHERE inward = 0 AND news = 1)",
        );
        let rows = self.rows(&sql).await?;
        let count = |at: usize| {
            let value = rows.first().map_or(Ok(0), |row| row.int(at))?;
            Ok::<u64, Problem>(u64::try_from(value).unwrap_or_default())
        };
        Ok(ReferralCounts {
            to_triage: count(0)?,
            unmatched: count(1)?,
            news: count(2)?,
        })
    }

    /// What came of which nobody has said whose it is, urgent first, then the oldest; each is traced. With `pid` only that
    /// one.
    ///
    /// # Errors
    /// As `referrals`.
    pub async fn referrals_unmatched(
        &self,
        scope: &Scope,
        pid: Option<i64>,
        count: u32,
    ) -> Result<Vec<UnmatchedReferral>, Problem> {
        staff(scope)?;
        may(scope)?;
        let mut sql = Sql::new(
            "SELECT pid, sender, unique_id, stored_at, urgent, COALESCE(reason, ''), nhs_number, birth_date, family, \
             given, text FROM parcel WHERE kind = 'referral' AND direction = 1 AND unmatched = 1",
        );
        if let Some(pid) = pid {
            sql.push(" AND pid = ").bind(pid);
        }
        sql.push(" ORDER BY urgent DESC, pid LIMIT ")
            .bind(count.min(ROWS_MAX));
        let rows = self.rows(&sql).await?;
        let mut found = Vec::new();
        let mut lines = Vec::new();
        for row in &rows {
            let text = |at: usize| row.text(at).map(str::to_string);
            let some = |at: usize| Ok::<_, Problem>(row.text_opt(at)?.map(str::to_string));
            let pid = row.int(0)?;
            let target = Target {
                ty: "ServiceRequest".into(),
                query: Some(format!("parcel={pid}").into()),
                ..Target::default()
            };
            lines.push(scope.trace(scope.interaction(), Outcome::Success, target));
            found.push(UnmatchedReferral {
                pid,
                sender: text(1)?,
                asked_as: text(2)?,
                came_at: row.int(3)?,
                urgent: row.flag(4)?,
                why: text(5)?,
                named: Named {
                    nhs_number: some(6)?,
                    birth_date: some(7)?,
                    family: text(8)?,
                    given: text(9)?,
                },
                text: text(10)?,
            });
        }
        self.traced(lines).await?;
        Ok(found)
    }

    /// Steps that could not be delivered, the oldest first.
    ///
    /// # Errors
    /// `Forbidden` for a scope that is not for the work list; those of the database.
    pub async fn stuck_referrals(
        &self,
        scope: &Scope,
        count: u32,
    ) -> Result<Vec<StuckReferral>, Problem> {
        if scope.interaction() != Interaction::WorkList {
            return Err(forbidden());
        }
        let sql = Sql::new(
            "SELECT p.pid, CASE WHEN p.direction = 1 THEN p.sender ELSE p.recipient END, p.state, p.state_at, \
             COALESCE(p.reason, ''), p.direction FROM parcel p WHERE p.kind = 'referral' AND \
             (p.direction = 0 AND p.state = 'undeliverable' OR p.direction = 1 AND p.unmatched = 1) \
             ORDER BY p.state_at, p.pid LIMIT $1",
        );
        let rows = self.rows(&sql.with(count.min(ROWS_MAX))).await?;
        let read = |row: &Row| {
            Ok(StuckReferral {
                pid: row.int(0)?,
                other: row.text(1)?.to_string(),
                state: State::from_code(row.text(2)?).unwrap_or(State::Undeliverable),
                since: row.int(3)?,
                reason: row.text(4)?.to_string(),
                inward: row.flag(5)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// How far this side's last parcel of a referral got, and why not farther.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn referral_parcel(
        &self,
        referral: &Referral,
    ) -> Result<Option<(State, Millis, String)>, Problem> {
        if referral.parcel.is_empty() {
            return Ok(None);
        }
        if referral.way == Way::Bars {
            return self.bars_out_state(&referral.parcel).await;
        }
        let sql = Sql::new(
            "SELECT state, state_at, COALESCE(reason, '') FROM parcel WHERE sender = $1 AND id = $2",
        );
        let own = self.organisation().as_str();
        let rows = self
            .rows(&sql.with(own).with(referral.parcel.as_str()))
            .await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let (state, at) = (State::from_code(row.text(0)?), row.int(1)?);
        let why = row.text(2)?.to_string();
        Ok(state.map(|state| (state, at, why)))
    }

    /// The last message of BaRS that came about a referral: its id, and what it correlates with. Empty if none did.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn last_bars_message(
        &self,
        scope: &Scope,
        referral: &str,
    ) -> Result<(String, String), Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT id, correlation_id FROM bars_message WHERE referral = $1 ORDER BY taken_at DESC, id LIMIT 1",
        );
        let rows = self.rows(&sql.with(referral)).await?;
        let read = |row: &Row| Ok((row.text(0)?.to_string(), row.text(1)?.to_string()));
        let found = rows.first().map(read).transpose()?;
        Ok(found.unwrap_or_default())
    }

    /// The referral that a message of ours by BaRS was about.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn bars_referral(&self, scope: &Scope, id: &str) -> Result<Option<String>, Problem> {
        staff(scope)?;
        let sql = Sql::new("SELECT referral FROM bars_out WHERE id = $1");
        let rows = self.rows(&sql.with(id)).await?;
        let read = |row: &Row| row.text(0).map(str::to_string);
        rows.first().map(read).transpose()
    }

    /// What is known of a message of BaRS.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn bars_message(&self, scope: &Scope, id: &str) -> Result<Option<Known>, Problem> {
        staff(scope)?;
        let sql = Sql::new("SELECT digest, referral, taken_at FROM bars_message WHERE id = $1");
        let rows = self.rows(&sql.with(id)).await?;
        let read = |row: &Row| {
            Ok(Known {
                digest: row.text(0)?.to_string(),
                referral: row.text(1)?.to_string(),
                taken_at: row.int(2)?,
            })
        };
        rows.first().map(read).transpose()
    }
}

fn referral(row: &Row) -> Result<Referral, Problem> {
    let text = |at: usize| row.text(at).map(str::to_string);
    let number = |at: usize| Ok::<u32, Problem>(u32::try_from(row.int(at)?).unwrap_or(u32::MAX));
    let nameless = || Problem::new(Kind::Exception, "A referral is in a state of no name.");
    Ok(Referral {
        id: text(0)?,
        inward: row.flag(1)?,
        way: Way::from_code(row.text(2)?),
        other: text(3)?,
        asked_as: text(4)?,
        patient: text(5)?,
        urgency: text(6)?,
        state: ReferralState::from_code(row.text(7)?).ok_or_else(nameless)?,
        made_at: row.int(8)?,
        state_at: row.int(9)?,
        steps: number(10)?,
        told: number(11)?,
        news: row.flag(12)?,
        parcel: text(13)?,
        promised_by: row.int(14)?,
        appointment: text(15)?,
        version: row.int(16)?,
    })
}

/// Whether a scope is about referrals.
pub(super) fn may(scope: &Scope) -> Result<(), Problem> {
    let is_about = matches!(
        scope.interaction(),
        Interaction::Referrals
            | Interaction::Refer
            | Interaction::TriageReferral
            | Interaction::MatchLetter
            | Interaction::Record
            | Interaction::Create
            | Interaction::Read
            | Interaction::Search
    );
    if is_about || matches!(scope.reach(), Reach::Everything) {
        return Ok(());
    }
    Err(forbidden())
}

/// A row tells no more than that there is a referral; what it is about is in the ServiceRequest, which is read under the
/// scope itself. The patient's is asked here too.
fn reaches(scope: &Scope, referral: &Referral) -> bool {
    match scope.reach() {
        Reach::Compartment { patient, .. } => *patient == referral.patient,
        Reach::Organisation(_) | Reach::Everything => true,
        Reach::Mailbox(_) => false,
    }
}
