//! Filing many letters together, with a time in which that can be undone.
//!
//! Invariant: what nobody has opened is not filed with others. Invariant: while it can be undone neither the sender nor the
//! patient is told: a receipt is signed and cannot be taken back.

use access::{Ods, Outcome, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::event::{self, Actor};
use super::lists::{self, Letter};
use super::outgoing::gone;
use super::shown::{self, Shown};
use super::state::State;
use super::{Made, ParcelDone, ParcelWrite};
use crate::database::Tx;
use crate::desk::{DeskWrite, Whose};
use crate::resources::Release;
use crate::sql::Sql;
use crate::store::Store;
use crate::write::{Effect, Job};

/// The most letters filed together.
pub const BULK_MAX: usize = 50;
/// How long it can be undone.
pub const UNDO_MILLIS: Millis = 10 * 60_000;
/// Receipts leave so much later than undoing ends: clocks of several processes differ.
pub(super) const MARGIN: Millis = 15_000;
/// Filings listed at most.
const LISTED_MAX: i64 = 20;
/// How often undoing is tried again that met another change.
pub(super) const TRIES: usize = 5;

/// What became of the step by which a letter was filed, and the step that undid it.
pub(super) const FILED_UNDONE: &str = "filed-undone";
pub(super) const PUT_BACK: &str = "put-back";

/// Why a letter stays where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    Withheld,
    Unmatched,
    BeingTakenIn,
    /// Nobody has opened it.
    Unopened,
    Urgent,
    /// Its sender is answered at once, which cannot be undone.
    ByMesh,
    /// Somebody was faster, or it ended otherwise.
    Over(State),
}

/// A letter that was chosen, and whether it would be filed.
#[derive(Clone, Debug)]
pub struct Weighed {
    pub letter: Letter,
    pub stays: Option<Stays>,
}

/// What was filed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filing {
    pub id: String,
    pub account: i64,
    pub who: String,
    pub at: Millis,
    /// Until when it can be undone.
    pub until: Millis,
    pub letters: u64,
    /// Who undid it, and how many letters went back; empty while nobody did.
    pub undone_by: String,
    pub put_back: u64,
}

/// What undoing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undone {
    pub put_back: u64,
    /// Letters of which something else had become meanwhile.
    pub stay: u64,
}

/// A filing as the writer applies it.
#[derive(Clone, Debug)]
pub struct FileMany {
    id: String,
    owner: Ods,
    actor: Actor,
    until: Millis,
    letters: Vec<Chosen>,
}

#[derive(Clone, Debug)]
struct Chosen {
    pid: i64,
    seen: Made,
    release_at: Option<Millis>,
}

/// Its undoing.
#[derive(Clone, Debug)]
pub struct PutBack {
    id: String,
    owner: Ods,
    actor: Actor,
    letters: Vec<Back>,
}

#[derive(Clone, Debug)]
pub(super) struct Back {
    pub(super) pid: i64,
    pub(super) seq: i64,
    /// As the job saw it.
    pub(super) marked: bool,
    pub(super) made: Made,
    pub(super) release_at: Option<Millis>,
}

fn why(letter: &Letter) -> Option<Stays> {
    if letter.shown != Shown::Whole {
        return Some(Stays::Withheld);
    }
    match letter.state {
        State::Delivered | State::Opened if letter.unmatched => Some(Stays::Unmatched),
        State::Delivered | State::Opened if letter.made.document.is_none() => {
            Some(Stays::BeingTakenIn)
        }
        State::Delivered => Some(Stays::Unopened),
        State::Opened if letter.urgent => Some(Stays::Urgent),
        State::Opened if letter.by_itk3 => Some(Stays::ByMesh),
        State::Opened => None,
        state => Some(Stays::Over(state)),
    }
}

