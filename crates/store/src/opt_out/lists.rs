//! What was asked, and whom about.

use access::{NhsNumber, Reach, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::resources::facts;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;
use crate::words;

/// Identifiers that are looked at together.
pub(super) const PAGE: u32 = 5000;

/// How far a check has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckState {
    /// Whom it is about is being listed.
    Asking,
    Sent,
    Answered,
    Failed,
}

impl CheckState {
    pub fn code(self) -> &'static str {
        match self {
            CheckState::Asking => "asking",
            CheckState::Sent => "sent",
            CheckState::Answered => "answered",
            CheckState::Failed => "failed",
        }
    }

    fn of(code: &str) -> CheckState {
        match code {
            "asking" => CheckState::Asking,
            "sent" => CheckState::Sent,
            "answered" => CheckState::Answered,
            _ => CheckState::Failed,
        }
    }
}

/// A question to the national service, and what came of it: times and counts, no numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub number: i64,
    /// What it was sent under: the answer comes back under it.
    pub reference: String,
    pub state: CheckState,
    /// The message exchange's id of what was sent; empty before.
    pub message: String,
    /// NHS numbers asked about.
    pub asked: u64,
    /// Those of them that the answer names: they may be used.
    pub usable: u64,
    pub begun_at: Millis,
    /// 0 before.
    pub sent_at: Millis,
    /// When it was answered, or failed; 0 before.
    pub answered_at: Millis,
    /// Why it failed.
    pub reason: String,
}

/// Where the node stands with its checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The one whose answer is obeyed.
    pub in_force: Option<Check>,
    /// The latest of all.
    pub latest: Option<Check>,
}

/// What the answer in force says of one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Nobody has asked about them, or no answer has come: nothing is known.
    NotKnown,
    /// They were asked about at that time, and the answer does not name them as one who may be used.
    OptedOut(Millis),
    NotOptedOut(Millis),
}

/// Where a listing of identifiers stands: the last one's text and row.
pub(super) type After = (String, i64);

const CHECK: &str = "SELECT number, reference, state, message, asked, usable, begun_at, sent_at, \
     answered_at, reason FROM opt_out_check ";

impl Store {
    /// The checks that matter.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn opt_out_standing(&self) -> Result<Standing, Problem> {
        let mut in_force = Sql::new(CHECK);
        in_force.push("WHERE state = 'answered' ORDER BY number DESC LIMIT 1");
        let mut latest = Sql::new(CHECK);
        latest.push("ORDER BY number DESC LIMIT 1");
        Ok(Standing {
            in_force: self.rows(&in_force).await?.first().map(check).transpose()?,
            latest: self.rows(&latest).await?.first().map(check).transpose()?,
        })
    }

    /// What the answer in force says of a patient who reads about themselves, by their own number.
    ///
    /// # Errors
    /// `Forbidden` for a scope that is not one patient's; those of the database.
    pub async fn opt_out_choice(
        &self,
        scope: &Scope,
        number: &NhsNumber,
    ) -> Result<Choice, Problem> {
        self.may_look(scope)?;
        if !matches!(scope.reach(), Reach::Compartment { .. }) {
            let message = "What somebody chose is told to themselves alone.";
            return Err(Problem::new(Kind::Forbidden, message));
        }
        let Some(check) = self.opt_out_standing().await?.in_force else {
            return Ok(Choice::NotKnown);
        };
        let sql = Sql::new(
            "SELECT usable FROM opt_out_number WHERE check_number = $1 AND nhs_number = $2",
        );
        let sql = sql.with(check.number).with(number.digits().to_string());
        let rows = self.rows_apart(sql).await?;
        Ok(match rows.first().map(|row| row.flag(0)).transpose()? {
            None => Choice::NotKnown,
            Some(true) => Choice::NotOptedOut(check.sent_at),
            Some(false) => Choice::OptedOut(check.sent_at),
        })
    }

    /// NHS numbers of the patients within the scope, some thousands at a time, and where to go on;
    /// what is no NHS number is left out. `None` at the end. The first page is after ("", 0).
    ///
    /// # Errors
    /// `Forbidden` if the scope is no scope for reading.
    pub async fn opt_out_people(
        &self,
        scope: &Scope,
        after: &(String, i64),
    ) -> Result<Option<(Vec<NhsNumber>, (String, i64))>, Problem> {
        self.may_look(scope)?;
        let (rows, next) = self.identifiers(scope, after).await?;
        let read = |(text, _): &(String, i64)| NhsNumber::parse(text).ok();
        Ok(next.map(|next| (rows.iter().filter_map(read).collect(), next)))
    }

    /// The NHS numbers of that check, in order, after that one, at most `count`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn opt_out_asked(
        &self,
        number: i64,
        after: &str,
        count: u32,
    ) -> Result<Vec<NhsNumber>, Problem> {
        let sql = Sql::new(
            "SELECT nhs_number FROM opt_out_number WHERE check_number = $1 AND nhs_number > $2 \
             ORDER BY nhs_number LIMIT $3",
        );
        let sql = sql.with(number).with(after.to_string()).with(count);
        let rows = self.rows_apart(sql).await?;
        rows.iter()
            .map(|row| NhsNumber::parse(row.text(0)?))
            .collect()
    }

    /// How many numbers that check is about, as far as they are listed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn opt_out_count(&self, number: i64) -> Result<u64, Problem> {
        let sql = Sql::new("SELECT COUNT(*) FROM opt_out_number WHERE check_number = $1");
        let rows = self.rows_apart(sql.with(number)).await?;
        let count = rows.first().map_or(Ok(0), |row| row.int(0))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Identifiers of patients that stand under the system of NHS numbers, with the rows of their
    /// patients.
    pub(super) async fn identifiers(
        &self,
        scope: &Scope,
        (text, rid): &After,
    ) -> Result<(Vec<(String, i64)>, Option<After>), Problem> {
        let mut buffer = String::new();
        let parameter = words::parameter(&mut buffer, "Patient", "identifier");
        let mut sql = Sql::new(
            "SELECT i.code, i.rid FROM ix_token i JOIN res r ON r.shard = i.shard AND r.rid = i.rid \
             WHERE i.param = ",
        );
        sql.bind(self.word(parameter).await?)
            .push(" AND (i.code, i.rid) > (")
            .bind(text.clone())
            .push(", ")
            .bind(*rid)
            .push(") AND i.system = ")
            .bind(self.word(NhsNumber::SYSTEM).await?)
            .push(" AND r.del = 0");
        facts::push_scope(&mut sql, scope);
        sql.push(" ORDER BY i.code, i.rid LIMIT ").bind(PAGE);
        let mut found = Vec::new();
        for row in self.rows_apart(sql).await? {
            found.push((row.text(0)?.to_string(), row.int(1)?));
        }
        let next = found.last().cloned();
        Ok((found, next))
    }
}

fn check(row: &Row) -> Result<Check, Problem> {
    let count = |at| row.int(at).map(|count| u64::try_from(count).unwrap_or(0));
    Ok(Check {
        number: row.int(0)?,
        reference: row.text(1)?.to_string(),
        state: CheckState::of(row.text(2)?),
        message: row.text(3)?.to_string(),
        asked: count(4)?,
        usable: count(5)?,
        begun_at: row.int(6)?,
        sent_at: row.int(7)?,
        answered_at: row.int(8)?,
        reason: row.text(9)?.to_string(),
    })
}
