//! Changes of these rows.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::database::Tx;
use crate::sql::Sql;

/// What is written in one draft, in bytes.
pub const BODY_BYTES_MAX: usize = 256 << 10;
/// Drafts of an organisation that are open at a time: a person can still look through them.
const OPEN_MAX: i64 = 2_000;

/// A draft to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDraft {
    pub id: String,
    /// What it is to become.
    pub kind: &'static str,
    /// The id of the Patient here.
    pub patient: String,
    pub account: i64,
    pub author: String,
    /// JSON.
    pub body: String,
}

/// How a draft ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// What it says was signed, and leaves in this job.
    Signed,
    /// It is not wanted.
    Discarded,
}

impl End {
    fn code(self) -> &'static str {
        match self {
            End::Signed => "signed",
            End::Discarded => "discarded",
        }
    }
}

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum DraftWrite {
    /// Begins one. `Conflict` if that id is taken; `Throttled` if too many are open.
    Begin(Box<NewDraft>),
    /// Writes it anew, over that version. `Conflict` if it is another by now, or it is open no more.
    Save {
        id: String,
        version: i64,
        account: i64,
        author: String,
        body: String,
    },
    /// Ends it as it was seen. `Conflict` if it is another by now, or it is open no more.
    End {
        id: String,
        version: i64,
        end: End,
        by: String,
    },
}

const MOVED: &str =
    "Somebody has changed, signed or discarded this draft meanwhile; look at it again.";

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(tx: &mut Tx<'_>, now: Millis, write: &DraftWrite) -> Result<(), Problem> {
    match write {
        DraftWrite::Begin(new) => begin(tx, now, new).await,
        DraftWrite::Save {
            id,
            version,
            account,
            author,
            body,
        } => {
            check(body)?;
            let sql = Sql::new(
                "UPDATE draft SET body = $1, account = $2, author = $3, changed_at = $4, \
                 version = version + 1 WHERE id = $5 AND version = $6 AND state = 'open'",
            );
            let sql = sql
                .with(body.as_str())
                .with(*account)
                .with(author.as_str())
                .with(now)
                .with(id.as_str())
                .with(*version);
            tx.execute_once(&sql, MOVED).await
        }
        DraftWrite::End {
            id,
            version,
            end,
            by,
        } => {
            let sql = Sql::new(
                "UPDATE draft SET state = $1, ended_by = $2, changed_at = $3, version = version + 1 \
                 WHERE id = $4 AND version = $5 AND state = 'open'",
            );
            let sql = sql
                .with(end.code())
                .with(by.as_str())
                .with(now)
                .with(id.as_str())
                .with(*version);
            tx.execute_once(&sql, MOVED).await
        }
    }
}

async fn begin(tx: &mut Tx<'_>, now: Millis, new: &NewDraft) -> Result<(), Problem> {
    check(&new.body)?;
    let open = Sql::new("SELECT COUNT(*) FROM draft WHERE state = 'open'");
    let open = tx.row(&open).await?.map_or(Ok(0), |row| row.int(0))?;
    if open >= OPEN_MAX {
        let message = "Too many letters here are unsigned: sign or discard some first.";
        return Err(Problem::new(Kind::Throttled, message));
    }
    let sql = Sql::new(
        "INSERT INTO draft (id, kind, patient, account, author, body, version, state, begun_at, \
         changed_at, ended_by) VALUES ($1, $2, $3, $4, $5, $6, 1, 'open', $7, $7, '') \
         ON CONFLICT (id) DO NOTHING",
    );
    let sql = sql
        .with(new.id.as_str())
        .with(new.kind)
        .with(new.patient.as_str())
        .with(new.account)
        .with(new.author.as_str())
        .with(new.body.as_str())
        .with(now);
    tx.execute_once(&sql, "A draft of that name is there already.")
        .await
}

fn check(body: &str) -> Result<(), Problem> {
    match body.len() > BODY_BYTES_MAX {
        true => Err(Problem::new(
            Kind::TooLong,
            "A draft is too long to be kept.",
        )),
        false => Ok(()),
    }
}
