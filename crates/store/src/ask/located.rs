//! What follows from pointers to documents (`locate`) for the patient they are about: that something is held here, and
//! that who may not see documents is not told of them.

use access::{NhsNumber, Reach, Scope};
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use serde_json::{Value, json};

use super::{Answered, BYTES_MAX, OF_A_TYPE_MAX};
use crate::resources::{Version, body};
use crate::sql::Sql;
use crate::store::Store;

pub(super) const DOCUMENT: &str = "DocumentReference";

impl Store {
    /// Whether a system here points at a document about that patient.
    pub(super) async fn is_located(&self, patient: &str) -> Result<bool, Problem> {
        let any = Sql::new("SELECT 1 FROM nrl_pointer LIMIT 1");
        if self.rows(&any).await?.is_empty() {
            return Ok(false);
        }
        for number in self.numbers_of(patient).await? {
            let sql = Sql::new("SELECT 1 FROM nrl_pointer WHERE nhs_number = $1 LIMIT 1");
            if !self.rows(&sql.with(number)).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The NHS numbers that a Patient here carries.
    async fn numbers_of(&self, patient: &str) -> Result<Vec<String>, Problem> {
        let sql = Sql::new(
            "SELECT v.ver, v.ts, v.splice, v.body FROM res r JOIN ver v ON v.shard = r.shard \
             AND v.rid = r.rid AND v.ver = r.ver WHERE r.ty = $1 AND r.id = $2 AND r.del = 0",
        );
        let ty = self.word("Patient").await?;
        let rows = self.rows(&sql.with(ty).with(patient)).await?;
        let Some(row) = rows.first() else {
            return Ok(Vec::new());
        };
        let version = row.int(0)?.unsigned_abs();
        let whole = body::render(row.bytes(3)?, row.int(2)?, version, row.int(1)?)?;
        let person = body::parse(&whole)?;
        let identifiers = person.items("identifier").iter();
        let numbers = identifiers.filter(|it| it.text("system") == Some(NhsNumber::SYSTEM));
        let mut numbers: Vec<String> = numbers
            .filter_map(|it| NhsNumber::parse(it.text("value")?).ok())
            .map(|it| it.digits().to_string())
            .collect();
        numbers.dedup();
        Ok(numbers)
    }

    /// Whether the patient does not want documents about them to be seen by whom the scope is for, and they have not opened the
    /// record.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn documents_are_withheld(
        &self,
        scope: &Scope,
        patient: &str,
    ) -> Result<bool, Problem> {
        let (Reach::Organisation(own), Some(withholds)) = (scope.reach(), scope.withholds()) else {
            return Ok(false);
        };
        let is_open = withholds.opened.iter().any(|it| it == patient);
        if !withholds.has_dissents || is_open {
            return Ok(false);
        }
        let asker = withholds.asker.as_ref().unwrap_or(own);
        let sql = Sql::new(
            "SELECT 1 FROM care_dissent WHERE patient = $1 AND org = $2 AND (ty = 0 OR ty = $3) \
             AND starts_at <= $4 AND ends_at > $5 LIMIT 1",
        );
        let ty = self.word(DOCUMENT).await?;
        let sql = sql.with(patient).with(asker.as_str()).with(ty);
        let rows = self
            .rows(&sql.with(withholds.now).with(withholds.now))
            .await?;
        Ok(!rows.is_empty())
    }

    /// Adds to an answer the documents that systems here point at. A patient who asks is not told of them: nobody has
    /// released them.
    pub(super) async fn add_located(
        &self,
        scope: &Scope,
        patient: &str,
        answered: &mut Answered,
    ) -> Result<(), Problem> {
        if scope.released_by().is_some() {
            return Ok(());
        }
        let mut found: Vec<(String, Millis, String)> = Vec::new();
        for number in self.numbers_of(patient).await? {
            let sql = Sql::new(
                "SELECT id, at, body FROM nrl_pointer WHERE nhs_number = $1 ORDER BY at DESC, id LIMIT $2",
            );
            let count = i64::try_from(OF_A_TYPE_MAX).unwrap_or(i64::MAX);
            let sql = sql.with(number).with(count.saturating_add(1));
            for row in self.rows(&sql).await? {
                found.push((
                    row.text(0)?.to_string(),
                    row.int(1)?,
                    row.text(2)?.to_string(),
                ));
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        let of_type = |names: &[String]| names.iter().any(|it| it == DOCUMENT);
        if self.documents_are_withheld(scope, patient).await? {
            if !of_type(&answered.withheld) {
                answered.withheld.push(DOCUMENT.to_string());
            }
            return Ok(());
        }
        let sizes = answered.entries.iter().map(|it| it.body.len());
        let mut bytes: usize = sizes.sum();
        let is_document = |it: &&Version| it.ty == DOCUMENT;
        let there = answered.entries.iter().filter(is_document).count();
        let room = OF_A_TYPE_MAX.saturating_sub(there);
        for (number, (id, at, text)) in found.into_iter().enumerate() {
            let entry = entry(id, at, &text)?;
            bytes += entry.body.len();
            if number >= room || bytes > BYTES_MAX {
                if !of_type(&answered.cut) {
                    answered.cut.push(DOCUMENT.to_string());
                }
                break;
            }
            answered.entries.push(entry);
        }
        Ok(())
    }
}

/// A pointer as a resource of an answer.
fn entry(id: String, at: Millis, text: &str) -> Result<Version, Problem> {
    let mut resource: Value = serde_json::from_str(text).map_err(|cause| {
        Problem::new(Kind::Exception, "A stored pointer does not read.").because(cause)
    })?;
    if let Some(members) = resource.as_object_mut() {
        members.insert("id".into(), json!(id));
        let meta = json!({ "lastUpdated": date::instant(at) });
        members.insert("meta".into(), meta);
    }
    Ok(Version {
        ty: DOCUMENT.to_string(),
        id,
        version: 1,
        last_updated: at,
        body: resource.to_string().into(),
    })
}
