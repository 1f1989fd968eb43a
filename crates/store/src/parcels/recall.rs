//! Letters that were called back after they had left by fax or as ITK3 documents. No receipt reaches who has them, so they stay
//! in the state they are in, and stand on a list until a person has told whoever got them.

use access::{Outcome, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::event::{self, Actor, Known};
use super::outgoing::{gone, take_back};
use super::state::State;
use super::{ParcelDone, ParcelWrite, lists, shown};
use crate::database::Tx;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;
use crate::write::{Effect, Job};

/// The words of the steps: it was called back too late, and whoever got it was told by a person.
pub const RECALLED: &str = "recalled";
pub const RUNG: &str = "rung";

/// The most that are listed.
const LISTED_MAX: u32 = 1000;

/// A letter about which somebody must ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recall {
    pub pid: i64,
    /// The ODS code of the organisation that it was for.
    pub other: String,
    /// When it was accepted for sending.
    pub accepted_at: Millis,
    /// When it was called back.
    pub at: Millis,
    /// Why, in a plain sentence.
    pub reason: String,
    /// Where its fax stands, in the words of `fax_out`; `None` if it was never to go by fax.
    pub fax: Option<String>,
    /// The number that was dialled; empty for none.
    pub dialled: String,
    /// Where it stands as an ITK3 document, in the words of `itk3_out`; `None` if it was never to go so.
    pub itk3: Option<String>,
    /// The mailbox that it was for; empty where MESH found the practice.
    pub mailbox: String,
}

/// Calls a letter back for a system that says that it does not hold. Whether it is withdrawn now: what has left by a way on
/// which nothing comes back is put before a person instead.
pub(super) async fn call_back(
    tx: &mut Tx<'_>,
    now: Millis,
    letter: &Known,
    reason: &str,
) -> Result<bool, Problem> {
    if !letter.state.may_become(State::Withdrawn) {
        return Ok(false);
    }
    let by_itk3 = crate::itk3::has_left(tx, letter.pid).await?;
    let by_fax = crate::fax::has_left(tx, letter.pid).await?;
    if by_itk3 || by_fax {
        ask(tx, now, letter, reason).await?;
    }
    // One that MESH had and that was to leave by fax instead, or that failed behind its first page, is stopped there, and
    // rung about all the same.
    let is_stopped = match letter.by_fax {
        true => !by_fax || crate::fax::is_waiting(tx, letter.pid).await?,
        false => !by_itk3 || crate::itk3::is_waiting(tx, letter.pid).await?,
    };
    if !is_stopped {
        return Ok(false);
    }
    let nobody = Actor::default();
    take_back(tx, now, letter, State::Withdrawn, &nobody, reason).await
}

/// Puts it onto the list, once.
async fn ask(tx: &mut Tx<'_>, now: Millis, letter: &Known, reason: &str) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO parcel_recall (pid, at, reason, rung_at, rung_by) VALUES ($1, $2, $3, 0, '') \
         ON CONFLICT (pid) DO NOTHING",
    );
    let sql = sql.with(letter.pid).with(now).with(reason);
    if tx.execute(&sql).await? == 0 {
        return Ok(());
    }
    event::add(tx, now, letter, RECALLED, &Actor::default(), reason).await?;
    // It stands beside the state on the sender's board.
    event::set_reason(tx, letter.pid, &beside(reason)).await
}

fn beside(reason: &str) -> String {
    format!("Called back. {reason}")
}

/// Why it was called back, if it was.
async fn why(tx: &mut Tx<'_>, pid: i64) -> Result<Option<String>, Problem> {
    let sql = Sql::new("SELECT reason FROM parcel_recall WHERE pid = $1").with(pid);
    let row = tx.row(&sql).await?;
    row.map(|row| row.text(0).map(str::to_string)).transpose()
}

/// Keeps that sentence beside the state of a letter that goes on after it was called back.
pub(crate) async fn remind(tx: &mut Tx<'_>, pid: i64) -> Result<(), Problem> {
    match why(tx, pid).await? {
        Some(reason) => event::set_reason(tx, pid, &beside(&reason)).await,
        None => Ok(()),
    }
}

