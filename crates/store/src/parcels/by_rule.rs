//! Letters that a rule files, and puts back (decision 0290).
//!
//! Invariant: a rule files only what nobody has touched, and nothing that is urgent, withheld or labelled, unmatched, marked by a
//! clinician or its sender, a correction of an earlier letter, or came by fax or MESH. Invariant: while it can be undone neither the
//! sender nor the patient is told.

use access::{AuditEntry, Ods, Outcome, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::bulk::{self, Back, MARGIN};
use super::event::{self, Actor};
use super::lists;
use super::outgoing::gone;
use super::shown;
use super::state::State;
use super::{Made, ParcelDone, ParcelWrite};
use crate::database::Tx;
use crate::resources::Release;
use crate::rules::{Act, RuleWrite};
use crate::sql::Sql;
use crate::store::Store;
use crate::write::{Change, Effect, Job};

/// Why a rule leaves a letter in the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    Urgent,
    /// It came by fax or over MESH: nobody's signature proves its sender, or the sender is answered at once.
    NotSigned,
    /// Something about it is kept from some who work here, or from the patient.
    Withheld,
    /// It stands in an earlier letter's place: somebody may have acted on that one.
    Correction,
    /// Somebody has opened it, has been given it, or has put it away.
    Touched,
    /// It asks for something, or what it asks cannot be told.
    Asks,
}

impl Left {
    pub const ALL: [Left; 6] = [
        Left::Urgent,
        Left::NotSigned,
        Left::Withheld,
        Left::Correction,
        Left::Touched,
        Left::Asks,
    ];

    pub fn code(self) -> &'static str {
        match self {
            Left::Urgent => "urgent",
            Left::NotSigned => "not-signed",
            Left::Withheld => "withheld",
            Left::Correction => "correction",
            Left::Touched => "touched",
            Left::Asks => "asks",
        }
    }

    pub fn from_code(code: &str) -> Option<Left> {
        Left::ALL.into_iter().find(|it| it.code() == code)
    }
}

/// A letter as rules need to know it.
#[derive(Clone, Debug)]
pub struct RuleLetter {
    pub pid: i64,
    /// ODS code.
    pub sender: String,
    pub title: String,
    pub author: String,
    pub urgent: bool,
    pub received_at: Millis,
    pub state: State,
    pub made: Made,
    /// Whether it has been given to somebody.
    pub assigned: bool,
    /// Why no rule files it, as far as its rows tell.
    pub left: Option<Left>,
}

/// A filing as the writer applies it.
#[derive(Clone, Debug)]
pub struct FileByRule {
    pid: i64,
    rule: String,
    key: String,
    step: u16,
    actor: Actor,
    until: Millis,
    seen: Made,
    release_at: Option<Millis>,
}

/// Its undoing.
#[derive(Clone, Debug)]
pub struct PutBackByRule {
    owner: Ods,
    actor: Actor,
    letter: Back,
}

const LETTER: &str = "SELECT p.sender, p.title, p.author, p.urgent, p.marked, p.replaces, p.stored_at, p.state, \
     p.kind, p.patient, p.document, p.binaries, COALESCE(r.guard, 0), COALESCE(r.sensitive, 0), \
     CASE WHEN g.pid IS NULL THEN 0 ELSE 1 END FROM parcel p LEFT JOIN place l ON l.id = p.document AND l.ty = $1 \
     LEFT JOIN res r ON r.shard = l.shard AND r.rid = l.rid LEFT JOIN desk_assigned g ON g.pid = p.pid \
     WHERE p.direction = 1 AND p.unmatched = 0 AND p.document IS NOT NULL AND p.pid = $2";

impl Store {
    /// A letter that came in and is in somebody's record, for the node's own rules and for who tries one out; what it says is read
    /// apart, under a scope. Nothing where there is none.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff; those of the database.
    pub async fn rule_letter(
        &self,
        scope: &Scope,
        pid: i64,
    ) -> Result<Option<RuleLetter>, Problem> {
        crate::reach::staff(scope)?;
        let sql = Sql::new(LETTER).with(self.document_word().await?);
        let rows = self.rows(&sql.with(pid)).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let state = State::from_code(row.text(7)?).unwrap_or(State::Returned);
        let withheld = row.flag(4)? || row.int(12)? != 0 || row.flag(13)?;
        let left = if row.flag(3)? {
            Some(Left::Urgent)
        } else if row.text(8)? != super::Kind::Letter.code() {
            Some(Left::NotSigned)
        } else if withheld {
            Some(Left::Withheld)
        } else if row.text_opt(5)?.is_some() {
            Some(Left::Correction)
        } else if state != State::Delivered || row.flag(14)? {
            Some(Left::Touched)
        } else {
            None
        };
        Ok(Some(RuleLetter {
            pid,
            sender: row.text(0)?.to_owned(),
            title: row.text(1)?.to_owned(),
            author: row.text(2)?.to_owned(),
            urgent: row.flag(3)?,
            received_at: row.int(6)?,
            state,
            made: event::made(row, 9)?,
            assigned: row.flag(14)?,
            left,
        }))
    }

