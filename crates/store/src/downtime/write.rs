//! Changes of these rows.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::database::Tx;
use crate::sql::Sql;

/// Packs of which it is kept that they were written.
const KEPT_MAX: i64 = 2_000;
/// One note of what people did, in bytes.
const NOTE_BYTES_MAX: usize = 2_000;

/// What people did with a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaperKind {
    Printed,
    Opened,
    Destroyed,
}

impl PaperKind {
    /// The word in tables.
    pub fn code(self) -> &'static str {
        match self {
            PaperKind::Printed => "printed",
            PaperKind::Opened => "opened",
            PaperKind::Destroyed => "destroyed",
        }
    }

    /// The kind of that word.
    pub fn from_code(code: &str) -> Option<PaperKind> {
        let mut all = [PaperKind::Printed, PaperKind::Opened, PaperKind::Destroyed].into_iter();
        all.find(|it| it.code() == code)
    }
}

/// A paper that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaperEntry {
    pub id: String,
    /// The form's; empty if it had none.
    pub code: String,
    pub patient: String,
    pub happened_at: Millis,
    pub entered_by: String,
    /// Who wrote it on paper.
    pub behalf: String,
}

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum DowntimeWrite {
    /// A pack is about to be written, with the codes of its forms: code, form, patient.
    Made {
        id: String,
        made_by: String,
        patients: i64,
        left_out: String,
        codes: Vec<(String, &'static str, String)>,
    },
    /// What people did with one.
    Did {
        kind: PaperKind,
        pack: String,
        who: String,
        note: String,
    },
    /// A paper is taken in, in the job that writes what it says. `Conflict` if it was before.
    Entered(Box<PaperEntry>),
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &DowntimeWrite,
) -> Result<(), Problem> {
    match write {
        DowntimeWrite::Made {
            id,
            made_by,
            patients,
            left_out,
            codes,
        } => {
            let sql = Sql::new(
                "INSERT INTO downtime_pack (id, made_at, made_by, patients, left_out) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING",
            );
            let sql = sql.with(id.as_str()).with(now).with(made_by.as_str());
            let sql = sql.with(*patients).with(left_out.as_str());
            tx.execute_once(&sql, "A pack of that name is there already.")
                .await?;
            for (code, form, patient) in codes {
                let sql = Sql::new(
                    "INSERT INTO downtime_code (code, form, patient, made_at) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (code) DO NOTHING",
                );
                let sql = sql.with(code.as_str()).with(*form);
                tx.execute(&sql.with(patient.as_str()).with(now)).await?;
            }
            forget(tx).await
        }
        DowntimeWrite::Did {
            kind,
            pack,
            who,
            note,
        } => {
            if note.len() > NOTE_BYTES_MAX || pack.len() > NOTE_BYTES_MAX {
                return Err(Problem::new(Kind::TooLong, "The note is too long."));
            }
            let sql = Sql::new(
                "INSERT INTO downtime_event (at, kind, pack, who, note) VALUES ($1, $2, $3, $4, $5)",
            );
            let sql = sql.with(now).with(kind.code()).with(pack.as_str());
            let sql = sql.with(who.as_str()).with(note.as_str());
            tx.execute(&sql).await.map(|_| ())
        }
        DowntimeWrite::Entered(it) => {
            let sql = Sql::new(
                "INSERT INTO downtime_entry (id, code, patient, happened_at, entered_at, entered_by, behalf) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
            );
            let sql = sql.with(it.id.as_str()).with(it.code.as_str());
            let sql = sql.with(it.patient.as_str()).with(it.happened_at);
            let sql = sql.with(now).with(it.entered_by.as_str());
            tx.execute_once(
                &sql.with(it.behalf.as_str()),
                "This paper is in the record.",
            )
            .await
        }
    }
}

/// Drops the oldest of what was written.
async fn forget(tx: &mut Tx<'_>) -> Result<(), Problem> {
    let sql = Sql::new(
        "DELETE FROM downtime_pack WHERE id IN (SELECT id FROM downtime_pack \
         ORDER BY made_at DESC, id DESC LIMIT 1000 OFFSET $1)",
    );
    tx.execute(&sql.with(KEPT_MAX)).await.map(|_| ())
}
