//! Pointers to single documents (`docs/nrl.md`): made, replaced and deleted by systems of their custodian.

use access::{Ods, Outcome, Reach, Scope, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::database::Tx;
use crate::reach::forbidden;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Pointers of one organisation at most.
const POINTERS_MAX: i64 = 1_000_000;

/// A pointer to a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentPointer {
    /// Begins with the custodian's ODS code.
    pub id: String,
    pub custodian: String,
    /// Ten digits.
    pub nhs_number: String,
    /// The document's type, as `system|code`.
    pub kind: String,
    pub version: i64,
    pub at: Millis,
    /// The DocumentReference as JSON.
    pub body: String,
}

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct Located<'l> {
    pub nhs_number: Option<&'l str>,
    pub custodian: Option<&'l str>,
    /// `system|code`; all, if there is none.
    pub kinds: &'l [String],
    /// Behind this id.
    pub after: &'l str,
    pub count: u32,
}

/// What the writer can do to these rows.
#[derive(Debug)]
pub enum LocateWrite {
    /// A new pointer, in the place of others of the same custodian, patient and type.
    Create {
        pointer: Box<DocumentPointer>,
        replaces: Vec<String>,
    },
    /// Its new body, if it is still the version that was looked at.
    Update {
        pointer: Box<DocumentPointer>,
    },
    Delete {
        id: String,
        custodian: String,
    },
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(super) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &LocateWrite,
) -> Result<(), Problem> {
    match write {
        LocateWrite::Create { pointer, replaces } => create(tx, now, pointer, replaces).await,
        LocateWrite::Update { pointer } => {
            let sql = Sql::new(
                "UPDATE nrl_pointer SET body = $1, version = version + 1, at = $2 \
                 WHERE id = $3 AND custodian = $4 AND version = $5",
            );
            let sql = sql.with(pointer.body.as_str()).with(now);
            let sql = sql.with(pointer.id.as_str());
            let sql = sql.with(pointer.custodian.as_str());
            match tx.execute(&sql.with(pointer.version)).await? {
                0 => Err(Problem::new(
                    Kind::Conflict,
                    "The pointer was changed meanwhile.",
                )),
                _ => Ok(()),
            }
        }
        LocateWrite::Delete { id, custodian } => gone(tx, id, custodian).await,
    }
}

async fn create(
    tx: &mut Tx<'_>,
    now: Millis,
    pointer: &DocumentPointer,
    replaces: &[String],
) -> Result<(), Problem> {
    let count = Sql::new("SELECT COUNT(*) FROM nrl_pointer WHERE custodian = $1");
    let count = tx.row(&count.with(pointer.custodian.as_str())).await?;
    if count.map_or(Ok(0), |row| row.int(0))? >= POINTERS_MAX {
        let message = "There are as many pointers as can be kept.";
        return Err(Problem::new(Kind::TooCostly, message));
    }
    for id in replaces {
        let sql = Sql::new(
            "SELECT 1 FROM nrl_pointer WHERE id = $1 AND custodian = $2 AND nhs_number = $3 \
             AND kind = $4",
        );
        let sql = sql.with(id.as_str()).with(pointer.custodian.as_str());
        let sql = sql.with(pointer.nhs_number.as_str());
        if tx.row(&sql.with(pointer.kind.as_str())).await?.is_none() {
            let message =
                "What is replaced must be there, of the same patient, type and custodian.";
            return Err(Problem::new(Kind::Value, message).at("relatesTo"));
        }
        gone(tx, id, &pointer.custodian).await?;
    }
    let sql = Sql::new(
        "INSERT INTO nrl_pointer (id, custodian, nhs_number, kind, version, at, body) \
         VALUES ($1, $2, $3, $4, 1, $5, $6) ON CONFLICT (id) DO NOTHING",
    );
    let sql = sql
        .with(pointer.id.as_str())
        .with(pointer.custodian.as_str())
        .with(pointer.nhs_number.as_str())
        .with(pointer.kind.as_str())
        .with(now);
    match tx.execute(&sql.with(pointer.body.as_str())).await? {
        0 => Err(Problem::new(
            Kind::Conflict,
            "There is a pointer of this id.",
        )),
        _ => Ok(()),
    }
}