    /// Adds to a job that a rule files this letter. The note of what the rule did (`RuleWrite::Did`) stands before it in the job.
    ///
    /// # Errors
    /// `Forbidden` for anybody but the node itself; those of the database.
    pub async fn add_filing(
        &self,
        scope: &Scope,
        job: &mut Job,
        letter: &RuleLetter,
        (rule, title, key, step): (&str, &str, &str, u16),
        until: Millis,
    ) -> Result<(), Problem> {
        crate::reach::own(scope)?;
        let release_at = self.released_at(&letter.made).await?;
        // What the patient can read already stays readable.
        if release_at.is_none_or(|at| at > until) {
            let release = Release::At(until.saturating_add(MARGIN));
            job.changes
                .extend(self.releases(&letter.made, release).await?);
        }
        let named = shown::named(&letter.made);
        job.traces
            .push(lists::line(scope, letter.pid, named, Outcome::Success));
        let filing = FileByRule {
            pid: letter.pid,
            rule: rule.to_owned(),
            key: key.to_owned(),
            step,
            actor: Actor {
                who: format!("Rule: {title}"),
                role: "rule".to_owned(),
                account: None,
            },
            until,
            seen: letter.made.clone(),
            release_at,
        };
        let write = ParcelWrite::FileByRule(Box::new(filing));
        job.effects.push(Effect::Parcel(write));
        Ok(())
    }

    /// Puts a letter that a rule filed back into the inbox, as if nobody had touched it.
    ///
    /// # Errors
    /// `BusinessRule` once the time is over, if it was undone before, or if something else became of the letter; `Forbidden`, also if
    /// the letter is withheld from the caller.
    pub async fn unfile_by_rule(&self, scope: &Scope, act: &Act) -> Result<(), Problem> {
        let owner = Ods::parse(&lists::owner(self, scope)?)?;
        let actor = bulk::actor(scope)?;
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_unfile(scope, act, (&owner, &actor)).await {
                Err(problem) if problem.kind == Kind::Conflict && tries < bulk::TRIES => {}
                other => return other,
            }
        }
    }

    async fn try_unfile(
        &self,
        scope: &Scope,
        act: &Act,
        (owner, actor): (&Ods, &Actor),
    ) -> Result<(), Problem> {
        self.letter_within(scope, owner.as_str(), act.pid).await?;
        let sql = Sql::new(
            "SELECT a.seq, a.release_at, p.state, p.marked, p.patient, p.document, p.binaries \
             FROM rule_act a JOIN parcel p ON p.pid = a.pid WHERE a.number = $1 AND a.kind = 'file'",
        );
        let rows = self.rows(&sql.with(act.number)).await?;
        let row = rows.first().ok_or_else(gone)?;
        if row.text(2)? != State::Filed.code() {
            let message = "Something else has become of this letter since, so it stays as it is.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        let letter = Back {
            pid: act.pid,
            seq: row.int(0)?,
            release_at: row.int_opt(1)?,
            marked: row.flag(3)?,
            made: event::made(row, 4)?,
        };
        let release = match (letter.marked, letter.release_at) {
            (false, Some(at)) => Release::At(at),
            _ => Release::Never,
        };
        let changes: Vec<Change> = self.releases(&letter.made, release).await?;
        let named = shown::named(&letter.made);
        let line: AuditEntry = lists::line(scope, letter.pid, named, Outcome::Success);
        let undone = RuleWrite::Undone {
            number: act.number,
            who: actor.who.clone(),
        };
        let back = PutBackByRule {
            owner: owner.clone(),
            actor: actor.clone(),
            letter,
        };
        let job = Job {
            changes,
            effects: vec![
                Effect::Rule(undone),
                Effect::Parcel(ParcelWrite::PutBackByRule(Box::new(back))),
            ],
            traces: vec![line],
            ..Job::default()
        };
        self.commit(scope, job).await.map(|_| ())
    }
}

/// Files it inside the writer, if it still is what no one has touched.
pub(super) async fn file(
    tx: &mut Tx<'_>,
    now: Millis,
    filing: &FileByRule,
) -> Result<ParcelDone, Problem> {
    let parcel = event::by_pid(tx, filing.pid).await?.ok_or_else(gone)?;
    let fits = !parcel.outward
        && !parcel.unmatched
        && !parcel.by_fax
        && !parcel.by_itk3
        && parcel.state == State::Delivered
        && parcel.made == filing.seen;
    let sql = Sql::new(
        "SELECT 1 FROM parcel p WHERE p.pid = $1 AND p.urgent = 0 AND p.marked = 0 AND NOT EXISTS \
         (SELECT 1 FROM desk_assigned g WHERE g.pid = p.pid)",
    );
    if !fits || tx.row(&sql.with(filing.pid)).await?.is_none() {
        let message = "Somebody has worked on this letter meanwhile.";
        return Err(Problem::new(Kind::Conflict, message));
    }
    let note = "filed by a rule; nobody here opened it";
    let word = State::Filed.code();
    let seq = event::add(tx, now, &parcel, word, &filing.actor, note).await?;
    event::set_state(tx, parcel.pid, State::Filed, now).await?;
    event::tell_after(tx, &parcel, seq, filing.until.saturating_add(MARGIN)).await?;
    let sql = Sql::new(
        "UPDATE rule_act SET seq = $1, release_at = $2, until = $3 WHERE rule = $4 AND key = $5 AND step = $6 \
         AND state = 'done'",
    );
    let sql = sql.with(seq).with(filing.release_at).with(filing.until);
    let sql = sql.with(filing.rule.as_str()).with(filing.key.as_str());
    let message = "What the rule did was not noted before.";
    tx.execute_once(&sql.with(i64::from(filing.step)), message)
        .await?;
    Ok(ParcelDone::Rows(1))
}

/// Undoes it inside the writer; that it may still be undone was looked at as it was noted so.
pub(super) async fn put_back(
    tx: &mut Tx<'_>,
    now: Millis,
    back: &PutBackByRule,
) -> Result<ParcelDone, Problem> {
    let who = (&back.owner, &back.actor);
    bulk::unfile(tx, now, &back.letter, who, State::Delivered).await?;
    Ok(ParcelDone::Rows(1))
}