/// A letter that was called back on its way out, and did not get out after all, is withdrawn now and not tried again. If
/// `nothing_left`, nobody need be rung.
pub(crate) async fn stop(
    tx: &mut Tx<'_>,
    now: Millis,
    pid: i64,
    nothing_left: bool,
) -> Result<(), Problem> {
    let Some(reason) = why(tx, pid).await? else {
        return Ok(());
    };
    let letter = event::by_pid(tx, pid).await?.ok_or_else(gone)?;
    let nobody = Actor::default();
    take_back(tx, now, &letter, State::Withdrawn, &nobody, &reason).await?;
    if nothing_left {
        event::set_reason(tx, pid, &reason).await?;
        let sql = Sql::new("DELETE FROM parcel_recall WHERE pid = $1 AND rung_at = 0").with(pid);
        tx.execute(&sql).await?;
    }
    Ok(())
}

/// That a letter may be sent again.
///
/// # Errors
/// `BusinessRule` if it was called back.
pub(crate) async fn check(tx: &mut Tx<'_>, pid: i64) -> Result<(), Problem> {
    match why(tx, pid).await? {
        Some(_) => Err(Problem::new(
            Kind::BusinessRule,
            "The letter was called back, so it is not sent again: have a new one written.",
        )),
        None => Ok(()),
    }
}

/// A person has told whoever got it.
pub(super) async fn rung(
    tx: &mut Tx<'_>,
    now: Millis,
    pid: i64,
    (who, role, account): (&str, &str, Option<i64>),
) -> Result<ParcelDone, Problem> {
    let sql = Sql::new(
        "UPDATE parcel_recall SET rung_at = $1, rung_by = $2 WHERE pid = $3 AND rung_at = 0",
    );
    let sql = sql.with(now).with(who).with(pid);
    let rows = tx.execute(&sql).await?;
    if rows > 0 {
        let letter = event::by_pid(tx, pid).await?.ok_or_else(gone)?;
        let actor = Actor {
            who: who.to_string(),
            role: role.to_string(),
            account,
        };
        event::add(tx, now, &letter, RUNG, &actor, "").await?;
    }
    Ok(ParcelDone::Rows(rows))
}

impl Store {
    /// Letters about which somebody must ring, the oldest first. What is locked is its workgroup's to see to.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn recalls(&self, scope: &Scope, count: u32) -> Result<Vec<Recall>, Problem> {
        let mut sql = Sql::new(
            "SELECT p.pid, p.recipient, p.stored_at, a.at, a.reason, f.state, COALESCE(f.dialled, ''), i.state, \
             COALESCE(i.mailbox, '') FROM parcel_recall a JOIN parcel p ON p.pid = a.pid \
             LEFT JOIN fax_out f ON f.pid = p.pid LEFT JOIN itk3_out i ON i.pid = p.pid",
        );
        shown::push_document(&mut sql, scope, self.document_word().await?);
        sql.push(" WHERE a.rung_at = 0");
        shown::push_unlocked(&mut sql, scope);
        sql.push(" ORDER BY a.at, a.pid LIMIT ")
            .bind(count.min(LISTED_MAX));
        self.rows_apart(sql).await?.iter().map(recall).collect()
    }

    /// Takes a letter off that list, in the name of who has told whoever got it.
    ///
    /// # Errors
    /// `NotFound` if there is no such letter for the caller; `Forbidden` for who may not change anything, or from whom it
    /// is withheld.
    pub async fn rung(&self, scope: &Scope, pid: i64) -> Result<(), Problem> {
        let owner = lists::owner(self, scope)?;
        if !scope.may_change() {
            let message = "This is not part of your role.";
            return Err(Problem::new(Kind::Forbidden, message));
        }
        self.letter_within(scope, &owner, pid).await?;
        let agent = scope.agent();
        let write = ParcelWrite::Rung {
            pid,
            who: agent.name.clone(),
            role: agent.role.clone().unwrap_or_default().into_owned(),
            account: agent.account,
        };
        let job = Job {
            effects: vec![Effect::Parcel(write)],
            traces: vec![lists::line(scope, pid, (None, None), Outcome::Success)],
            ..Job::default()
        };
        self.commit(scope, job).await.map(|_| ())
    }
}

fn recall(row: &Row) -> Result<Recall, Problem> {
    let text = |column: usize| row.text(column).map(str::to_string);
    Ok(Recall {
        pid: row.int(0)?,
        other: text(1)?,
        accepted_at: row.int(2)?,
        at: row.int(3)?,
        reason: text(4)?,
        fax: row.text_opt(5)?.map(str::to_string),
        dialled: text(6)?,
        itk3: row.text_opt(7)?.map(str::to_string),
        mailbox: text(8)?,
    })
}