impl Store {
    /// The letters of these numbers that came in, each with whether it would be filed together with others, and traced. What
    /// is locked or not there is left out.
    ///
    /// # Errors
    /// `Forbidden`; `TooLong` for more than `BULK_MAX`.
    pub async fn weigh(&self, scope: &Scope, pids: &[i64]) -> Result<Vec<Weighed>, Problem> {
        let owner = lists::owner(self, scope)?;
        if pids.len() > BULK_MAX {
            let message = "At most 50 letters are filed together: choose fewer.";
            return Err(Problem::new(Kind::TooLong, message));
        }
        if pids.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = lists::reading(scope, owner, self.document_word().await?);
        sql.push(" AND p.direction = 1 AND p.pid IN (");
        for (number, pid) in pids.iter().enumerate() {
            sql.push(if number > 0 { ", " } else { "" }).bind(*pid);
        }
        sql.push(") ORDER BY p.urgent DESC, p.pid DESC");
        let rows = self.rows_apart(sql).await?;
        let letters: Vec<Letter> = rows.iter().map(lists::letter).collect::<Result<_, _>>()?;
        let trace =
            |it: &Letter| lists::line(scope, it.pid, shown::named(&it.made), it.shown.outcome());
        self.traced(letters.iter().map(trace).collect()).await?;
        let weighed = |letter: Letter| Weighed {
            stays: why(&letter),
            letter,
        };
        Ok(letters.into_iter().map(weighed).collect())
    }

    /// Files these letters in one commit, under that name, for it to be undone until `UNDO_MILLIS` from now: those of them
    /// that `weigh` says would be filed. How many those are.
    ///
    /// # Errors
    /// `Conflict` if one of them has changed meanwhile, and then none is filed, or if that name was used before; `Required`
    /// if none would be filed; `Forbidden`.
    pub async fn file_many(&self, scope: &Scope, id: &str, pids: &[i64]) -> Result<u64, Problem> {
        let owner = Ods::parse(&lists::owner(self, scope)?)?;
        let actor = actor(scope)?;
        let weighed = self.weigh(scope, pids).await?;
        let until = self.now().saturating_add(UNDO_MILLIS);
        let mut job = Job::default();
        let mut letters = Vec::new();
        for it in weighed.iter().filter(|it| it.stays.is_none()) {
            let letter = &it.letter;
            let release_at = self.released_at(&letter.made).await?;
            if !letter.marked {
                let release = Release::At(until.saturating_add(MARGIN));
                // What the patient can read already stays readable.
                let shown = release_at.is_some_and(|at| at <= until);
                if !shown {
                    job.changes
                        .extend(self.releases(&letter.made, release).await?);
                }
            }
            job.traces.push(lists::line(
                scope,
                letter.pid,
                shown::named(&letter.made),
                Outcome::Success,
            ));
            letters.push(Chosen {
                pid: letter.pid,
                seen: letter.made.clone(),
                release_at,
            });
        }
        if letters.is_empty() {
            let message = "None of the letters that were chosen can be filed together.";
            return Err(Problem::new(Kind::Required, message));
        }
        let count = letters.len() as u64;
        let filing = FileMany {
            id: id.to_owned(),
            owner,
            actor,
            until,
            letters,
        };
        let write = ParcelWrite::FileMany(Box::new(filing));
        job.effects.push(Effect::Parcel(write));
        self.commit(scope, job).await.map(|_| count)
    }

    /// When the patient is shown the letter, as it stands.
    pub(super) async fn released_at(&self, made: &Made) -> Result<Option<Millis>, Problem> {
        let sql = Sql::new(
            "SELECT r.release_at FROM place l JOIN res r ON r.shard = l.shard AND r.rid = l.rid \
             WHERE l.ty = $1 AND l.id = $2",
        );
        let sql = sql.with(self.document_word().await?);
        let rows = self.rows(&sql.with(made.document.as_deref())).await?;
        rows.first().map_or(Ok(None), |row| row.int_opt(0))
    }

    /// Says whose work these letters are, all or none of them; with neither person nor team they are nobody's.
    ///
    /// # Errors
    /// `NotFound` if one of them is not there; `Forbidden`, also if one of them is withheld; `BusinessRule` for who works here
    /// no more, and for what is no team.
    pub async fn assign(&self, scope: &Scope, pids: &[i64], to: &Whose) -> Result<(), Problem> {
        let owner = lists::owner(self, scope)?;
        let by = actor(scope)?.who;
        if pids.len() > BULK_MAX {
            let message = "At most 50 letters are given to somebody at a time: choose fewer.";
            return Err(Problem::new(Kind::TooLong, message));
        }
        let mut job = Job::default();
        for pid in pids {
            self.letter_within(scope, &owner, *pid).await?;
            let sql = Sql::new("SELECT patient, document, binaries FROM parcel WHERE pid = $1");
            let rows = self.rows(&sql.with(*pid)).await?;
            let made = event::made(rows.first().ok_or_else(gone)?, 0)?;
            let named = shown::named(&made);
            job.traces
                .push(lists::line(scope, *pid, named, Outcome::Success));
            job.effects.push(Effect::Desk(DeskWrite::Assign {
                pid: *pid,
                to: to.clone(),
                by: by.clone(),
            }));
        }
        self.commit(scope, job).await.map(|_| ())
    }