async fn gone(tx: &mut Tx<'_>, id: &str, custodian: &str) -> Result<(), Problem> {
    let sql = Sql::new("DELETE FROM nrl_pointer WHERE id = $1 AND custodian = $2");
    match tx.execute(&sql.with(id).with(custodian)).await? {
        0 => Err(Problem::new(Kind::NotFound, "There is no such pointer.")),
        _ => Ok(()),
    }
}

impl Store {
    /// The pointer of that id. Traced, whether it is there or not.
    ///
    /// # Errors
    /// `Forbidden` for a scope of no staff or system here; those of the database.
    pub async fn document_pointer(
        &self,
        scope: &Scope,
        (id, patient): (&str, Option<&str>),
    ) -> Result<Option<DocumentPointer>, Problem> {
        looks(scope)?;
        let sql = Sql::new(
            "SELECT id, custodian, nhs_number, kind, version, at, body FROM nrl_pointer \
             WHERE id = $1",
        );
        let rows = self.rows(&sql.with(id)).await?;
        let found = rows.first().map(pointer).transpose()?;
        let outcome = match &found {
            Some(_) => Outcome::Success,
            None => Outcome::Absent,
        };
        let target = Target {
            ty: "DocumentReference".into(),
            id: Some(id.to_string()),
            patient: patient.map(str::to_string),
            query: Some("pointer".into()),
            ..Target::default()
        };
        let line = scope.trace(scope.interaction(), outcome, target);
        self.traced(vec![line]).await?;
        Ok(found)
    }

    /// Pointers, in the order of their ids. `patient` is the Patient here of whom they are, if one is known;
    /// the line in the log names them.
    ///
    /// # Errors
    /// As `document_pointer`.
    pub async fn document_pointers(
        &self,
        scope: &Scope,
        wanted: &Located<'_>,
        patient: Option<&str>,
    ) -> Result<Vec<DocumentPointer>, Problem> {
        looks(scope)?;
        let mut sql = Sql::new(
            "SELECT id, custodian, nhs_number, kind, version, at, body FROM nrl_pointer WHERE id > ",
        );
        sql.bind(wanted.after.to_string());
        if let Some(number) = wanted.nhs_number {
            sql.push(" AND nhs_number = ").bind(number.to_string());
        }
        if let Some(custodian) = wanted.custodian {
            sql.push(" AND custodian = ").bind(custodian.to_string());
        }
        for (at, kind) in wanted.kinds.iter().enumerate() {
            sql.push(if at == 0 { " AND kind IN (" } else { ", " });
            sql.bind(kind.clone());
        }
        if !wanted.kinds.is_empty() {
            sql.push(")");
        }
        sql.push(" ORDER BY id LIMIT ")
            .bind(wanted.count.min(1_000));
        let rows = self.rows_apart(sql).await?;
        let target = Target {
            ty: "DocumentReference".into(),
            patient: patient.map(str::to_string),
            query: Some("pointers".into()),
            ..Target::default()
        };
        let line = scope.trace(scope.interaction(), Outcome::Success, target);
        self.traced(vec![line]).await?;
        rows.iter().map(pointer).collect()
    }
}

/// Staff and systems of this organisation, for their interactions alone.
fn looks(scope: &Scope) -> Result<(), Problem> {
    match scope.reach() {
        Reach::Everything | Reach::Organisation(_) => Ok(()),
        Reach::Compartment { .. } | Reach::Mailbox(_) => Err(forbidden()),
    }
}

fn pointer(row: &Row) -> Result<DocumentPointer, Problem> {
    let text = |at: usize| row.text(at).map(str::to_string);
    Ok(DocumentPointer {
        id: text(0)?,
        custodian: Ods::parse(row.text(1)?)?.to_string(),
        nhs_number: text(2)?,
        kind: text(3)?,
        version: row.int(4)?,
        at: row.int(5)?,
        body: text(6)?,
    })
}