    /// What was filed together lately, the newest first.
    ///
    /// # Errors
    /// `Forbidden`.
    pub async fn filings(&self, scope: &Scope) -> Result<Vec<Filing>, Problem> {
        lists::owner(self, scope)?;
        let sql = Sql::new(
            "SELECT id, account, who, at, until, letters, ended_by, put_back FROM parcel_bulk \
             ORDER BY until DESC, id LIMIT $1",
        );
        let rows = self.rows(&sql.with(LISTED_MAX)).await?;
        let filing = |row: &crate::row::Row| {
            Ok(Filing {
                id: row.text(0)?.to_owned(),
                account: row.int(1)?,
                who: row.text(2)?.to_owned(),
                at: row.int(3)?,
                until: row.int(4)?,
                letters: u64::try_from(row.int(5)?).unwrap_or_default(),
                undone_by: row.text(6)?.to_owned(),
                put_back: u64::try_from(row.int(7)?).unwrap_or_default(),
            })
        };
        rows.iter().map(filing).collect()
    }

    /// Puts what was filed under that name back into the inbox: those letters of which nothing else has become since.
    ///
    /// # Errors
    /// `BusinessRule` once the time is over or if it was undone before; `NotFound`; `Forbidden`, also if one of the letters is
    /// withheld from the caller by now.
    pub async fn undo_filing(&self, scope: &Scope, id: &str) -> Result<Undone, Problem> {
        let owner = Ods::parse(&lists::owner(self, scope)?)?;
        let actor = actor(scope)?;
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_undo(scope, id, (&owner, &actor)).await {
                Err(problem) if problem.kind == Kind::Conflict && tries < TRIES => {}
                other => return other,
            }
        }
    }

    async fn try_undo(
        &self,
        scope: &Scope,
        id: &str,
        (owner, actor): (&Ods, &Actor),
    ) -> Result<Undone, Problem> {
        let sql = Sql::new(
            "SELECT b.pid, b.seq, b.release_at, p.state, p.marked, p.patient, p.document, p.binaries \
             FROM parcel_bulk_letter b JOIN parcel p ON p.pid = b.pid WHERE b.bulk = $1 ORDER BY b.pid",
        );
        let rows = self.rows(&sql.with(id)).await?;
        if rows.is_empty() {
            return Err(Problem::new(
                Kind::NotFound,
                "Nothing was filed together under that name.",
            ));
        }
        let mut job = Job::default();
        let mut letters = Vec::new();
        for row in &rows {
            let back = Back {
                pid: row.int(0)?,
                seq: row.int(1)?,
                release_at: row.int_opt(2)?,
                marked: row.flag(4)?,
                made: event::made(row, 5)?,
            };
            if row.text(3)? != State::Filed.code() {
                continue;
            }
            self.letter_within(scope, owner.as_str(), back.pid).await?;
            let release = match (back.marked, back.release_at) {
                (false, Some(at)) => Release::At(at),
                _ => Release::Never,
            };
            job.changes
                .extend(self.releases(&back.made, release).await?);
            let named = shown::named(&back.made);
            job.traces
                .push(lists::line(scope, back.pid, named, Outcome::Success));
            letters.push(back);
        }
        let undone = Undone {
            put_back: letters.len() as u64,
            stay: (rows.len() - letters.len()) as u64,
        };
        let back = PutBack {
            id: id.to_owned(),
            owner: owner.clone(),
            actor: actor.clone(),
            letters,
        };
        let write = ParcelWrite::PutBack(Box::new(back));
        job.effects.push(Effect::Parcel(write));
        self.commit(scope, job).await.map(|_| undone)
    }
}

pub(super) fn actor(scope: &Scope) -> Result<Actor, Problem> {
    if !scope.may_change() {
        return Err(crate::reach::forbidden());
    }
    let agent = scope.agent();
    Ok(Actor {
        who: agent.name.clone(),
        role: agent.role.clone().unwrap_or_default().into_owned(),
        account: agent.account,
    })
}

const MOVED: &str =
    "Somebody has worked on one of these letters meanwhile, so none was filed. Look at them again.";

/// Files them inside the writer. An error undoes all of it.
pub(super) async fn file(
    tx: &mut Tx<'_>,
    now: Millis,
    filing: &FileMany,
) -> Result<ParcelDone, Problem> {
    let sql = Sql::new(
        "INSERT INTO parcel_bulk (id, account, who, at, until, letters, state, ended_by, put_back) \
         VALUES ($1, $2, $3, $4, $5, $6, 'done', '', 0) ON CONFLICT (id) DO NOTHING",
    );
    let count = i64::try_from(filing.letters.len()).unwrap_or(i64::MAX);
    let sql = sql
        .with(filing.id.as_str())
        .with(filing.actor.account.unwrap_or_default())
        .with(filing.actor.who.as_str())
        .with(now)
        .with(filing.until)
        .with(count);
    tx.execute_once(&sql, "These letters have been filed already.")
        .await?;
    for letter in &filing.letters {
        let parcel = event::by_pid(tx, letter.pid).await?.ok_or_else(gone)?;
        if parcel.owner != filing.owner.as_str() || parcel.outward {
            return Err(gone());
        }
        if parcel.made != letter.seen || parcel.state != State::Opened || parcel.by_itk3 {
            return Err(Problem::new(Kind::Conflict, MOVED));
        }
        let note = "filed with others";
        let word = State::Filed.code();
        let seq = event::add(tx, now, &parcel, word, &filing.actor, note).await?;
        event::set_state(tx, parcel.pid, State::Filed, now).await?;
        event::tell_after(tx, &parcel, seq, filing.until.saturating_add(MARGIN)).await?;
        let sql = Sql::new(
            "INSERT INTO parcel_bulk_letter (bulk, pid, seq, release_at) VALUES ($1, $2, $3, $4)",
        );
        let sql = sql.with(filing.id.as_str()).with(parcel.pid).with(seq);
        tx.execute(&sql.with(letter.release_at)).await?;
    }
    Ok(ParcelDone::Rows(filing.letters.len() as u64))
}

/// Undoes it inside the writer.
pub(super) async fn put_back(
    tx: &mut Tx<'_>,
    now: Millis,
    back: &PutBack,
) -> Result<ParcelDone, Problem> {
    let sql = Sql::new(
        "UPDATE parcel_bulk SET state = 'undone', ended_by = $1, put_back = $2 \
         WHERE id = $3 AND state = 'done' AND until > $4",
    );
    let count = i64::try_from(back.letters.len()).unwrap_or(i64::MAX);
    let sql = sql
        .with(back.actor.who.as_str())
        .with(count)
        .with(back.id.as_str())
        .with(now);
    if tx.execute(&sql).await? == 0 {
        let message = "This cannot be undone any more: the time is over and the senders are being told, or it was undone \
                       before.";
        return Err(Problem::new(Kind::BusinessRule, message));
    }
    for letter in &back.letters {
        unfile(tx, now, letter, (&back.owner, &back.actor), State::Opened).await?;
    }
    Ok(ParcelDone::Rows(back.letters.len() as u64))
}

/// Puts one letter back to where it was before it was filed: the step stays under another word, and its receipt never leaves.
pub(super) async fn unfile(
    tx: &mut Tx<'_>,
    now: Millis,
    letter: &Back,
    (owner, actor): (&Ods, &Actor),
    to: State,
) -> Result<(), Problem> {
    let parcel = event::by_pid(tx, letter.pid).await?.ok_or_else(gone)?;
    if parcel.owner != owner.as_str() {
        return Err(gone());
    }
    let sql = Sql::new("SELECT marked FROM parcel WHERE pid = $1").with(letter.pid);
    let marked = tx.row(&sql).await?.map_or(Ok(false), |row| row.flag(0))?;
    let moved = parcel.state != State::Filed || parcel.made != letter.made;
    if moved || marked != letter.marked {
        let message = "One of the letters has just changed; try again.";
        return Err(Problem::new(Kind::Conflict, message));
    }
    let sql = Sql::new("UPDATE parcel_event SET event = $1 WHERE pid = $2 AND seq = $3");
    let sql = sql.with(FILED_UNDONE).with(letter.pid).with(letter.seq);
    tx.execute(&sql).await?;
    let sql = Sql::new("DELETE FROM parcel_receipt WHERE pid = $1 AND seq = $2");
    tx.execute(&sql.with(letter.pid).with(letter.seq)).await?;
    event::add(tx, now, &parcel, PUT_BACK, actor, "").await?;
    event::set_state(tx, letter.pid, to, now).await
}
